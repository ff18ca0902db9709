# Plays the client's terminal interface under tmux. Sourced by run.sh; the verbs below are for driver files.

terminal=(tmux -S "$(mktemp -u -t tmux.XXXXXX)" -f /dev/null)   # a short path, since a socket allows no long one
screens=0

# see PATTERN [SECONDS]: waits until the screen shows the extended regular expression.
see() { wait_until "${2:-20}" shows "$1" || { keep missing; fail "not seen: $1"; }; }

# unsee PATTERN [SECONDS]: waits until the screen no longer shows it.
unsee() { wait_until "${2:-20}" hides "$1" || { keep missing; fail "still there: $1"; }; }

# type TEXT: writes the text and waits until the input line holds it.
type() { "${terminal[@]}" send-keys -l "$1"; wait_until 10 shows_text "$1" || { keep missing; fail "not typed: $1"; }; }

# press KEY...: keys in tmux's names (Enter, Escape, Down).
press() { "${terminal[@]}" send-keys "$@"; }

# answer KEY shows|hides PATTERN: presses the key until the screen shows or hides the pattern. Newer clients ignore keys
# for a moment after a dialog appears, so a press may be lost; a second one must not hurt what comes after the dialog.
answer() {
  local attempt
  for attempt in 1 2 3 4 5 6 7 8; do
    press "$1"
    wait_until 2 "$2" "$3" && return
  done
  keep missing
  fail "$1 did not help: $2 $3"
}

# say TEXT: types a line and sends it.
say() { type "$1"; press Enter; }

# keep [NAME]: saves the screen.
keep() {
  screens=$((screens + 1))
  mkdir -p "$out/screens"
  screen > "$out/screens/$(printf %02d "$screens")-${1:-screen}.txt"
}

# leave: ends the client as a person would.
leave() { say /exit; wait_until 10 test -e "$out/rc.part" || press Enter; }

screen() { "${terminal[@]}" capture-pane -p 2>/dev/null; }
shows() { screen | grep -qE -- "$1"; }
hides() { ! shows "$1"; }
shows_text() { screen | grep -qF -- "$1"; }
fail() { echo "$1" >> "$out/stderr"; stop; exit 1; }

# stop: ends the terminal, and waits until the client is gone too.
stop() {
  "${terminal[@]}" kill-server 2>/dev/null
  wait_until 5 gone "$(cat "$out/client.pid")" || kill -KILL "$(cat "$out/client.pid")"
}

# play DRIVER ARGUMENT...: starts the client in a terminal of 140 by 45, runs the driver, waits for the end.
play() {
  local driver=$1 command
  shift
  printf -v command '%q ' "${client[@]}" "$@"
  printf -v command '%q ' sh -c "echo \$\$ > '$out/client.pid'; exec $command 2>> '$out/stderr'"
  TMUX='' "${terminal[@]}" new-session -d -x 140 -y 45 "$command; echo \$? > '$out/rc.part'"
  source "$driver"
  wait_until "$DEADLINE_S" test -s "$out/rc.part" || fail "killed after $DEADLINE_S s"
  stop
}
