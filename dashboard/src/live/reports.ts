// Summaries over the kept events for the views Usage, Work and Timeline; made only when a view asks.
import { decodeEvent, decodeFileOperation, decodeTodos, parseJson } from '../contract/decode';
import type { MonitorEvent, Todo } from '../contract/types';
import { Flag } from './ring';
import { shortTool, toneOf, wordOf, type Tone } from './rows';
import type { EventStore } from './store';
import { quantile } from './tool-times';

export interface ToolReport {
  tool: string;
  tone: Tone;
  calls: number;
  failed: number;
  open: number;
  p50: number | undefined;
  p95: number | undefined;
  totalMs: number;
  /** Calls in equal parts of the range. */
  spark: number[];
  /** What its failures say, and how many say the commonest of it. */
  failure: { text: string; count: number } | undefined;
}

export interface FileReport {
  path: string;
  project: string;
  sessions: string[];
  reads: number;
  edits: number;
  added: number;
  removed: number;
  lastTime: number;
  lastSeq: number;
}

export interface TodoReport {
  sessionId: string;
  time: number;
  seq: number;
  todos: Todo[];
}

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
  label: string;
}

export interface Mark {
  seq: number;
  time: number;
  what: string;
  label: string;
}

export interface SessionReport {
  spans: Span[];
  marks: Mark[];
  /** Oldest event of the session that this tab knows. */
  from: number;
  events: number;
  truncated: boolean;
}

const SPARK_BINS = 48;
const SPANS_MAX = 60_000;
const MARK_KINDS = new Set(['prompt.submitted', 'turn.finished', 'turn.failed', 'permission.requested', 'elicitation.requested', 'compaction.started', 'session.started', 'session.ended', 'notification.sent']);

function* kept(store: EventStore): Generator<[seq: number, slot: number]> {
  const { ring } = store;
  for (let seq = ring.floor; seq <= ring.high; seq += 1) if (ring.has(seq)) yield [seq, ring.slot(seq)];
}

/** What is counted of one tool. */
interface Tally {
  calls: number;
  failed: number;
  open: number;
  times: number[];
  spark: number[];
  failures: Map<string, number>;
}

export function reportTools(store: EventStore, from: number, to: number, session: string): ToolReport[] {
  const { ring } = store;
  const wanted = session === '' ? undefined : store.sessions.find(session);
  const tools = new Map<number, Tally>();
  for (const [seq, slot] of kept(store)) {
    const flags = ring.flags[slot] ?? 0;
    const time = ring.times[slot] ?? 0;
    const [kind = ''] = store.events.name(ring.events[slot] ?? 0).split(' ');
    if (!kind.startsWith('tool_call.') || (flags & Flag.merged) !== 0 || time < from || time > to) continue;
    if (wanted !== undefined && ring.sessions[slot] !== wanted) continue;
    const id = ring.tools[slot] ?? 0;
    const tool: Tally = tools.get(id) ?? { calls: 0, failed: 0, open: 0, times: [], spark: new Array<number>(SPARK_BINS).fill(0), failures: new Map() };
    tools.set(id, tool);
    tool.calls += 1;
    if ((flags & Flag.error) !== 0) {
      tool.failed += 1;
      const says = failureOf(store, seq, slot);
      tool.failures.set(says, (tool.failures.get(says) ?? 0) + 1);
    }
    if ((flags & Flag.open) !== 0) tool.open += 1;
    const took = ring.duration(slot);
    if (took !== undefined) tool.times.push(took);
    const bin = Math.min(SPARK_BINS - 1, Math.floor(((time - from) / Math.max(1, to - from)) * SPARK_BINS));
    tool.spark[bin] = (tool.spark[bin] ?? 0) + 1;
  }
  return [...tools].map(([id, { calls, failed, open, times, spark, failures }]) => {
    const [commonest] = [...failures].sort((a, b) => b[1] - a[1]);
    const sorted = Float64Array.from(times);
    const tool = store.tools.name(id);
    return {
      tool, tone: toneOf(tool), calls, failed, open, spark,
      failure: commonest && { text: commonest[0], count: commonest[1] },
      p50: times.length > 0 ? quantile(sorted, 0.5) : undefined,
      p95: times.length > 0 ? quantile(sorted, 0.95) : undefined,
      totalMs: times.reduce((sum, time) => sum + time, 0),
    };
  });
}

