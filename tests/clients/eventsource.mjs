// Follows Server-Sent Events with the npm package of that name, as a browser would, and prints each as one JSON line, for
// tests to read, until it is ended. It comes back by itself when the connection breaks.
//
//   node eventsource.mjs http://127.0.0.1:8765/api/v1/stream?since=0 hello live tool_call.finished
//
// Printed: {"event","id","data"} for messages without a name and for those named after the address; `open` and `error`, too.
import { EventSource } from 'eventsource';

const [url, ...names] = process.argv.slice(2);
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
process.stdout.on('error', () => process.exit());   // nobody reads any more

const source = new EventSource(url);
source.onopen = () => print({ event: 'open' });
source.onerror = () => print({ event: 'error' });
for (const name of ['message', ...names]) {
  source.addEventListener(name, ({ data, lastEventId }) => print({ event: name, id: lastEventId, data: JSON.parse(data) }));
}
