"""The Python client of document 5 as printed; only the port can be set: PORT=8765 python3 -u document-5-python.py"""
import os

port = os.environ.get("PORT", "3000")

import socketio

# Create Socket.IO client
sio = socketio.Client()

# Connect to server
sio.connect(f'http://localhost:{port}')

# Connect to specific namespaces
system_sio = socketio.Client()
system_sio.connect(f'http://localhost:{port}/system')

@system_sio.event
def status(data):
    print(f"System status: {data}")

@sio.event
def connect():
    print("Connected to Socket.IO server")

@sio.event  
def disconnect():
    print("Disconnected from Socket.IO server")

# Keep client running
sio.wait()
