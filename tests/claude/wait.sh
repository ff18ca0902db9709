# Waits for conditions with a deadline, never for a guessed time. Sourced by run.sh.

exec {never}<> <(:)   # a pipe that nobody writes to: reading it with a time limit is a poll interval without a process

# wait_until SECONDS COMMAND...: 0 as soon as the command succeeds, 1 when the time is over.
wait_until() {
  local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
  shift
  until "$@"; do
    [ "${EPOCHREALTIME/./}" -lt "$deadline" ] || return 1
    read -rt 0.02 -u "$never" || true
  done
}

# gone PID: the process has ended.
gone() { ! kill -0 "$1" 2>/dev/null; }
