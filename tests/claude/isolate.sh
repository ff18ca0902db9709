#!/bin/bash
# Runs a command in a network namespace of its own, where only loopback exists; plainly where that is not permitted.
#
#   isolate.sh COMMAND [ARGUMENT...]
#
# The command sees ISOLATED=1 or ISOLATED=0. Nested use runs the command as it is, so a monitor and the client can
# share one namespace: isolate.sh bash -c 'start the monitor; run.sh basic OUT'.
set -u
if [ -n "${ISOLATED:-}" ]; then exec "$@"; fi
if unshare -rn ip link set lo up 2>/dev/null; then
  export ISOLATED=1
  exec unshare -rn bash -c 'ip link set lo up && exec "$@"' isolated "$@"
fi
export ISOLATED=0
exec "$@"
