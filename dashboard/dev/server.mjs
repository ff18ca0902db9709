// A stand-in for the real server while the page is developed: the same wire, invented sessions. `node server.mjs --port 8790 --history 5000 --rate 20`
import { createServer } from 'node:http';
import { readFileSync, statSync } from 'node:fs';
import { extname, join, normalize } from 'node:path';
import { parseArgs } from 'node:util';
import { Server } from 'socket.io';
import { iso, Sessions } from './sessions.mjs';

const { values } = parseArgs({ options: { port: { type: 'string', default: '8790' }, history: { type: 'string', default: '5000' }, rate: { type: 'string', default: '12' }, token: { type: 'string', default: '' }, empty: { type: 'boolean', default: false }, minutes: { type: 'string', default: '14' } } });
const port = Number(values.port);
let rate = Number(values.rate);
const dist = new URL('../dist/', import.meta.url).pathname;
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };
const startedAt = Date.now();
let instance = `i${startedAt}`;
let epoch = 'e1';
const events = [];
const sessions = new Sessions(startedAt);
let dirty = new Set();
let batch = [];
let down = false;

function keep(event) {
  events.push(event);
  batch.push(event);
  if (event.session_id) dirty.add(event.session_id);
  return event;
}

function seed() {
  const count = Number(values.history);
  const from = startedAt - Number(values.minutes) * 60_000;
  for (let time = from; events.length < count && time < startedAt; time = from + ((startedAt - from) * events.length) / count + 1) {
    for (const event of sessions.step(time, true)) keep(event);
    for (const event of sessions.due(time)) keep(event);
  }
  keep(sessions.need(startedAt - 134_000, 0, 'git push origin fix/ws-reconnect', 'permission.requested', 'permission_request'));
  keep(sessions.need(startedAt - 41_000, 1, 'Keep the old /v1 routes?', 'elicitation.requested', 'elicitation'));
  for (let run = 0; run < 4; run += 1) for (const event of sessions.fail(startedAt - 90_000 + run * 20_000, 2, 'pnpm test checkout', `toolu_fail_${run}`)) keep(event);
  keep(sessions.hang(startedAt - 692_000, 3, 'terraform apply'));
}

const http = createServer((request, response) => {
  const url = new URL(request.url, `http://${request.headers.host}`);
  if (url.pathname.startsWith('/socket.io')) return;
  if (down && !url.pathname.startsWith('/dev/')) return void response.destroy();
  let body = '';
  request.on('data', (chunk) => (body += chunk));
  request.on('end', () => answer(request, response, url, body));
});

function answer(request, response, url, body) {
  const json = (value, status = 200) => response.writeHead(status, { 'Content-Type': 'application/json', 'Access-Control-Allow-Origin': request.headers.origin ?? '*', 'Access-Control-Allow-Headers': 'authorization' }).end(JSON.stringify(value));
  const path = url.pathname;
  if (request.method === 'OPTIONS') return json({});
  if (path === '/health') return json({ status: 'running', service: 'claude-mpm-monitor', server: 'claude-mpm-socketio', version: '0.1.0-stand-in', port, pid: process.pid, uptime: Math.floor((Date.now() - startedAt) / 1000), connections: io.of('/monitor').sockets.size, timestamp: iso(Date.now()), health: 'healthy' });
  if (values.token !== '' && (path.startsWith('/api') || path === '/emit') && request.headers.authorization !== `Bearer ${values.token}`) return json({ error: { code: 'unauthorized', message: 'Invalid authentication token' } }, 401);
  if ((path === '/api/events' || path === '/api/v1/events') && request.method === 'POST') return json({ accepted: inject(JSON.parse(body)) });
  if (path === '/api/v1/events') return json(page(url.searchParams));
  const one = /^\/api\/v1\/events\/(\d+)(\/content)?$/.exec(path);
  if (one) {
    const event = events.find((candidate) => candidate.seq === Number(one[1]));
    if (!event) return json({ error: { code: 'not_found', message: 'There is no event with this number' } }, 404);
    return json(one[2] ? { seq: event.seq, data: { ...event.data, tool_response: { file: { content: 'fn main() {\n    println!("hello");\n}\n'.repeat(40) } } } } : event);
  }
  if (path === '/api/v1/sessions') return json({ sessions: sessions.list });
  if (path === '/api/v1/state') return json(state());
  if (path === '/api/v1/stats') return json(stats(Number(url.searchParams.get('minutes') ?? 60)));
  if (path === '/emit' && request.method === 'POST') {
    const { namespace, event, data } = JSON.parse(body);
    const kept = keep(sessions.event(undefined, Date.now(), { kind: 'custom', namespace: `/${namespace.replace(/^\//, '')}`, event, summary: String(data?.message ?? event).replace(/[\u0000-\u001f]/g, ' ').slice(0, 160), data, sources: ['emit'], ...(data?.session_id ? { session_id: data.session_id } : {}) }));
    return json({ seq: kept.seq });
  }
  if (path === '/dev/restart') return void restart(url, json);
  if (path === '/dev/rate') return json({ rate: (rate = Number(url.searchParams.get('to'))) });
  return file(path, request, response);
}

