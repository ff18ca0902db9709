// Turns what came over the network into the contract's types; nothing from outside is trusted before it passed here.
// This is the only file where `as` may stand.
import { count, counts, isObject, line, list, name, object, optionalNumber, parseJson, seqOf, text, time, type Loose } from './loose';
import type {
  Agent, ApiRequest, Cut, EventPage, Gap, Hello, Json, JsonObject, MonitorEvent, OpenCall, Outcome, Session, SessionContext, SessionNeed, SessionState, StateChange, StateSnapshot, Usage,
} from './types';

export { line, parseJson };

const OUTCOMES: readonly string[] = ['ok', 'error', 'denied', 'interrupted', 'unknown'];
const STATES: readonly string[] = ['need', 'failing', 'stuck', 'working', 'idle', 'ended'];

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function decodeEvent(value: unknown): MonitorEvent | undefined {
  if (!isObject(value)) return undefined;
  const kind = name(value['kind']);
  const namespace = name(value['namespace']);
  if (kind === '' || namespace === '') return undefined;
  const outcome = text(value['outcome']);
  const at = time(value['time']);
  return {
    seq: seqOf(value['seq']),
    time: at,
    recordedAt: time(value['recorded_at']) || at,
    kind,
    namespace: namespace.startsWith('/') ? namespace : `/${namespace}`,
    event: name(value['event']),
    sessionId: name(value['session_id']),
    agentId: name(value['agent_id']),
    agentType: name(value['agent_type']) || (kind.startsWith('api_request.') ? sideThread(value['data']) : ''),
    toolName: name(value['tool_name']),
    toolUseId: name(value['tool_use_id']),
    promptId: name(value['prompt_id']),
    cwd: line(text(value['cwd'], 4096)),
    outcome: OUTCOMES.includes(outcome) ? (outcome as Outcome) : '',
    durationMs: optionalNumber(value['duration_ms']),
    summary: line(text(value['summary'])),
    sources: list(value['sources']).map(name).filter((source) => source !== ''),
    cut: list(value['cut']).filter(isObject).map(decodeCut),
    data: (value['data'] ?? {}) as Json,
    wire: value as Json,
  };
}

function decodeCut(value: Loose): Cut {
  return { path: line(text(value['path'])), bytes: count(value['bytes']), reason: name(value['reason']) };
}

export function decodeEvents(value: unknown): MonitorEvent[] {
  const events: MonitorEvent[] = [];
  for (const entry of list(value)) {
    const event = decodeEvent(entry);
    if (event) events.push(event);
  }
  return events;
}

export function decodeEventPage(value: unknown): EventPage | undefined {
  if (!isObject(value) || !Array.isArray(value['events'])) return undefined;
  return {
    events: decodeEvents(value['events']),
    next: seqOf(value['next']) || undefined,
    seqLast: seqOf(value['seq_last']),
    partial: value['partial'] === true,
  };
}

export function decodeSession(value: unknown): Session | undefined {
  if (!isObject(value)) return undefined;
  const sessionId = name(value['session_id']);
  if (sessionId === '') return undefined;
  const state = text(value['state']);
  const reason = value['reason'];
  const todos = value['todos'];
  const totals = object(value['counts']);
  return {
    sessionId,
    project: name(value['project']) || 'unknown',
    cwd: line(text(value['cwd'], 4096)),
    title: line(text(value['title'])),
    state: STATES.includes(state) ? (state as SessionState) : 'idle',
    stateSince: time(value['state_since']),
    reason: isObject(reason) ? { kind: name(reason['kind']), summary: line(text(reason['summary'])), seq: seqOf(reason['seq']) } : undefined,
    startedAt: time(value['started_at']),
    lastEventAt: time(value['last_event_at']),
    lastSeq: seqOf(value['last_seq']),
    model: name(value['model']),
    launchMethod: name(value['launch_method']),
    agents: list(value['agents']).filter(isObject).map(decodeAgent),
    openCalls: list(value['open_calls']).filter(isObject).map(decodeOpenCall),
    counts: { events: count(totals['events']), toolCalls: count(totals['tool_calls']), errors: count(totals['errors']), prompts: count(totals['prompts']) },
    todos: isObject(todos)
      ? { total: count(todos['total']), completed: count(todos['completed']) }
      : undefined,
    lastPrompt: line(text(value['last_prompt'])),
    lastMessage: line(text(value['last_message'])),
    usage: decodeUsage(value['usage']),
    context: decodeContext(value['context']),
    need: decodeNeed(value['need']),
    branch: name(object(value['git'])['branch']),
    agentProgram: name(value['agent_program']),
    launchId: name(value['launch_id']),
    pinned: value['pinned'] === true,
    activity: list(value['activity']).slice(-24).map(count),
  };
}

function decodeAgent(value: Loose): Agent {
  return {
    agentId: name(value['agent_id']), agentType: name(value['agent_type']), state: name(value['state']), task: line(text(value['task'])),
    startedAt: time(value['started_at']), lastEventAt: time(value['last_event_at']), endedAt: time(value['ended_at']), toolUseId: name(value['tool_use_id']),
  };
}

function decodeOpenCall(value: Loose): OpenCall {
  return {
    toolUseId: name(value['tool_use_id']), toolName: name(value['tool_name']), agentId: name(value['agent_id']), summary: line(text(value['summary'])),
    startedAt: time(value['started_at']), seq: seqOf(value['seq']),
  };
}

