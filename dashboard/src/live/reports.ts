// Summaries over the kept events for the views Usage, Work and Timeline; made only when a view asks.
import { decodeEvent, parseJson } from '../contract/decode';
import type { MonitorEvent, Todo } from '../contract/types';
import { decodeTodos } from '../contract/work';
import { Flag } from './ring';
import { toneOf, type Tone } from './rows';
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

/** An item with its times; 0 for those that were not told. */
export interface DatedTodo extends Todo {
  startedAt: number;
  doneAt: number;
}

export interface TodoReport {
  sessionId: string;
  time: number;
  seq: number;
  todos: DatedTodo[];
}

const SPARK_BINS = 48;
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

/** The newest list of each session, with when each item was begun and done, as far as this tab knows. */
export function reportTodos(store: EventStore): TodoReport[] {
  const { ring } = store;
  const lists = new Map<number, TodoReport>();
  for (const [seq, slot] of kept(store)) {
    if (!store.events.name(ring.events[slot] ?? 0).startsWith('todo.updated')) continue;
    const event = todoEvent(store, seq);
    const report = event && todosOf(event);
    if (!report) continue;
    const session = ring.sessions[slot] ?? 0;
    const before = new Map(lists.get(session)?.todos.map((todo) => [todo.content, todo]));
    lists.set(session, { ...report, todos: report.todos.map((todo) => dated(todo, before.get(todo.content), event.time)) });
  }
  return [...lists.values()];
}

/** Every list of a session that is kept, oldest first. */
export function listsOf(store: EventStore, sessionId: string): { time: number; seq: number; agent: string; todos: Todo[] }[] {
  const { ring } = store;
  const session = store.sessions.find(sessionId);
  const lists: { time: number; seq: number; agent: string; todos: Todo[] }[] = [];
  if (session === undefined) return lists;
  for (const [seq, slot] of kept(store)) {
    if (ring.sessions[slot] !== session || !store.events.name(ring.events[slot] ?? 0).startsWith('todo.updated')) continue;
    const event = todoEvent(store, seq);
    const todos = event ? decodeTodos(event.data) : [];
    if (event && todos.length > 0) lists.push({ time: event.time, seq, agent: store.agentType(ring.agents[slot] ?? 0), todos });
  }
  return lists;
}

const readTodos = new WeakMap<EventStore, Map<number, MonitorEvent>>();

/** A list's event, read once. */
function todoEvent(store: EventStore, seq: number): MonitorEvent | undefined {
  let known = readTodos.get(store);
  if (!known) readTodos.set(store, (known = new Map()));
  const seen = known.get(seq);
  if (seen) return seen;
  const raw = store.raw.get(seq);
  const event = raw === undefined ? undefined : decodeEvent(parseJson(raw));
  if (known.size > 5000) known.clear();
  if (event) known.set(seq, event);
  return event;
}

function dated(todo: Todo, before: DatedTodo | undefined, at: number): DatedTodo {
  const now = todo.status === 'in_progress';
  const done = todo.status === 'completed';
  return { ...todo, startedAt: before?.startedAt || (now ? at : 0), doneAt: done ? before?.doneAt || (before && before.status !== 'completed' ? at : 0) : 0 };
}

export function todosOf(event: MonitorEvent): TodoReport | undefined {
  const todos = decodeTodos(event.data);
  return todos.length === 0 ? undefined : { sessionId: event.sessionId, time: event.time, seq: event.seq, todos: todos.map((todo) => ({ ...todo, startedAt: 0, doneAt: 0 })) };
}
