// One item of a list through all that its session wrote: when it was written, begun, reworded and done, and what was called meanwhile.
import type { Todo } from '../contract/types';
import type { Span } from './session-report';

/** A list as it was written at a time; `seq` 0 and no agent where only the server's sums tell of it. */
export interface ListAt {
  time: number;
  seq: number;
  agent: string;
  todos: readonly Pick<Todo, 'content' | 'status'>[];
}

export interface ItemChange {
  time: number;
  seq: number;
  agent: string;
  what: 'written as next' | 'set to now' | 'set to done' | 'back to next' | 'words changed' | 'taken off the list';
  /** The words before. */
  before: string;
}

export interface TodoDetail {
  content: string;
  status: Todo['status'] | 'gone';
  /** Its place in the list, from 1, and how long that is. */
  place: number;
  of: number;
  /** When it became the current one; 0 when it never did. */
  began: number;
  ended: number;
  /** How long items of this session usually take; undefined below three. */
  usualMs: number | undefined;
  changes: ItemChange[];
  /** What was called while it was now, the newest last; `callCount` in all. */
  calls: Span[];
  callCount: number;
  failed: number;
  /** Spent while it was now. */
  costUsd: number | undefined;
  /** The event of the newest list. */
  seq: number;
}

const WORDS: Record<Todo['status'], ItemChange['what']> = { pending: 'back to next', in_progress: 'set to now', completed: 'set to done' };
const CALLS_MAX = 60;
const USUAL_FROM = 3;

/** `lists` oldest first. Items have no name but their words: those that stand where others stood before are the same, reworded. */
export function todoDetail(lists: readonly ListAt[], content: string, spans: readonly Span[], costs: readonly { time: number; costUsd: number | undefined }[], now: number): TodoDetail | undefined {
  const newest = lists.findLastIndex(({ todos }) => placeOf(todos, content) >= 0);
  const list = lists[newest];
  if (!list) return undefined;
  const changes = changesOf(lists, newest, content);
  const place = placeOf(list.todos, content);
  const gone = newest < lists.length - 1;
  const status = gone ? 'gone' : (list.todos[place]?.status ?? 'pending');
  const times = periods(changes, now);
  const within = (time: number): boolean => times.some(({ from, to }) => time >= from && time <= to);
  const calls = spans.filter(({ start }) => within(start)).sort((a, b) => a.start - b.start);
  const spent = costs.filter(({ time, costUsd }) => costUsd !== undefined && within(time));
  return {
    content, status, place: place + 1, of: list.todos.length, began: times.at(-1)?.from ?? 0, ended: status === 'in_progress' ? 0 : (times.at(-1)?.to ?? 0), usualMs: usual(lists), changes,
    calls: calls.slice(-CALLS_MAX), callCount: calls.length, failed: calls.filter(({ error }) => error).length, costUsd: spent.length === 0 ? undefined : spent.reduce((sum, { costUsd }) => sum + (costUsd ?? 0), 0), seq: list.seq,
  };
}

function placeOf(todos: ListAt['todos'], content: string): number {
  return todos.findIndex((todo) => todo.content === content);
}

function changesOf(lists: readonly ListAt[], newest: number, content: string): ItemChange[] {
  const changes: ItemChange[] = [];
  const say = ({ time, seq, agent }: ListAt, what: ItemChange['what'], before = ''): void => void changes.unshift({ time, seq, agent, what, before });
  const after = lists[newest + 1];
  if (after) say(after, 'taken off the list');
  let words = content;
  for (let at = newest; at >= 0; at -= 1) {
    const list = lists[at];
    const earlier = lists[at - 1];
    if (!list) break;
    const place = placeOf(list.todos, words);
    const { status } = list.todos[place] ?? { status: 'pending' as const };
    let known = earlier?.todos[placeOf(earlier.todos, words)];
    if (earlier && !known) {
      const stood = earlier.todos[place];
      // Words that stand elsewhere now are those of another item.
      known = stood && placeOf(list.todos, stood.content) < 0 && earlier.todos.length === list.todos.length ? stood : undefined;
      if (known) say(list, 'words changed', known.content);
    }
    if (!known) {
      say(list, status === 'pending' ? 'written as next' : WORDS[status]);
      break;
    }
    if (known.status !== status) say(list, WORDS[status]);
    words = known.content;
  }
  return changes;
}

/** When it was the current one. */
function periods(changes: readonly ItemChange[], now: number): { from: number; to: number }[] {
  const found: { from: number; to: number }[] = [];
  for (const { what, time } of changes) {
    const open = found.at(-1);
    if (what === 'set to now') found.push({ from: time, to: Infinity });
    else if (open?.to === Infinity && what !== 'words changed') open.to = time;
  }
  return found.map(({ from, to }) => ({ from, to: Math.min(to, now) }));
}

/** The median of what was begun and done. */
function usual(lists: readonly ListAt[]): number | undefined {
  const begun = new Map<string, number>();
  const took = new Map<string, number>();
  for (const { time, todos } of lists) {
    for (const { content, status } of todos) {
      if (status === 'in_progress' && !begun.has(content)) begun.set(content, time);
      const from = begun.get(content);
      if (status === 'completed' && from !== undefined && !took.has(content)) took.set(content, time - from);
    }
  }
  const sorted = [...took.values()].sort((a, b) => a - b);
  return sorted.length < USUAL_FROM ? undefined : sorted[sorted.length >> 1];
}