function decodeUsage(value: unknown): Usage | undefined {
  if (!isObject(value)) return undefined;
  const tokens = object(value['tokens']);
  return {
    source: name(value['source']),
    tokens: { input: count(tokens['input']), output: count(tokens['output']), cacheRead: count(tokens['cache_read']), cacheCreation: count(tokens['cache_creation']), total: count(tokens['total']) },
    costUsd: optionalNumber(value['cost_usd']),
    costStatus: costStatus(value),
    costSource: name(value['cost_source']),
    unpriced: list(value['unpriced']).map(name).slice(0, 64),
    requests: count(value['api_requests']),
    models: Object.entries(object(value['models'])).slice(0, 64).map(([model, spent]) => ({ model: name(model), tokens: count(object(object(spent)['tokens'])['total']), costUsd: optionalNumber(object(spent)['cost_usd']) })),
  };
}

/** A server that says nothing of it had no estimates. */
function costStatus(value: Loose): Usage['costStatus'] {
  const status = text(value['cost_status']);
  if (status === 'reported' || status === 'estimated' || status === 'unpriced') return status;
  return value['cost_usd'] === undefined ? 'unpriced' : 'reported';
}

function decodeContext(value: unknown): SessionContext | undefined {
  if (!isObject(value) || count(value['window']) <= 0) return undefined;
  const status = text(value['status']);
  return { tokens: count(value['tokens']), window: count(value['window']), status: status === 'high' || status === 'full' ? status : 'ok' };
}

function decodeNeed(value: unknown): SessionNeed | undefined {
  if (!isObject(value)) return undefined;
  return {
    kind: name(value['kind']), toolName: name(value['tool_name']), summary: line(text(value['summary'])), since: time(value['since']), seq: seqOf(value['seq']),
    unsure: value['answered'] === 'unsure', open: count(value['open']) || 1,
  };
}

/** Threads of a session that are not its main one; a source that nobody names is taken for the main one. */
const SIDE_THREADS = /^(agent|subagent|auxiliary)/;

/** The agent that a request was for, as far as telemetry names it: it knows no agent ids. Empty for the main thread. */
function sideThread(data: unknown): string {
  const { 'agent.name': called, agent_type: type, query_source: source } = object(data);
  const thread = text(source);
  return name(called) || name(type) || name(/^agent:[^:]*:(.+)$/.exec(thread)?.[1]) || (SIDE_THREADS.test(thread) ? 'subagent' : '');
}

/** What an `api_request.finished` says about spending; `undefined` for any other event. */
export function decodeRequest(event: MonitorEvent): ApiRequest | undefined {
  if (event.kind !== 'api_request.finished') return undefined;
  const data = object(event.data);
  return {
    seq: event.seq, time: event.time, sessionId: event.sessionId,
    agent: event.agentType,
    main: event.agentId === '' && !SIDE_THREADS.test(text(data['query_source'])),
    model: name(data['model']) || 'unknown',
    input: count(data['input_tokens']), output: count(data['output_tokens']), cacheRead: count(data['cache_read_tokens']), cacheCreation: count(data['cache_creation_tokens']),
    costUsd: optionalNumber(data['cost_usd']) ?? optionalNumber(data['cost_estimated_usd']),
    estimated: data['cost_usd'] === undefined && data['cost_estimated_usd'] !== undefined,
    durationMs: event.durationMs ?? count(data['duration_ms']),
  };
}

export function decodeSessions(value: unknown): Session[] {
  const sessions: Session[] = [];
  for (const entry of list(value)) {
    const session = decodeSession(entry);
    if (session) sessions.push(session);
  }
  return sessions;
}

export function decodeStateChange(value: unknown): StateChange | undefined {
  if (!isObject(value)) return undefined;
  return {
    seq: seqOf(value['seq']),
    sessions: decodeSessions(value['sessions']),
    removed: list(value['removed']).map(name),
    clients: optionalNumber(value['clients']),
    eventsPerSecond: optionalNumber(value['events_per_s']),
  };
}

export function decodeStateSnapshot(value: unknown): StateSnapshot | undefined {
  if (!isObject(value) || !Array.isArray(value['sessions'])) return undefined;
  const totals = object(value['totals']);
  return {
    seq: seqOf(value['seq']),
    epoch: name(value['epoch']),
    instance: name(value['instance']),
    serverTime: time(value['server_time']),
    sessions: decodeSessions(value['sessions']),
    totals: {
      events: count(totals['events']), errors: count(totals['errors']), toolCalls: count(totals['tool_calls']), sessions: count(totals['sessions']),
      byNamespace: counts(totals['by_namespace']),
    },
  };
}

export function decodeHello(value: unknown): Hello | undefined {
  if (!isObject(value) || text(value['epoch']) === '') return undefined;
  return {
    instance: name(value['instance']), epoch: name(value['epoch']), seqFirst: seqOf(value['seq_first']), seqLast: seqOf(value['seq_last']),
    serverTime: time(value['server_time']), version: name(value['version']), port: count(value['port']), client: text(value['client']),
  };
}

export function decodeGap(value: unknown): Gap | undefined {
  if (!isObject(value)) return undefined;
  const from = seqOf(value['from']);
  const to = seqOf(value['to']);
  return from > 0 && to >= from ? { from, to, reason: name(value['reason']) } : undefined;
}

/** The message of a REST error body, for people. */
export function decodeErrorMessage(value: unknown): string {
  const error = object(object(value)['error']);
  return [line(text(error['message'])), line(text(error['suggestion']))].filter((part) => part !== '').join('. ').replace('.. ', '. ');
}

/** The message of a refused or failed connect. */
export function decodeConnectError(value: unknown): string {
  return value instanceof Error ? line(text(value.message)) : line(text(object(value)['message']));
}

export function decodeServerTime(value: unknown): number {
  return time(object(value)['server_time']);
}

/** The `data` of a content answer; the text itself when it is no such answer. */
export function decodeContent(answer: string): Json {
  const value = object(parseJson(answer))['data'];
  return value === undefined ? answer : (value as Json);
}
