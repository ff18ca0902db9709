// The JavaScript client of document 4 as printed; only the port can be set. It wants a global WebSocket (Node 22, a browser);
// with Node 20: PORT=8770 node --require ./websocket-global.cjs document-4-javascript.js
const port = globalThis.process?.env.PORT ?? 8765;

const ws = new WebSocket(`ws://localhost:${port}`);

ws.onopen = () => {
    ws.send(JSON.stringify({
        command: 'subscribe',
        channels: ['*']
    }));
};

ws.onmessage = (event) => {
    const data = JSON.parse(event.data);
    console.log(data.type, data.data);
};
