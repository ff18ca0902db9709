// A socket.io-client that does what it is told and answers what it is asked, for tests of both directions.
//
//   node answer.mjs --url http://127.0.0.1:8765 --namespaces /,/hook [--transport websocket|polling] [--auth JSON]
//
// Printed, one JSON line each: {"namespace","event","args"}; `connect`, `disconnect` and `connect_error` are events too.
// An event that wants an answer gets its own arguments back, but for `never answered`. A line
// {"namespace","event","args","timeout"} on stdin is emitted; its answer is printed as {"namespace","answer"} or
// {"namespace","error"}. In either direction {"bytes": n} stands for n bytes that count 0, 1, 2 … 255, 0 …
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { io } from 'socket.io-client';

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    namespaces: { type: 'string', default: '/' },
    transport: { type: 'string' },
    auth: { type: 'string', default: '{}' },
  },
});

process.stdout.on('error', () => process.exit());   // nobody reads any more

const sockets = new Map(options.namespaces.split(',').map((namespace) => [namespace, join(namespace)]));

for await (const line of createInterface({ input: process.stdin })) {
  const { namespace, event, args, timeout } = JSON.parse(line);
  sockets.get(namespace).timeout(timeout).emit(event, ...args.map(filled), (error, ...answer) => {
    print(error ? { namespace, error: error.message } : { namespace, answer: answer.map(described) });
  });
}

/** Joins one namespace, prints what comes and answers it. */
function join(namespace) {
  const socket = io(new URL(namespace, options.url).href, {
    transports: options.transport ? [options.transport] : ['polling', 'websocket'],
    auth: JSON.parse(options.auth),
    reconnectionDelay: 50,
  });
  const tell = (event, ...args) => print({ namespace, event, args: args.map(described) });
  socket.on('connect', () => tell('connect', socket.id));
  socket.on('disconnect', (reason) => tell('disconnect', reason));
  socket.on('connect_error', (error) => tell('connect_error', error.message, error.data));
  socket.onAny((event, ...args) => {
    const answer = typeof args.at(-1) === 'function' ? args.pop() : undefined;
    tell(event, ...args);
    if (event !== 'never answered') answer?.(...args);
  });
  return socket;
}

/** The bytes that {"bytes": n} stands for; anything else is itself. */
function filled(arg) {
  return arg?.bytes === undefined ? arg : Buffer.from(Uint8Array.from({ length: arg.bytes }, (_, at) => at));
}

/** {"bytes": n} for such bytes, {"other bytes": n} for others; anything else is itself. */
function described(arg) {
  if (!Buffer.isBuffer(arg)) return arg;
  return { [arg.every((byte, at) => byte === at % 256) ? 'bytes' : 'other bytes']: arg.length };
}

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
