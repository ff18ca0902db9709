// The client with a token of document 5 as printed; only the port can be set: PORT=8765 node document-5-auth.js
const port = process.env.PORT ?? 3000;
const io = require('socket.io-client');

const socket = io(`http://localhost:${port}/system`, {
    auth: {
        token: 'your-auth-token'
    }
});

// Not printed there: what a test reads.
socket.on('connect', () => console.log('connected'));
socket.on('connect_error', (error) => console.log('refused:', error.message));
