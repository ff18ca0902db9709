// One session in full, for its page: calls, waits, agents, plan, files, memory and requests; made only when its page asks.
import { decodeEvent, isJsonObject, parseJson } from '../contract/decode';
import { decodeFileOperation, decodeTodos } from '../contract/work';
import type { ApiRequest, Json, MonitorEvent, Todo } from '../contract/types';
import { emptyReport } from './empty-report';
import type { Engine } from './engine';
import { Flag } from './ring';
import { shortTool, toneOf, wordOf, type Tone } from './rows';
import { criticalPath, lanesOf, type Lane } from './lanes';
import { spendingOf, type Spending } from './spent';
import type { EventStore } from './store';
import { silencesOf, type Silences } from './time-axis';
import { reportTold, type FromServer } from './told-report';
import type { ToldSessions } from './told-sessions';

export interface Span {
  seq: number;
  start: number;
  /** 0 while the call runs. */
  end: number;
  lane: string;
  agentId: string;
  what: string;
  tone: Tone;
  error: boolean;
  /** Waits for a person by its nature: a question. */
  asks: boolean;
  label: string;
}

export interface Mark {
  seq: number;
  time: number;
  kind: string;
  what: string;
  label: string;
  agentId: string;
}

/** A person was asked; `to` is 0 while nobody answered. */
export interface Wait {
  seq: number;
  from: number;
  to: number;
  agentId: string;
  lane: string;
  label: string;
}

export interface AgentLife {
  agentId: string;
  agentType: string;
  task: string;
  /** What it was asked in full, as far as it was told. */
  prompt: string;
  startedAt: number;
  /** 0 while it works. */
  endedAt: number;
  /** The call that asked for it; 0 when unknown. */
  askedBy: number;
  answer: string;
  failed: boolean;
  model: string;
  tokens: number | undefined;
  seq: number;
}

export interface TodoLife {
  content: string;
  status: Todo['status'];
  /** When it became the current one; 0 when that was not told. */
  startedAt: number;
  doneAt: number;
}

export interface FileTouch {
  seq: number;
  time: number;
  path: string;
  changed: boolean;
  added: number;
  removed: number;
  agent: string;
}

export interface SessionReport {
  /** Changes when anything below does. */
  version: string;
  /** Only where each call by itself is asked for: a hundred thousand objects are slow to hand over. */
  spans: Span[];
  lanes: Lane[];
  silences: Silences;
  spending: Spending;
  /** Calls that delayed the end; empty unless asked for. */
  path: Float64Array;
  calls: number;
  failed: number;
  marks: Mark[];
  waits: Wait[];
  agents: AgentLife[];
  todos: TodoLife[];
  files: FileTouch[];
  requests: ApiRequest[];
  /** Oldest event of the session that this tab knows. */
  from: number;
  events: number;
  truncated: boolean;
  /** It is all of the session, as the server tells it. */
  told: boolean;
  /** Calls that are not in it, because there are too many. */
  leftOut: number;
}

const SPANS_MAX = 100_000;
const TEXT_MAX = 2000;
const MARK_KINDS = new Set([
  'prompt.submitted', 'turn.finished', 'turn.failed', 'turn.interrupted', 'agent.commanded', 'permission.requested', 'elicitation.requested', 'compaction.started', 'compaction.finished', 'session.started', 'session.ended',
  'notification.sent', 'git.operated', 'memory.loaded', 'memory.created', 'memory.updated', 'memory.injected', 'api_request.failed',
]);
/** Kinds whose payload is read. */
const READ_KINDS = new Set(['agent.delegated', 'agent.started', 'agent.finished', 'todo.updated', 'file.operated', 'tool_call.decided', 'permission.requested']);
const AGENT_TOOLS = new Set(['Agent', 'Task']);
const PARSED_MAX = 20_000;

/** Payloads that were read once; a session's page asks again every second. */
const parsed = new WeakMap<EventStore, Map<number, MonitorEvent>>();

function eventOf(store: EventStore, seq: number): MonitorEvent | undefined {
  let cache = parsed.get(store);
  if (!cache) parsed.set(store, (cache = new Map()));
  const known = cache.get(seq);
  if (known) return known;
  const raw = store.raw.get(seq);
  const event = raw === undefined ? undefined : decodeEvent(parseJson(raw));
  if (cache.size > PARSED_MAX) cache.clear();
  if (event) cache.set(seq, { ...event, wire: null });
  return event;
}

export interface Wanted {
  /** The version that the page has. */
  known: string;
  /** Calls as objects, too. */
  spans: boolean;
  critical: boolean;
}

