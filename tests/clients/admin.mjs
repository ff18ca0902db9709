// Connects to the namespace /admin as the page of @socket.io/admin-ui does, and prints what it gets, for tests to read.
//
//   node admin.mjs --url http://127.0.0.1:8765 --auth '{"username":"ada","password":"…"}' [--websocket]
//
// Printed: {"event","args"}; `connect`, `disconnect` and `connect_error` are events too. A line {"event","args"} on stdin
// is emitted.
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { io } from 'socket.io-client';

const { values: options } = parseArgs({
  options: { url: { type: 'string' }, auth: { type: 'string', default: '{}' }, websocket: { type: 'boolean', default: false } },
});
const print = (event, ...args) => process.stdout.write(`${JSON.stringify({ event, args })}\n`);
process.stdout.on('error', () => process.exit());   // nobody reads any more

const socket = io(`${options.url}/admin`, {
  forceNew: true,
  reconnection: false,
  withCredentials: true,
  transports: options.websocket ? ['websocket'] : ['polling', 'websocket'],
  path: '/socket.io',
  auth: JSON.parse(options.auth),
});
socket.on('connect', () => print('connect', socket.id));
socket.on('disconnect', (reason) => print('disconnect', reason));
socket.on('connect_error', (error) => print('connect_error', error.message));
socket.onAny((event, ...args) => print(event, ...args));

for await (const line of createInterface({ input: process.stdin })) {
  const { event, args } = JSON.parse(line);
  socket.emit(event, ...args);
}
