#!/usr/bin/env python3
"""Stands in for the Messages API on loopback and answers a real client from a scenario. Standard library only.

    scripted_api.py --scenario FILE.json --project DIR --port-file FILE [--port P] [--log FILE]

It writes the port it listens on into --port-file once it listens. Every request becomes one line of --log, with
wall-clock nanoseconds of its arrival and of the last byte sent. The scenario format is described in scenario.py.
"""
import argparse
import json
import os
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from scenario import Scenario

USAGE = {"input_tokens": 1200, "cache_creation_input_tokens": 300, "cache_read_input_tokens": 21000,
         "output_tokens": 42, "service_tier": "standard",
         "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 0}}


class Api(ThreadingHTTPServer):
    """The listening server, what it plays, and what it noted."""

    daemon_threads, request_queue_size = True, 64

    def __init__(self, port, scenario, log):
        super().__init__(("127.0.0.1", port), Handler)
        self.scenario, self.log, self.lock = scenario, log, threading.Lock()

    def note(self, entry):
        if self.log:
            with self.lock:
                self.log.write(json.dumps(entry) + "\n")
                self.log.flush()


class Handler(BaseHTTPRequestHandler):
    """Answers one connection of the client."""

    protocol_version, wbufsize, disable_nagle_algorithm = "HTTP/1.1", -1, True

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.reply(b"{}")

    def do_HEAD(self):
        self.reply(b"")

    def do_POST(self):
        note = {"received_ns": time.time_ns(), "path": self.path}
        body = self.body()
        path = self.path.split("?")[0]
        try:
            if path.endswith("/count_tokens"):
                self.reply(b'{"input_tokens": 1234}')
            elif path.endswith("/messages"):
                self.answer(json.loads(body), note)
            else:
                self.reply(b"{}")
        except (BrokenPipeError, ConnectionResetError):
            note["client_gone"] = True
        self.server.note({**note, "bytes": len(body), "done_ns": time.time_ns()})

    def body(self):
        if "chunked" not in (self.headers.get("transfer-encoding") or ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        whole = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def reply(self, body, status=200, headers=()):
        self.send_response(status)
        for name, value in [("content-type", "application/json"), ("content-length", str(len(body))), *headers]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def answer(self, request, note):
        """Answers `POST /v1/messages` with the turn that the scenario has for it."""
        conversation, index, turn = self.server.scenario.turn_for(request)
        note.update(conversation=conversation, turn=index, model=request.get("model"),
                    tools=sorted(tool.get("name", "?") for tool in request.get("tools") or []),
                    user_agent=self.headers.get("user-agent"))
        time.sleep(turn.get("delay_ms", 0) / 1000)
        request_id = "req_" + uuid.uuid4().hex[:24]
        error = turn.get("error")
        note["status"] = error["status"] if error else 200
        if error:
            self.refuse(error, request_id)
        elif request.get("stream"):
            self.stream(message_of(turn, request["model"]), turn, request_id)
        else:
            self.reply(json.dumps(message_of(turn, request["model"])).encode(), headers=[("request-id", request_id)])

    def refuse(self, error, request_id):
        detail = {"type": error.get("type", "api_error"), "message": error.get("message", "scripted error")}
        body = {"type": "error", "error": detail, "request_id": request_id}
        self.reply(json.dumps(body).encode(), error["status"],
                   [("request-id", request_id), *error.get("headers", {}).items()])

    def stream(self, message, turn, request_id):
        self.send_response(200)
        for name, value in [("content-type", "text/event-stream"), ("request-id", request_id), ("connection", "close")]:
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        for kind, data in events_of(message, turn):
            self.wfile.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode())
            self.wfile.flush()
            if turn.get("drop") and kind == "content_block_start":
                return
            time.sleep(turn.get("within_ms", 0) / 1000)


def message_of(turn, model):
    """The whole answer that a turn stands for."""
    content = []
    if turn.get("thinking"):
        content.append({"type": "thinking", "thinking": turn["thinking"], "signature": "c2NyaXB0ZWQ="})
    if turn.get("text"):
        content.append({"type": "text", "text": turn["text"]})
    for tool in turn.get("tools", []):
        content.append({"type": "tool_use", "id": tool.get("id") or "toolu_" + uuid.uuid4().hex[:24],
                        "name": tool["name"], "input": tool.get("input", {})})
    return {"id": "msg_" + uuid.uuid4().hex[:24], "type": "message", "role": "assistant",
            "model": turn.get("model") or model, "content": content,
            "stop_reason": turn.get("stop_reason") or ("tool_use" if turn.get("tools") else "end_turn"),
            "stop_sequence": None, "usage": {**USAGE, **turn.get("usage", {})}}


def events_of(message, turn):
    """The answer as the server-sent events of a streamed message."""
    usage = message["usage"]
    begun = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield "message_start", {"message": begun}
    for index, block in enumerate(message["content"]):
        empty, deltas = deltas_of(block, turn.get("chunk"))
        yield "content_block_start", {"index": index, "content_block": {**block, **empty}}
        for delta in deltas:
            yield "content_block_delta", {"index": index, "delta": delta}
        yield "content_block_stop", {"index": index}
    yield "message_delta", {"delta": {"stop_reason": message["stop_reason"], "stop_sequence": None}, "usage": usage}
    yield "message_stop", {}


def deltas_of(block, chunk):
    """-> (the fields that are empty at the start of a block, the deltas that fill them)"""
    def pieces(text):
        size = chunk or len(text) or 1
        return [text[at:at + size] for at in range(0, len(text), size)] or [""]

    if block["type"] == "text":
        return {"text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
        return {"thinking": "", "signature": ""}, [*deltas, {"type": "signature_delta", "signature": block["signature"]}]
    return {"input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces(json.dumps(block["input"]))]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--scenario", required=True)
    arguments.add_argument("--project", required=True)
    arguments.add_argument("--port-file", required=True)
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--log")
    given = arguments.parse_args()
    log = open(given.log, "a", encoding="utf-8") if given.log else None
    api = Api(given.port, Scenario(given.scenario, given.project), log)
    with open(given.port_file + ".part", "w", encoding="utf-8") as file:
        file.write(str(api.server_port))
    os.rename(given.port_file + ".part", given.port_file)
    api.serve_forever()


if __name__ == "__main__":
    main()