function page(parameters) {
  const lists = ['namespace', 'kind', 'session', 'tool'].flatMap((key) => (parameters.get(key) ? [[{ namespace: 'namespace', kind: 'kind', session: 'session_id', tool: 'tool_name' }[key], parameters.get(key).split(',')]] : []));
  const words = (parameters.get('q') ?? '').toLowerCase().split(' ').filter(Boolean);
  const before = Number(parameters.get('before') ?? Infinity);
  const after = Number(parameters.get('after') ?? 0);
  const limit = Math.min(5000, Number(parameters.get('limit') ?? 100));
  const matches = (event) => lists.every(([field, wanted]) => wanted.includes(event[field])) && (words.length === 0 || words.every((word) => JSON.stringify(event).toLowerCase().includes(word)));
  const found = [];
  if (parameters.has('after')) {
    for (let index = firstAfter(after); index < events.length && found.length <= limit; index += 1) if (matches(events[index])) found.push(events[index]);
  } else {
    for (let index = Math.min(events.length, firstAfter(before - 1)) - 1; index >= 0 && found.length <= limit; index -= 1) if (matches(events[index])) found.push(events[index]);
  }
  const more = found.length > limit;
  const shown = found.slice(0, limit);
  return { events: shown, ...(more ? { next: shown[shown.length - 1].seq } : {}), seq_last: sessions.seq };
}

/** Events are in the order of their numbers, without holes. */
function firstAfter(seq) {
  return Number.isFinite(seq) ? Math.max(0, seq - (events[0]?.seq ?? 1) + 1) : events.length;
}

function state() {
  const by_namespace = {};
  for (const event of events) by_namespace[event.namespace] = (by_namespace[event.namespace] ?? 0) + 1;
  return { seq: sessions.seq, epoch, instance, server_time: iso(Date.now()), sessions: values.empty ? [] : sessions.list, totals: { events: events.length, errors: events.filter((event) => event.outcome === 'error').length, tool_calls: 0, sessions: sessions.list.length, by_namespace } };
}

function stats(minutes) {
  const now = Math.floor(Date.now() / 60_000);
  const events_per_minute = Array.from({ length: minutes }, (_, index) => ({ minute: iso((now - minutes + 1 + index) * 60_000), events: 0, errors: 0 }));
  const by_namespace = {};
  const by_kind = {};
  for (const event of events) {
    const bucket = events_per_minute[Math.floor(Date.parse(event.time) / 60_000) - (now - minutes + 1)];
    if (!bucket) continue;
    bucket.events += 1;
    if (event.outcome === 'error') bucket.errors += 1;
    by_namespace[event.namespace] = (by_namespace[event.namespace] ?? 0) + 1;
    by_kind[event.kind] = (by_kind[event.kind] ?? 0) + 1;
  }
  const sum = (key) => events_per_minute.reduce((total, entry) => total + entry[key], 0);
  return { server_time: iso(Date.now()), events: sum('events'), errors: sum('errors'), unique_kinds: Object.keys(by_kind).length, events_per_minute, by_namespace, by_kind, clients: io.of('/monitor').sockets.size };
}

function inject(input) {
  const list = Array.isArray(input) ? input : (input.events ?? [input]);
  for (const entry of list) {
    if (entry.hook_event_name) {
      playHook(entry);
      continue;
    }
    const { seq, recorded_at, ...fields } = entry;
    keep(sessions.event(undefined, Date.parse(entry.time ?? '') || Date.now(), { kind: 'custom', namespace: '/system', event: 'custom', ...fields }));
  }
  return list.length;
}

