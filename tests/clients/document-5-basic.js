// The basic client of document 5 as printed; only the port can be set: PORT=8765 node document-5-basic.js
const port = process.env.PORT ?? 3000;

const io = require('socket.io-client');

// Connect to multiple namespaces
const systemSocket = io(`http://localhost:${port}/system`);
const sessionSocket = io(`http://localhost:${port}/session`);
const logSocket = io(`http://localhost:${port}/log`);

// System events
systemSocket.on('connect', () => {
    console.log('Connected to system namespace');
});

systemSocket.on('status', (data) => {
    console.log('System status:', data);
});

// Session events
sessionSocket.on('start', (data) => {
    console.log('Session started:', data.session_id);
});

sessionSocket.on('end', (data) => {
    console.log('Session ended after', data.duration_seconds, 'seconds');
});

// Real-time logs
logSocket.on('message', (data) => {
    console.log(`[${data.level}] ${data.message}`);
});
