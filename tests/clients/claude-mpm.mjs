// Speaks to the monitor as claude-mpm's own clients do, and prints every event it receives as one JSON line.
//
//   node claude-mpm.mjs --url http://127.0.0.1:8765 [--as page5|page4|script] [--ask all|none] [--auth JSON]
//
// --as says whose connection it makes: the page of its version 5 (polling first, asks nothing), the page of version 4
// (WebSocket first, asks `request.status`), or its Python tools (`get_status`, `get_history`).
// --ask all sends every request of theirs, one after the other, and waits for each answer.
//
// Printed: {"namespace":"/","event","data"}, as follow.mjs prints it; and besides, with a name no server sends:
//   {"event":"$answer","data":{"request","argument","event","data"}}   the answer to a request
//   {"event":"$silence","data":{"request","argument","wanted"}}        none came within the deadline
//   {"event":"$wrong","data":{"event","reason","payload"}}             a payload that their clients could not read
//   {"event":"$done","data":{"asked","answered"}}                      all requests are through
// A line {"event","data"} on stdin is emitted; its acknowledgement is printed with "ack": true.
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { io } from 'socket.io-client';

const { values: options } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:8765' },
    as: { type: 'string', default: 'page5' },
    ask: { type: 'string', default: 'none' },
    auth: { type: 'string', default: '{}' },
    session: { type: 'string', default: 'claude-mpm-client' },
    deadline: { type: 'string', default: '5000' },
  },
});

process.stdout.on('error', () => process.exit());   // nobody reads any more

const CONNECTIONS = {
  page5: { transports: ['polling', 'websocket'], upgrade: true, timeout: 20000 },
  page4: { transports: ['websocket', 'polling'], forceNew: true, timeout: 30000 },
  script: { transports: ['polling', 'websocket'] },
};

/** The names under which the page of version 5 takes one event; a name that is not among them it never sees. */
const EVENTS = ['claude_event', 'hook_event', 'tool_event', 'cli_event', 'system_event', 'agent_event', 'build_event',
  'session_event', 'response_event', 'file_event'];

const is = {
  text: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number' && Number.isFinite(value),
  flag: (value) => typeof value === 'boolean',
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  list: Array.isArray,
  time: (value) => (is.text(value) || is.number(value)) && !Number.isNaN(new Date(value).getTime()),
};
const orNull = (check) => (value) => value === null || check(value);
const maybe = (check) => (value) => value === undefined || check(value);

/** One event, as both pages read it. The old form (`claude_event` alone) has the category as its type. */
const EVENT = {
  type: is.text, subtype: is.text, data: is.object, timestamp: is.time, source: is.text, session_id: maybe(orNull(is.text)),
  correlation_id: maybe(is.text), cwd: maybe(is.text), id: (value) => value === undefined,
};
const SESSION = { session_id: is.text, start_time: is.time, status: is.text, event_count: is.number, last_activity: is.time };
const HISTORY = { events: is.list, count: is.number, total_available: is.number };
const FAILED = { error: is.text };

/** What each message must have for their clients to read it. */
const SHAPES = {
  ...Object.fromEntries(EVENTS.map((name) => [name, EVENT])),
  'event_history': HISTORY,
  'history': HISTORY,
  'heartbeat': { timestamp: is.time, server_uptime: is.number, server_uptime_formatted: is.text, connected_clients: is.number, heartbeat_number: is.number },
  'welcome': { type: is.text, subtype: is.text, data: is.object, timestamp: is.time, source: is.text },
  'subscribed': { type: is.text, subtype: is.text, data: is.object },
  'dashboard:welcome': { message: is.text, session_id: is.text, server_info: is.object },
  'dashboard:client:count': { count: is.number },
  'dashboard:status:response': { service: is.text, status: is.text, clients_connected: is.number, uptime: is.number, features: is.object },
  'dashboard:info:response': { service_name: is.text, description: is.text, features: is.list, endpoints: is.object, events: is.object },
  'dashboard:pong': { timestamp: is.number, server_time: is.number },
  'dashboard:error': FAILED,
  'client:registered': { name: is.text, type: is.text, session_id: is.text },
  'client:list:response': { clients: is.list, total: is.number },
  'hook:history:response': { events: is.list, total: is.number, filters: is.object },
  'hook:sessions:response': { sessions: is.list, total: is.number },
  'hook:session:info:response': SESSION,
  'hook:session:started': SESSION,
  'hook:session:ended': { ...SESSION, end_time: is.time, duration: is.number },
  'hook:event': { type: is.text, timestamp: is.time, data: is.object },
  'hook:error': FAILED,
  'pong': { timestamp: is.number },
};

