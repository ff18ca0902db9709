// Speaks the raw WebSocket API: prints every frame as it comes, one line each, and sends every line of stdin, until it is
// ended. `{"opened": true}` and `{"closed": code, "reason": …}` are printed besides.
//
//   node raw.mjs --url ws://127.0.0.1:8765 [--token TOKEN]
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';

const { values: options } = parseArgs({ options: { url: { type: 'string' }, token: { type: 'string' } } });

process.stdout.on('error', () => process.exit());   // nobody reads any more

const headers = options.token ? { authorization: `Bearer ${options.token}` } : {};
const socket = new WebSocket(options.url, { headers });
socket.on('open', () => print('{"opened":true}'));
socket.on('message', (data) => print(data.toString()));
socket.on('close', (code, reason) => print(JSON.stringify({ closed: code, reason: reason.toString() })));
socket.on('error', (error) => print(JSON.stringify({ failed: error.message })));

for await (const line of createInterface({ input: process.stdin })) {
  socket.send(line);
}

function print(line) {
  process.stdout.write(`${line}\n`);
}