/** From the server where it tells of the session, with what only events have (files, notices, the tokens of each request) from those in this tab; else from those alone. */
export async function reportSession(engine: Engine, sessions: ToldSessions, sessionId: string, { known, spans, critical }: Wanted): Promise<SessionReport | undefined> {
  const { store, sync, requests } = engine;
  const live = engine.sessions.get(sessionId);
  const told = await sessions.of(sessionId, live?.lastSeq ?? 0);
  const version = `${sessionId} ${told?.version ?? ''} ${spans} ${critical} ${live?.lastSeq ?? 0} ${live?.state ?? ''} ${sync.low} ${sync.holes.length} ${requests.changes} ${store.ring.count < store.ring.capacity ? 0 : store.ring.floor}`;
  if (version === known) return undefined;
  const report: SessionReport = { ...emptyReport(version), truncated: !sync.atBeginning, requests: requests.list.filter((request) => request.sessionId === sessionId) };
  const session = store.sessions.find(sessionId);
  if (session === undefined && !told) return report;
  if (session !== undefined) new Reader(store, session, report, live?.state === 'need' ? (live.reason?.seq ?? 0) : 0, told !== undefined).read();
  const now = live?.state === 'ended' ? live.lastEventAt : Date.now() + (engine.link.skewMs ?? 0);
  if (told) merge(report, reportTold(told, sessionId, now), live?.counts.events ?? 0);
  layOut(report, now, critical);
  return spans ? report : { ...report, spans: [] };
}

/** The server's view of the session, and beside it what is known from events alone. */
function merge(report: SessionReport, { marks, requests, leftOut, ...told }: FromServer, events: number): void {
  const known = new Set([...report.marks, ...report.requests].map(({ seq }) => seq));
  // A prompt of which only its later turn is in this tab.
  report.marks = [...report.marks, ...marks.filter(({ seq }) => !known.has(seq))].sort((a, b) => a.time - b.time);
  report.requests = [...report.requests, ...requests.filter(({ seq }) => !known.has(seq))].sort((a, b) => a.time - b.time);
  Object.assign(report, told, { told: true, events: Math.max(report.events, events), leftOut, truncated: false });
}

function layOut(report: SessionReport, now: number, critical: boolean): void {
  const { spans, marks } = report;
  report.lanes = lanesOf(spans, now);
  report.silences = silencesOf([...spans.map((span) => ({ from: span.start, to: span.end || Infinity })), ...marks.map(({ time }) => ({ from: time, to: time }))]);
  if (!report.told) report.spending = spendingOf(report, now);
  report.calls = spans.length;
  report.failed = report.lanes.reduce((sum, lane) => sum + lane.failed, 0);
  const began = marks.findLast((mark) => mark.kind === 'prompt.submitted')?.time ?? 0;
  if (!critical) report.path = new Float64Array();
  else if (!report.told) report.path = Float64Array.from(criticalPath(report.lanes, report.agents, began, now));
}

class Reader {
  readonly #agents = new Map<string, AgentLife>();
  /** Calls of the tool that starts agents, by tool use id. */
  readonly #askedBy = new Map<string, number>();
  readonly #delegated = new Map<string, { task: string; prompt: string }>();
  readonly #todos = new Map<string, TodoLife>();
  /** Waits that nothing has ended so far, by agent. */
  readonly #open = new Map<number, Wait[]>();
  readonly #decided = new Map<string, number>();

  constructor(private readonly store: EventStore, private readonly session: number, private readonly report: SessionReport, private readonly needSeq: number, private readonly told: boolean) {}

  read(): void {
    const { ring } = this.store;
    for (let seq = ring.floor; seq <= ring.high; seq += 1) {
      if (!ring.has(seq)) continue;
      const slot = ring.slot(seq);
      if (ring.sessions[slot] === this.session) this.#event(seq, slot);
    }
    this.report.agents = [...this.#agents.values()];
    this.report.todos = [...this.#todos.values()];
  }

  #event(seq: number, slot: number): void {
    const { store, report } = this;
    const { ring } = store;
    const time = ring.times[slot] ?? 0;
    const flags = ring.flags[slot] ?? 0;
    const [kind = '', event = ''] = store.events.name(ring.events[slot] ?? 0).split(' ');
    const agent = ring.agents[slot] ?? 0;
    if (report.events === 0 || time < report.from) report.from = time;
    report.events += 1;
    if (MARK_KINDS.has(kind)) report.marks.push({ seq, time, kind, what: wordOf(kind, event, ''), label: store.shown.get(seq), agentId: store.agentId(agent) });
    // Calls, waits, agents and plan are the server's where it tells of the session.
    if (this.told) {
      if (kind === 'file.operated') this.#file(seq, time);
      return;
    }
    this.#endWaits(agent, time, kind);
    if (kind.startsWith('tool_call.') && kind !== 'tool_call.decided') this.#call(seq, slot, kind, flags, time, agent);
    if (READ_KINDS.has(kind)) this.#payload(seq, kind, time, agent);
  }

  /** Any sign of life of an agent ends its wait, but the notice that repeats the question. */
  #endWaits(agent: number, time: number, kind: string): void {
    if (kind === 'notification.sent' || kind === 'claude.status_changed' || kind === 'permission.requested' || kind === 'api_request.finished') return;
    for (const wait of this.#open.get(agent) ?? []) if (wait.seq !== this.needSeq) wait.to = Math.max(time, wait.from);
    this.#open.delete(agent);
  }

  #call(seq: number, slot: number, kind: string, flags: number, time: number, agent: number): void {
    const { store, report } = this;
    const { ring } = store;
    const tool = store.tools.name(ring.tools[slot] ?? 0);
    if (AGENT_TOOLS.has(tool)) this.#agentCall(seq, kind);
    if ((flags & Flag.merged) !== 0 || report.spans.length >= SPANS_MAX) return;
    const took = ring.duration(slot);
    const started = kind === 'tool_call.started';
    const running = (flags & Flag.open) !== 0;
    report.spans.push({
      seq,
      start: started ? time : time - (took ?? 0),
      end: running ? 0 : started ? time + (took ?? 0) : time,
      lane: store.agentType(agent),
      agentId: store.agentId(agent),
      what: shortTool(tool),
      tone: toneOf(tool),
      error: (flags & Flag.error) !== 0,
      asks: tool === 'AskUserQuestion',
      label: store.shown.get(seq),
    });
  }

