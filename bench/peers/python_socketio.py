"""The peer of the fan-out benchmark in Python: python-socketio with the monitor's `/emit` door, and nothing stored.

Not named `socketio.py`, or it would import itself.
"""
import os

import socketio
from aiohttp import web

server = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins="*")
server.register_namespace(socketio.AsyncNamespace("/hook"))


async def emit(request):
    posted = await request.json()
    await server.emit(posted["event"], posted["data"], namespace=posted["namespace"])
    return web.json_response({"status": "ok"})


async def health(_):
    return web.json_response({"status": "healthy"})


app = web.Application()
server.attach(app)
app.router.add_post("/emit", emit)
app.router.add_get("/health", health)
web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), print=None, access_log=None)
