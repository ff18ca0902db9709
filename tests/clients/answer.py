"""python-socketio that does what it is told and answers what it is asked, for tests of both directions.

    python3 answer.py --url http://127.0.0.1:8765 --namespaces /,/hook [--transport …] [--auth JSON] [--asyncio]

The lines are those of answer.mjs: {"namespace","event","args"} is printed for each event; {"namespace","event","args",
"timeout"} on stdin is emitted, and its answer printed as {"namespace","answer"} or {"namespace","error"}. {"bytes": n}
stands for n bytes that count 0, 1, 2 … 255, 0 …
"""
import argparse
import asyncio
import json
import os
import sys
import threading
import time

import socketio

# Longer than a test waits for an answer that is not to come: this library always answers.
LATE_S = 2


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--url")
    arguments.add_argument("--namespaces", default="/")
    arguments.add_argument("--transport", choices=["websocket", "polling"])
    arguments.add_argument("--auth", type=json.loads, default={})
    arguments.add_argument("--asyncio", action="store_true")
    options = arguments.parse_args()
    options.namespaces = options.namespaces.split(",")
    options.transports = [options.transport] if options.transport else None
    if options.asyncio:
        asyncio.run(follow_async(options))
    else:
        follow(options)


def follow(options):
    client = socketio.Client(reconnection_delay=0.05)
    for namespace in options.namespaces:
        listen(client, namespace)
    client.connect(options.url, namespaces=options.namespaces, auth=options.auth, transports=options.transports,
                   wait=False)
    for line in sys.stdin:
        threading.Thread(target=ask, args=(client, json.loads(line)), daemon=True).start()


def ask(client, asked):
    namespace, event, args = asked["namespace"], asked["event"], tuple(map(filled, asked["args"]))
    try:
        told(namespace, client.call(event, args, namespace=namespace, timeout=asked["timeout"] / 1000))
    except socketio.exceptions.SocketIOError as error:
        print_line({"namespace": namespace, "error": type(error).__name__})


async def follow_async(options):
    client = socketio.AsyncClient(reconnection_delay=0.05)
    for namespace in options.namespaces:
        listen(client, namespace)
    await client.connect(options.url, namespaces=options.namespaces, auth=options.auth, transports=options.transports,
                         wait=False)
    asking = set()
    while line := await asyncio.to_thread(sys.stdin.readline):
        task = asyncio.create_task(ask_async(client, json.loads(line)))
        asking.add(task)
        task.add_done_callback(asking.discard)


async def ask_async(client, asked):
    namespace, event, args = asked["namespace"], asked["event"], tuple(map(filled, asked["args"]))
    try:
        told(namespace, await client.call(event, args, namespace=namespace, timeout=asked["timeout"] / 1000))
    except socketio.exceptions.SocketIOError as error:
        print_line({"namespace": namespace, "error": type(error).__name__})


def listen(client, namespace):
    """Prints what comes in one namespace, and answers it."""
    def tell(event, *args):
        print_line({"namespace": namespace, "event": event, "args": list(map(described, args))})

    def came(event, *args):
        tell(event, *args)
        if event == "never answered":
            time.sleep(LATE_S)
        return args

    async def came_async(event, *args):
        tell(event, *args)
        if event == "never answered":
            await asyncio.sleep(LATE_S)
        return args

    client.on("connect", lambda: tell("connect", client.get_sid(namespace)), namespace=namespace)
    client.on("disconnect", lambda reason=None: tell("disconnect", reason), namespace=namespace)
    client.on("connect_error", lambda data=None: tell("connect_error", data), namespace=namespace)
    client.on("*", came_async if client.is_asyncio_based() else came, namespace=namespace)


def told(namespace, answer):
    # The library gives one argument as itself and several as a tuple.
    answers = () if answer is None else answer if isinstance(answer, tuple) else (answer,)
    print_line({"namespace": namespace, "answer": list(map(described, answers))})


def filled(arg):
    """The bytes that {"bytes": n} stands for; anything else is itself."""
    return counting(arg["bytes"]) if isinstance(arg, dict) and "bytes" in arg else arg


def described(arg):
    """{"bytes": n} for such bytes, {"other bytes": n} for others; anything else is itself."""
    if not isinstance(arg, bytes):
        return arg
    return {"bytes" if arg == counting(len(arg)) else "other bytes": len(arg)}


def counting(length):
    return (bytes(range(256)) * (length // 256 + 1))[:length]


def print_line(line):
    """Writes the line at once and whole, since several threads print."""
    try:
        written = memoryview((json.dumps(line) + "\n").encode())
        with PRINTING:
            while written:
                written = written[os.write(sys.stdout.fileno(), written):]
    except BrokenPipeError:
        os._exit(0)


PRINTING = threading.Lock()

if __name__ == "__main__":
    main()
