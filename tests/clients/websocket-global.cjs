// Gives Node 20 the global WebSocket that Node 22 and browsers have, for document-4-javascript.js.
globalThis.WebSocket ??= require('ws').WebSocket;
