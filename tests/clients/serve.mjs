// The reference server, Node's socket.io with connection state recovery, for tests of clients.
//
//   node serve.mjs
//
// Serves `/` and `/hook` on a free port, which it prints first: {"port"}. Prints {"namespace","joined","recovered"} for each
// socket and {"namespace","event","args"} for each event, and gives events that want an answer their arguments back. The
// token `wrong` is refused. On stdin: {"emit","args"} goes to everybody in `/hook`; {"ask","args"} too, and the answer is
// printed as {"answer"} or {"error"}; {"cut":true} breaks every connection. In either direction {"bytes": n} stands for n
// bytes that count 0, 1, 2 … 255, 0 …
import { createInterface } from 'node:readline';
import { createServer } from 'node:http';
import { Server } from 'socket.io';

process.stdout.on('error', () => process.exit());   // nobody reads any more

const http = createServer();
const io = new Server(http, { connectionStateRecovery: { maxDisconnectionDuration: 60_000, skipMiddlewares: true } });
for (const namespace of ['/', '/hook']) serve(namespace);
http.listen(0, '127.0.0.1', () => print({ port: http.address().port }));

for await (const line of createInterface({ input: process.stdin })) {
  const { emit, ask, args = [], cut } = JSON.parse(line);
  if (cut) io.engine.clients && Object.values(io.engine.clients).forEach((connection) => connection.close(true));
  if (emit) io.of('/hook').emit(emit, ...args.map(filled));
  if (ask) {
    io.of('/hook').timeout(300).emit(ask, ...args.map(filled), (error, answers) => {
      print(error ? { error: error.message } : { answer: answers.map(described) });
    });
  }
}

function serve(namespace) {
  io.of(namespace).use((socket, next) => {
    const error = new Error('Invalid authentication token');
    error.data = { hint: 7 };
    next(socket.handshake.auth.token === 'wrong' ? error : undefined);
  });
  io.of(namespace).on('connection', (socket) => {
    print({ namespace, joined: socket.id, recovered: socket.recovered });
    socket.onAny((event, ...args) => {
      const answer = typeof args.at(-1) === 'function' ? args.pop() : undefined;
      print({ namespace, event, args: args.map(described) });
      if (event !== 'never answered') answer?.(...args);
    });
  });
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
