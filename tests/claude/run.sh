#!/bin/bash
# Drives the real Claude Code client through a scripted scenario and records what it did into OUT.
#
#   run.sh SCENARIO OUT [ARGUMENT OF THE CLIENT...]
#
# SCENARIO is a name in scenarios/ or a path. OUT gets: api.jsonl (requests the stand-in saw), stream.jsonl (print mode),
# screens/ (terminal mode), stderr, client.pid, and last of all rc, the client's exit code.
#
# Environment:
#   CLAUDE_BIN    the client's program (required)
#   CLIENT_HOME   the client's HOME, with ~/.claude/settings.json as an installer left it (required; kept)
#   PROJECT       the folder it works in (default CLIENT_HOME/app; made a git repository when absent)
#   MODE          print (default: -p with stream-json) or tui (the terminal interface, under tmux)
#   PROMPT        the prompt of print mode
#   DRIVER        tui: a bash file that plays the keys (default scenarios/NAME.tui); its verbs are in tui.sh
#   CLIENT_ENV    more variables for the client: NAME=value, separated by blanks
#   DEADLINE_S    seconds until the client is killed (default 120)
#   ISOLATED      set to 0 to run on this machine's loopback without a namespace of its own (see isolate.sh)
#
# The client gets an empty environment, a dummy key and a base URL on loopback: it needs no account and no network.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ -n "${ISOLATED:-}" ] || exec "$here/isolate.sh" "$0" "$@"
: "${CLAUDE_BIN:?}" "${CLIENT_HOME:?}" "${MODE:=print}" "${PROMPT:=Do the scripted steps}" "${DEADLINE_S:=120}"
name=$1 out=$2
shift 2
scenario=$name
[ -f "$scenario" ] || scenario=$here/scenarios/$name.json
[ -f "$scenario" ] || { echo "no such scenario: $name" >&2; exit 64; }
mkdir -p "$out" "$CLIENT_HOME/.claude" "$CLIENT_HOME/tmp"
scenario=$(realpath "$scenario") out=$(realpath "$out") CLIENT_HOME=$(realpath "$CLIENT_HOME")
: "${PROJECT:=$CLIENT_HOME/app}"
rm -rf "$out"/{api.jsonl,stream.jsonl,screens,stderr,client.pid,rc,rc.part,port}
source "$here/wait.sh"
source "$here/prepare.sh"

python3 "$here/scripted_api.py" --scenario "$scenario" --project "$PROJECT" --port-file "$out/port" --log "$out/api.jsonl" &
api=$!
trap 'kill $api 2>/dev/null; wait $api 2>/dev/null; rm -f "$out/port"' EXIT
wait_until 10 test -s "$out/port" || { echo "the scripted API did not start" >&2; exit 1; }

read -ra more_variables <<< "${CLIENT_ENV:-}"
client=(env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$CLIENT_HOME" TMPDIR="$CLIENT_HOME/tmp" USER=dev SHELL=/bin/bash
  TERM=xterm-256color LANG=C.UTF-8 IS_SANDBOX=1 ANTHROPIC_BASE_URL="http://127.0.0.1:$(cat "$out/port")"
  ANTHROPIC_API_KEY="$dummy_key" CLAUDE_CODE_MAX_RETRIES=3 CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1
  "${more_variables[@]}" "$CLAUDE_BIN")

cd "$PROJECT" || exit 1
if [ "$MODE" = tui ]; then
  source "$here/tui.sh"
  play "${DRIVER:-${scenario%.json}.tui}" "$@"
else
  "${client[@]}" -p "$PROMPT" --output-format stream-json --verbose "$@" \
    > "$out/stream.jsonl" 2> "$out/stderr" < /dev/null &
  pid=$!
  echo "$pid" > "$out/client.pid"
  wait_until "$DEADLINE_S" gone "$pid" || { echo "killed after $DEADLINE_S s" >> "$out/stderr"; kill -KILL "$pid"; }
  wait "$pid"
  echo $? > "$out/rc.part"
fi
mv "$out/rc.part" "$out/rc"
exit "$(cat "$out/rc")"
