"""Joins Socket.IO namespaces with python-socketio and prints every event as one JSON line, until it is ended.

    python3 follow.py --url http://127.0.0.1:8765 --namespaces /,/hook [--transport websocket|polling] [--auth JSON] [--resume]

The lines are those of follow.mjs: {"namespace","event","data"}; `connect`, `disconnect` and `connect_error` are events
too. A line {"namespace","event","data"} on stdin is emitted; its acknowledgement is printed with "ack": true. With
--resume it says at each connect which event it saw last (auth.since).
"""
import argparse
import json
import os
import sys
import threading

import socketio


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--url", default="http://127.0.0.1:8765")
    arguments.add_argument("--namespaces", default="/")
    arguments.add_argument("--transport", choices=["websocket", "polling"])
    arguments.add_argument("--auth", type=json.loads)
    arguments.add_argument("--resume", action="store_true")
    options = arguments.parse_args()
    last = {}
    namespaces = options.namespaces.split(",")
    client = socketio.Client()
    joined = {namespace: follow(client, namespace, last) for namespace in namespaces}
    auth = (lambda: {**(options.auth or {}), **last}) if options.resume else options.auth
    client.connect(options.url, namespaces=namespaces, auth=auth, wait=False,
                   transports=[options.transport] if options.transport else None)
    for line in sys.stdin:
        asked = json.loads(line)
        joined[asked["namespace"]].wait()
        emit(client, **asked)
    client.wait()


def follow(client, namespace, last):
    """Prints what comes in one namespace, and keeps in `last` how far it got. -> set while the namespace is joined"""
    joined = threading.Event()

    def tell(event, data):
        print_line({"namespace": namespace, "event": event, "data": data})

    def came(event, *args):
        if args and isinstance(args[0], dict) and isinstance(args[0].get("seq"), int):
            # Each event comes in a thread of its own, and the threads overtake each other.
            last["since"] = max(args[0]["seq"], last.get("since", 0))
        tell(event, single(args))

    def connected():
        tell("connect", {"id": client.get_sid(namespace)})
        joined.set()

    def disconnected(reason=None):
        joined.clear()
        tell("disconnect", reason)

    client.on("connect", connected, namespace=namespace)
    client.on("disconnect", disconnected, namespace=namespace)
    client.on("connect_error", lambda data=None: tell("connect_error", data), namespace=namespace)
    client.on("*", came, namespace=namespace)
    return joined


def emit(client, namespace, event, data=None):
    def acknowledged(*answer):
        print_line({"namespace": namespace, "event": event, "ack": True, "data": single(answer)})

    client.emit(event, data, namespace=namespace, callback=acknowledged)


def single(args):
    """The only argument, or the list of several."""
    return list(args) if len(args) > 1 else args[0] if args else None


def print_line(line):
    """Writes the line at once, since every namespace prints from its own thread."""
    try:
        os.write(sys.stdout.fileno(), (json.dumps(line) + "\n").encode())
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
