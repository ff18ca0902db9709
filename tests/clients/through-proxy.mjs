// Checks a monitor through a reverse proxy, as a browser and programs would use it; one line for each promise.
//
//   node through-proxy.mjs --url https://monitor.test:8443/monitor/ --token T [--from 127.0.0.2]
//
// Every host name is looked up as 127.0.0.1. The certificate is trusted by NODE_EXTRA_CA_CERTS. Exit code: how many failed.
import dns from 'node:dns';
import https from 'node:https';
import { parseArgs } from 'node:util';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';

const { values: options } = parseArgs({
  options: { url: { type: 'string' }, token: { type: 'string' }, from: { type: 'string', default: '127.0.0.2' } },
});
dns.lookup = (_name, settings, done) => {
  const answer = done ?? settings;
  if (settings?.all) answer(null, [{ address: '127.0.0.1', family: 4 }]);
  else answer(null, '127.0.0.1', 4);
};

const base = new URL(options.url);
const path = (name) => new URL(name, base);
const bearer = { authorization: `Bearer ${options.token}` };
const agent = new https.Agent({ localAddress: options.from });
const socketPath = `${base.pathname}socket.io/`;
let failed = 0;
let marks = 0;

/** One request; the whole body. */
function ask(url, { method = 'GET', headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const request = https.request(url, { method, headers, agent, servername: base.hostname }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(parts).toString() }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

async function promise(what, check) {
  const limit = new Promise((_, reject) => setTimeout(() => reject(new Error('not within 10 s')), 10_000).unref());
  try {
    await Promise.race([check(), limit]);
    console.log(`ok   ${what}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${what}: ${error.message}`);
  }
}

function same(found, wanted) {
  if (found !== wanted) throw new Error(`${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
}

/** Emits an event that nobody else emits; returns its mark. */
async function emit(size = 0) {
  const mark = `mark-${marks += 1}`;
  const body = JSON.stringify({ namespace: '/hook', event: 'pre_tool', data: { tool_name: mark, session_id: 'proxy', filling: 'x'.repeat(size) } });
  const answer = await ask(path('emit'), { method: 'POST', headers: { ...bearer, 'content-type': 'application/json' }, body });
  same(answer.status, 200);
  return mark;
}

/** A Socket.IO client of one namespace, connected. */
function join(namespace, settings = {}) {
  const { auth = { token: options.token }, ...rest } = settings;
  const socket = io(new URL(namespace, base.origin).href, { path: socketPath, auth, agent, reconnection: false, forceNew: true, ...rest });
  return new Promise((resolve, reject) => {
    socket.on('connect', () => resolve(socket));
    socket.on('connect_error', (error) => { socket.close(); reject(error); });
  });
}

const overSocketIo = (settings) => async () => {
  const socket = await join('/hook', settings);
  const names = [];
  let told = () => {};
  socket.on('pre_tool', (data) => { names.push(data.tool_name); told(); });
  const mark = await emit();
  await new Promise((resolve) => { told = () => names.includes(mark) && resolve(); told(); });
  if (settings.then) await settings.then(socket);
  socket.close();
};

await promise('the page opens', async () => {
  const page = await ask(base);
  same(page.status, 200);
  if (!/<script/.test(page.text)) throw new Error('no page');
});
await promise('its files are found relative to it', async () => {
  const page = await ask(base);
  const files = [...page.text.matchAll(/(?:src|href)="([^"#]+)"/g)].map((found) => found[1]).filter((file) => !file.startsWith('data:'));
  if (files.length === 0) throw new Error('it names no file');
  for (const file of files) {
    const { status, text } = await ask(path(file));
    // Caddy answers what it does not serve with an empty 200.
    same(`${file} ${status} ${text.length > 0}`, `${file} 200 true`);
  }
});
await promise('the folder without its slash leads to the page', async () => {
  if (base.pathname === '/') return;
  const answer = await ask(new URL(base.href.replace(/\/$/, '')));
  if (![301, 308].includes(answer.status)) same(answer.status, 301);
  same(new URL(answer.headers.location, base).pathname, base.pathname);
});
await promise('/health answers without a token, and tells nothing of sessions', async () => {
  const answer = await ask(path('health'));
  same(answer.status, 200);
  same(JSON.parse(answer.text).session_id, undefined);
});
await promise('history needs the token', async () => {
  same((await ask(path('api/v1/events'))).status, 401);
  same((await ask(path('api/v1/events'), { headers: bearer })).status, 200);
});
await promise('a client that claims to be 127.0.0.1 is not believed', async () => {
  for (const headers of [{ 'x-forwarded-for': '127.0.0.1' }, { 'x-forwarded-for': '' }, { 'x-real-ip': '127.0.0.1' }, { 'x-forwarded-host': 'localhost', 'x-forwarded-for': '127.0.0.1, 127.0.0.1' }]) {
    same((await ask(path('api/v1/events'), { headers })).status, 401);
  }
});
await promise('another host name is refused', async () => {
  const { status, text } = await ask(path('api/v1/events'), { headers: { ...bearer, host: 'evil.example' } });
  // Caddy does not serve it at all: an empty answer.
  if (!(status === 200 && text === '')) same(status, 403);
});
await promise('its own origin may connect, another site may not', async () => {
  same((await ask(path('api/v1/events'), { headers: { ...bearer, origin: base.origin } })).status, 200);
  same((await ask(path('api/v1/events'), { headers: { ...bearer, origin: 'https://evil.example' } })).status, 403);
});
await promise('2 MB are taken', async () => { await emit(2_000_000); });
await promise('Socket.IO by polling', overSocketIo({ transports: ['polling'] }));
await promise('Socket.IO by WebSocket', overSocketIo({ transports: ['websocket'] }));
await promise('Socket.IO by polling, upgraded', overSocketIo({
  transports: ['polling', 'websocket'],
  then: (socket) => new Promise((resolve) => {
    if (socket.io.engine.transport.name === 'websocket') resolve();
    socket.io.engine.on('upgrade', resolve);
  }),
}));
await promise('Socket.IO without the token is refused', async () => {
  await join('/hook', { auth: {} }).then(() => { throw new Error('it got in'); }, (error) => same(error.message, 'Invalid authentication token'));
});
await promise('Socket.IO from another site is refused', async () => {
  for (const transports of [['polling'], ['websocket']]) {
    const got = await join('/hook', { transports, extraHeaders: { origin: 'https://evil.example' } }).then(() => 'in', () => 'refused');
    same(got, 'refused');
  }
});
for (const where of ['', 'ws']) {
  await promise(`raw WebSocket at /${where}`, () => new Promise((resolve, reject) => {
    const socket = new WebSocket(path(where).href.replace('https', 'wss'), { agent });
    const names = [];
    let mark;
    socket.on('error', reject);
    socket.on('open', () => socket.send(JSON.stringify({ command: 'auth', token: options.token })));
    socket.on('message', async (data) => {
      const frame = JSON.parse(data);
      if (frame.type === 'ack' && frame.data.command === 'auth') socket.send(JSON.stringify({ command: 'subscribe', channels: ['hook.*'] }));
      if (frame.type === 'error') reject(new Error(JSON.stringify(frame)));
      if (frame.data?.tool_name) names.push(frame.data.tool_name);
      if (frame.type === 'ack' && frame.data.command === 'subscribe') mark = await emit();
      if (names.includes(mark)) { socket.close(); resolve(); }
    });
  }));
}
await promise('a stream of Server-Sent Events leaves at once', () => new Promise((resolve, reject) => {
  const request = https.get(path('api/v1/stream'), { headers: { ...bearer, accept: 'text/event-stream' }, agent }, async (response) => {
    if (response.statusCode !== 200) return reject(new Error(`status ${response.statusCode}`));
    let text = '';
    let mark;
    const look = () => { if (mark && text.includes(mark)) { request.destroy(); resolve(); } };
    response.on('data', (part) => { text += part; look(); });
    mark = await emit();
    look();
  });
  request.on('error', (error) => { if (error.code !== 'ECONNRESET') reject(error); });
}));
await promise('the monitor sees the client behind the proxy', async () => {
  const system = await join('/system');
  const seen = new Promise((resolve) => system.on('client_connected', (data) => resolve(data.address)));
  const other = await join('/hook');
  const address = await seen;
  system.close();
  other.close();
  if (!String(address).startsWith(options.from)) same(address, options.from);
});
console.log(failed === 0 ? 'all hold' : `${failed} failed`);
process.exit(failed);
