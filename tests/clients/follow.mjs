// Joins Socket.IO namespaces and prints every event as one JSON line, for tests to read, until it is ended.
//
//   node follow.mjs --url http://127.0.0.1:8765 --namespaces /,/hook [--transport websocket|polling] [--auth JSON]
//
// Printed: {"namespace","event","data"}; `connect`, `disconnect` and `connect_error` are events too. Several arguments
// become a list. A line {"namespace","event","data"} on stdin is emitted; its acknowledgement is printed with "ack": true.
// With `args` in place of `data` it has several arguments, in which {"bytes": [1, 2]} stands for bytes.
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { io } from 'socket.io-client';

const { values: options } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:8765' },
    namespaces: { type: 'string', default: '/' },
    transport: { type: 'string' },
    auth: { type: 'string' },
  },
});

process.stdout.on('error', () => process.exit());   // nobody reads any more

const sockets = new Map(options.namespaces.split(',').map((namespace) => [namespace, follow(namespace)]));

for await (const line of createInterface({ input: process.stdin })) {
  const { namespace, event, data, args = data === undefined ? [] : [data] } = JSON.parse(line, (key, value) => (Array.isArray(value?.bytes) ? Buffer.from(value.bytes) : value));
  sockets.get(namespace).emit(event, ...args, (...answer) => print({ namespace, event, ack: true, data: single(answer) }));
}

/** Joins one namespace and prints what comes. */
function follow(namespace) {
  const socket = io(new URL(namespace, options.url).href, {
    transports: options.transport ? [options.transport] : ['polling', 'websocket'],
    auth: options.auth ? JSON.parse(options.auth) : {},
  });
  const tell = (event, data) => print({ namespace, event, data });
  socket.on('connect', () => tell('connect', { id: socket.id, recovered: socket.recovered }));
  socket.on('disconnect', (reason) => tell('disconnect', reason));
  socket.on('connect_error', (error) => tell('connect_error', { message: error.message, data: error.data }));
  socket.onAny((event, ...args) => tell(event, single(args.filter((arg) => typeof arg !== 'function'))));
  return socket;
}

/** The only argument, or the list of several. */
function single(args) {
  return args.length > 1 ? args : args[0];
}

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