/** The two hooks that the tests play. */
function playHook({ hook_event_name, session_id, cwd, tool_name, tool_use_id, ...data }) {
  const started = hook_event_name === 'PreToolUse';
  const summary = data.tool_input?.command ?? data.tool_input?.file_path ?? tool_name;
  keep(sessions.event(undefined, Date.now(), { kind: started ? 'tool_call.started' : 'tool_call.finished', namespace: '/hook', event: started ? 'pre_tool' : 'post_tool', session_id, cwd, tool_name, tool_use_id, summary, ...(started ? {} : { outcome: 'ok' }), sources: ['http'], data }));
}

function restart(url, json) {
  down = true;
  io.of('/monitor').disconnectSockets(true);
  setTimeout(() => {
    down = false;
    instance = `i${Date.now()}`;
    if (url.searchParams.has('epoch')) epoch = `e${Date.now()}`;
  }, Number(url.searchParams.get('ms') ?? 2000));
  json({ restarting: true });
}

function file(path, request, response) {
  let name = normalize(path).replace(/^(\.\.[/\\])+/, '');
  try {
    if (!statSync(join(dist, name)).isFile()) throw new Error('a folder');
  } catch {
    name = name.replace(/^\//, '').includes('/') ? 'deep.html' : 'index.html';
  }
  const host = request.headers.host.split(':')[0];
  const policy = `default-src 'self'; img-src 'self' data: blob:; connect-src 'self' ${['127.0.0.1', 'localhost', host].flatMap((name) => ['ws', 'wss', 'http', 'https'].map((scheme) => `${scheme}://${name}:*`)).join(' ')}; worker-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html monitor-worker`;
  const type = TYPES[extname(name)] ?? 'application/octet-stream';
  const encoded = /\bbr\b/.test(request.headers['accept-encoding'] ?? '') && ['.html', '.js', '.css', '.svg'].includes(extname(name));
  const bytes = readFileSync(join(dist, name) + (encoded ? '.br' : ''));
  response.writeHead(200, { 'Content-Type': type, 'Content-Security-Policy': policy, 'Cache-Control': name.endsWith('.html') ? 'no-cache' : 'public, max-age=31536000, immutable', ...(encoded ? { 'Content-Encoding': 'br' } : {}) }).end(bytes);
}

const io = new Server(http, { cors: { origin: true }, maxHttpBufferSize: 1e7 });
io.of('/monitor').use((socket, next) => {
  if (down) return next(new Error('server is stopping'));
  next(values.token !== '' && socket.handshake.auth.token !== values.token ? new Error('Invalid authentication token') : undefined);
});
io.of('/monitor').on('connection', (socket) => {
  flush();
  socket.emit('hello', { instance, epoch, seq_first: 1, seq_last: sessions.seq, server_time: iso(Date.now()), version: '0.1.0-stand-in', port });
  socket.on('ping_rtt', (...parameters) => parameters.at(-1)?.({ server_time: iso(Date.now()) }));
});

function flush() {
  if (batch.length === 0) return;
  for (let at = 0; at < batch.length; at += 256) if (!down) io.of('/monitor').emit('events', batch.slice(at, at + 256));
  batch = [];
}

if (!values.empty) seed();
batch = [];
let owed = 0;
setInterval(() => {
  if (!values.empty) for (owed += rate / 20; owed >= 1; ) {
    const made = [...sessions.step(Date.now()), ...sessions.due(Date.now())];
    for (const event of made) keep(event);
    owed -= made.length;
  }
  flush();
}, 50);
setInterval(() => {
  if (dirty.size === 0 || down) return;
  for (const session of sessions.list) if (session.state === 'working') session.open_calls = sessions.open.filter((call) => call.session === session).slice(0, 50).map((call) => ({ tool_use_id: call.id, tool_name: call.tool, summary: call.summary, started_at: call.start.time, seq: call.start.seq }));
  io.of('/monitor').emit('state', { seq: sessions.seq, sessions: sessions.list.filter((session) => dirty.has(session.session_id)), removed: [], clients: io.of('/monitor').sockets.size, events_per_s: rate });
  dirty = new Set();
}, 200);
http.listen(port, '127.0.0.1', () => console.log(`stand-in on http://127.0.0.1:${port}`));