/** Their requests in an order in which each has something to answer: [request, argument, the answer's name]. */
const session_id = options.session;
const REQUESTS = [
  ['dashboard:status', {}, 'dashboard:status:response'],
  ['dashboard:info', {}, 'dashboard:info:response'],
  ['dashboard:ping', { timestamp: 5 }, 'dashboard:pong'],
  ['client:register', { name: 'tests', type: 'cli' }, 'client:registered'],
  ['client:list', {}, 'client:list:response'],
  ['hook:session:start', { session_id, metadata: { tests: true } }, 'hook:session:started'],
  ['hook:ingest', { type: 'hook', subtype: 'user_prompt', timestamp: new Date().toISOString(), session_id, data: { prompt_text: 'ingested', session_id } }, 'hook:event'],
  ['claude_event', { type: 'hook', subtype: 'pre_tool', timestamp: new Date().toISOString(), session_id, source: 'hook', correlation_id: 'c-1', cwd: '/w/app',
    data: { tool_name: 'Bash', operation_type: 'execute', tool_parameters: { command: 'ls' }, session_id, correlation_id: 'c-1', working_directory: '/w/app' } }, 'hook:event'],
  ['hook:history:get', { limit: 2 }, 'hook:history:response'],
  ['hook:history:get', { session_id, limit: 10 }, 'hook:history:response'],
  ['hook:history:get', { session_id: 'nobody' }, 'hook:history:response'],
  ['hook:sessions:list', {}, 'hook:sessions:response'],
  ['hook:session:info', { session_id }, 'hook:session:info:response'],
  ['hook:session:end', { session_id }, 'hook:session:ended'],
  // What cannot be answered has an answer too.
  ['hook:ingest', { no: 'type' }, 'hook:error'],
  ['hook:session:start', {}, 'hook:error'],
  ['hook:session:info', {}, 'hook:error'],
  ['hook:session:info', { session_id: 'nobody' }, 'hook:error'],
  ['hook:history:get', { limit: 'many' }, 'hook:error'],
  ['get_status', undefined, 'status'],
  ['get_history', { limit: 5, event_types: [] }, 'history'],
  ['request_history', { limit: 5 }, 'history'],
  ['subscribe', { channels: ['*'] }, 'subscribed'],
  ['ping', { timestamp: 1 }, 'pong'],
];

const socket = io(options.url, { ...CONNECTIONS[options.as], auth: JSON.parse(options.auth) });
const waiting = [];

socket.on('connect', () => tell('connect', { id: socket.id }));
socket.on('disconnect', (reason) => tell('disconnect', reason));
socket.on('connect_error', (error) => tell('connect_error', { message: error.message, data: error.data }));
socket.onAny((event, ...args) => {
  const payload = single(args.filter((arg) => typeof arg !== 'function'));
  tell(event, payload);
  check(event, payload);
  // The page of version 4 answers this one; it is no event of its own.
  if (event === 'ping') socket.emit('pong', { timestamp: payload?.timestamp, client_time: Date.now() });
  const at = waiting.findIndex((request) => request.wanted === event);
  if (at >= 0) waiting.splice(at, 1)[0].answered(payload);
});

socket.once('connect', async () => {
  if (options.as === 'page4') socket.emit('request.status', null);
  if (options.as === 'script') {
    socket.emit('get_status');
    socket.emit('get_history', { limit: 50, event_types: [] });
  }
  if (options.ask !== 'all') return;
  let answered = 0;
  for (const [request, argument, wanted] of REQUESTS) {
    const data = await ask(request, argument, wanted);
    answered += data === undefined ? 0 : 1;
    tell(data === undefined ? '$silence' : '$answer', { request, argument, [data === undefined ? 'wanted' : 'event']: wanted, data });
  }
  tell('$done', { asked: REQUESTS.length, answered });
});

for await (const line of createInterface({ input: process.stdin })) {
  const { event, data } = JSON.parse(line);
  const args = data === undefined ? [] : [data];
  socket.emit(event, ...args, (...answer) => print({ namespace: '/', event, ack: true, data: single(answer) }));
}

/** Emits a request and waits for the event that answers it; `undefined` when none comes. */
function ask(request, argument, wanted) {
  return new Promise((resolve) => {
    const entry = { wanted, answered: (payload) => { clearTimeout(timer); resolve(payload ?? null); } };
    const timer = setTimeout(() => {
      waiting.splice(waiting.indexOf(entry), 1);
      resolve(undefined);
    }, Number(options.deadline));
    waiting.push(entry);
    socket.emit(request, ...(argument === undefined ? [] : [argument]));
  });
}

/** Says what their clients could not read in a payload. */
function check(event, payload) {
  const wrong = (reason) => tell('$wrong', { event, reason, payload });
  const shape = SHAPES[event];
  if (!shape) return;
  if (!is.object(payload)) return wrong('no object');
  for (const reason of unlike(shape, payload)) wrong(reason);
  if (EVENTS.includes(event)) checkName(event, payload, wrong);
  if (event === 'event_history' || event === 'history') {
    if (is.list(payload.events)) {
      if (payload.count !== payload.events.length) wrong(`count is ${payload.count} of ${payload.events.length} events`);
      for (const past of payload.events) for (const reason of unlike(EVENT, past)) wrong(`in events: ${reason}`);
      const times = payload.events.map((past) => new Date(past.timestamp).getTime());
      if (times.some((time, at) => time < times[at - 1])) wrong('not oldest first');
    }
  }
}

/** In the new form the type is the event's own name; in the old one it is a category, and never dotted. */
function checkName(event, payload, wrong) {
  const isNew = payload.type === event;
  if (!isNew && event !== 'claude_event') wrong(`type ${payload.type} under the name ${event}`);
  if (is.text(payload.type) && /[.:]/.test(payload.type)) wrong(`the page of version 4 splits the type ${payload.type}`);
}

function unlike(shape, payload) {
  return Object.entries(shape)
    .filter(([key, isRight]) => !isRight(payload?.[key]))
    .map(([key]) => `${key} is ${JSON.stringify(payload?.[key]) ?? 'absent'}`);
}

function tell(event, data) {
  print({ namespace: '/', event, data });
}

/** The only argument, or the list of several. */
function single(args) {
  return args.length > 1 ? args : args[0];
}

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