  #agentCall(seq: number, kind: string): void {
    const event = eventOf(this.store, seq);
    if (!event) return;
    if (kind === 'tool_call.started') {
      this.#askedBy.set(event.toolUseId, seq);
      return;
    }
    const response = field(event.data, 'tool_response');
    const life = this.#agents.get(text(field(response, 'agentId')));
    if (!life) return;
    const tokens = field(response, 'totalTokens');
    life.tokens = typeof tokens === 'number' ? tokens : undefined;
    life.model = text(field(response, 'resolvedModel'));
    const content = field(response, 'content');
    const said = Array.isArray(content) ? content.map((part) => text(field(part, 'text'))).join('\n').trim() : '';
    if (said !== '') life.answer = said.slice(0, TEXT_MAX);
    if (kind === 'tool_call.failed') life.failed = true;
  }

  #payload(seq: number, kind: string, time: number, agent: number): void {
    const event = eventOf(this.store, seq);
    if (!event) return;
    switch (kind) {
      case 'agent.delegated':
        this.#delegated.set(event.toolUseId, { task: text(field(event.data, 'task')), prompt: text(field(event.data, 'prompt')).slice(0, TEXT_MAX) });
        break;
      case 'agent.started':
      case 'agent.finished':
        this.#life(event, kind === 'agent.finished');
        break;
      case 'todo.updated':
        this.#plan(event);
        break;
      case 'file.operated':
        this.#file(seq, time);
        break;
      case 'tool_call.decided':
        this.#decided.set(event.toolUseId, time);
        for (const wait of this.report.waits) if (wait.to === 0 && this.#useOf(wait) === event.toolUseId) wait.to = Math.max(time, wait.from);
        break;
      case 'permission.requested': {
        const wait: Wait = { seq, from: time, to: 0, agentId: event.agentId, lane: this.store.agentType(agent), label: event.summary };
        this.report.waits.push(wait);
        this.#open.set(agent, [...(this.#open.get(agent) ?? []), wait]);
        break;
      }
    }
  }

  #file(seq: number, time: number): void {
    const event = eventOf(this.store, seq);
    const file = event && decodeFileOperation(event.data);
    if (file) this.report.files.push({ seq, time, path: file.path, changed: !isRead(file.operation), added: file.added, removed: file.removed, agent: event.agentType || 'main' });
  }

  #useOf(wait: Wait): string {
    return eventOf(this.store, wait.seq)?.toolUseId ?? '';
  }

  #life(event: MonitorEvent, ended: boolean): void {
    if (event.agentId === '') return;
    const asked = this.#delegated.get(event.toolUseId);
    const life = this.#agents.get(event.agentId) ?? {
      agentId: event.agentId, agentType: event.agentType, task: asked?.task ?? text(field(event.data, 'task')), prompt: asked?.prompt ?? '', startedAt: event.time, endedAt: 0,
      askedBy: this.#askedBy.get(event.toolUseId) ?? 0, answer: '', failed: false, model: '', tokens: undefined, seq: event.seq,
    };
    this.#agents.set(event.agentId, life);
    if (!ended) return;
    life.endedAt = event.time;
    life.failed = event.outcome === 'error';
    if (life.answer === '') life.answer = text(field(event.data, 'last_assistant_message')).slice(0, TEXT_MAX) || event.summary;
  }

  #plan(event: MonitorEvent): void {
    for (const { content, status } of decodeTodos(event.data)) {
      const item = this.#todos.get(content) ?? { content, status, startedAt: 0, doneAt: 0 };
      this.#todos.set(content, item);
      if (status === 'in_progress' && item.startedAt === 0) item.startedAt = event.time;
      if (status === 'completed' && item.doneAt === 0) item.doneAt = event.time;
      if (status !== 'completed') item.doneAt = 0;
      item.status = status;
    }
  }
}

export function isRead(operation: string): boolean {
  return /^read|^view|^open|^search|^list/i.test(operation);
}

function field(value: Json | undefined, key: string): Json | undefined {
  return isJsonObject(value) ? value[key] : undefined;
}

function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}
