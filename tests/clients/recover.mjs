// An unmodified socket.io-client that asks for connection state recovery on one namespace. Prints every event as one JSON
// line, as follow.mjs does. A line {"drop": true} on stdin cuts the connection under it, as a network would; it then
// reconnects by itself.
//
//   node recover.mjs --url http://127.0.0.1:8765 --namespace /log [--auth JSON]
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { io } from 'socket.io-client';

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    namespace: { type: 'string', default: '/' },
    auth: { type: 'string', default: '{"recovery":true}' },
  },
});

process.stdout.on('error', () => process.exit());   // nobody reads any more

const socket = io(new URL(options.namespace, options.url).href, {
  transports: ['websocket'],
  auth: JSON.parse(options.auth),
  reconnectionDelay: 50,
  reconnectionDelayMax: 200,
});
socket.on('connect', () => print('connect', { id: socket.id, recovered: socket.recovered }));
socket.on('disconnect', (reason) => print('disconnect', reason));
socket.on('connect_error', () => {});
socket.onAny((event, data) => print(event, data));

for await (const line of createInterface({ input: process.stdin })) {
  const said = JSON.parse(line);
  if (said.drop) {
    socket.io.engine.close();
  } else {
    socket.emit(said.event, said.data, (answer) => print('ack', answer));
  }
}

function print(event, data) {
  process.stdout.write(`${JSON.stringify({ event, data })}\n`);
}
