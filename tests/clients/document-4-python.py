"""The Python client of document 4 as printed; only the port can be set: PORT=8770 python3 -u document-4-python.py"""
import os

port = os.environ.get("PORT", "8765")

import asyncio
import json
import websockets

async def monitor():
    async with websockets.connect(f"ws://localhost:{port}") as ws:
        # Subscribe to all events
        await ws.send(json.dumps({
            "command": "subscribe", 
            "channels": ["*"]
        }))
        
        # Listen for events
        async for message in ws:
            event = json.loads(message)
            print(f"{event['type']}: {event['data']}")

asyncio.run(monitor())
