#!/bin/sh
# The event injection of document 5 as printed; only the port can be set: PORT=8765 ./document-5-emit.sh
PORT=${PORT:-3000}

curl -X POST http://localhost:$PORT/emit -d '{"namespace":"system","event":"test","data":{}}'