/** The first words of what a failed call ended with. */
function failureOf(store: EventStore, seq: number, slot: number): string {
  const peer = store.ring.peers[slot] ?? 0;
  const says = store.shown.get(peer > 0 && store.ring.has(peer) ? peer : seq);
  return (says.split(' · ')[0] ?? '').slice(0, 80);
}

export function reportFiles(store: EventStore): FileReport[] {
  const files = new Map<string, FileReport>();
  for (const [seq, slot] of kept(store)) {
    const { ring } = store;
    const [kind = ''] = store.events.name(ring.events[slot] ?? 0).split(' ');
    if (kind !== 'file.operated') continue;
    const raw = store.raw.get(seq);
    const operation = raw === undefined ? undefined : decodeFileOperation(decodeEvent(parseJson(raw))?.data);
    if (!operation) continue;
    const session = ring.sessions[slot] ?? 0;
    const project = store.projectOf(session);
    const file = files.get(operation.path) ?? { path: operation.path, project, sessions: [], reads: 0, edits: 0, added: 0, removed: 0, lastTime: 0, lastSeq: 0 };
    files.set(operation.path, file);
    if (/^read|^view|^open/i.test(operation.operation)) file.reads += 1;
    else file.edits += 1;
    file.added += operation.added;
    file.removed += operation.removed;
    file.lastTime = ring.times[slot] ?? 0;
    file.lastSeq = seq;
    const name = store.sessions.name(session);
    if (!file.sessions.includes(name)) file.sessions.push(name);
  }
  return [...files.values()].sort((a, b) => b.lastTime - a.lastTime);
}

/** The newest list of each session. */
export function reportTodos(store: EventStore): TodoReport[] {
  const { ring } = store;
  const lists = new Map<number, TodoReport>();
  for (let seq = ring.high; seq >= ring.floor; seq -= 1) {
    if (!ring.has(seq)) continue;
    const slot = ring.slot(seq);
    const session = ring.sessions[slot] ?? 0;
    if (lists.has(session) || !store.events.name(ring.events[slot] ?? 0).startsWith('todo.updated')) continue;
    const raw = store.raw.get(seq);
    const event = raw === undefined ? undefined : decodeEvent(parseJson(raw));
    const report = event && todosOf(event);
    if (report) lists.set(session, report);
  }
  return [...lists.values()];
}

export function todosOf(event: MonitorEvent): TodoReport | undefined {
  const todos = decodeTodos(event.data);
  return todos.length === 0 ? undefined : { sessionId: event.sessionId, time: event.time, seq: event.seq, todos };
}

export function reportSession(store: EventStore, sessionId: string, complete: boolean): SessionReport {
  const { ring } = store;
  const session = store.sessions.find(sessionId);
  const report: SessionReport = { spans: [], marks: [], from: 0, events: 0, truncated: !complete };
  if (session === undefined) return report;
  for (const [seq, slot] of kept(store)) {
    if (ring.sessions[slot] !== session) continue;
    const time = ring.times[slot] ?? 0;
    const flags = ring.flags[slot] ?? 0;
    const [kind = '', event = ''] = store.events.name(ring.events[slot] ?? 0).split(' ');
    if (report.events === 0) report.from = time;
    report.events += 1;
    if (MARK_KINDS.has(kind)) report.marks.push({ seq, time, what: wordOf(kind, event, ''), label: store.shown.get(seq) });
    if (!kind.startsWith('tool_call.') || (flags & Flag.merged) !== 0 || report.spans.length >= SPANS_MAX) continue;
    const tool = store.tools.name(ring.tools[slot] ?? 0);
    const took = ring.duration(slot);
    const started = kind === 'tool_call.started';
    const running = (flags & Flag.open) !== 0;
    const agent = ring.agents[slot] ?? 0;
    report.spans.push({
      seq,
      start: started ? time : time - (took ?? 0),
      end: running ? 0 : started ? time + (took ?? 0) : time,
      lane: store.agentType(agent),
      agentId: store.agentId(agent),
      what: shortTool(tool),
      tone: toneOf(tool),
      error: (flags & Flag.error) !== 0,
      label: store.shown.get(seq),
    });
  }
  return report;
}
