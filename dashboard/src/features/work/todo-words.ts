// An item of a list in words, the same in its column, in the flat lists and in its details.
import type { Todo } from '../../contract/types';
import type { DatedTodo } from '../../live/reports';

export const WORDS: Record<Todo['status'], string> = { in_progress: 'now', pending: 'next', completed: 'done' };
/** Order of the states in lists. */
export const RANK: Record<Todo['status'], number> = { in_progress: 0, pending: 1, completed: 2 };
/** An item that is worked on for longer, or for so many times as long as usual here, is likely to be stuck. */
const LONG_MS = 20 * 60_000;
const LONG_TIMES = 3;

/** As a column shows them: now, next, and what is done, the latest first. */
export function inOrder(todos: readonly DatedTodo[]): DatedTodo[] {
  return [...todos.filter(({ status }) => status === 'in_progress'), ...todos.filter(({ status }) => status === 'pending'), ...todos.filter(({ status }) => status === 'completed').sort((a, b) => b.doneAt - a.doneAt)];
}

/** How long it has been worked on, or took; 0 where that is not known. */
export function ageOf({ status, startedAt, doneAt }: DatedTodo, now: number): number {
  if (startedAt === 0) return 0;
  return status === 'in_progress' ? now - startedAt : status === 'completed' && doneAt > 0 ? doneAt - startedAt : 0;
}

export function isLong(ms: number, usualMs: number | undefined): boolean {
  return ms > LONG_MS || (usualMs !== undefined && ms > LONG_TIMES * usualMs);
}

/** How long the items of a list took that are done: their median, from three on. */
export function usualOf(todos: readonly DatedTodo[]): number | undefined {
  const took = todos.filter(({ status, startedAt, doneAt }) => status === 'completed' && startedAt > 0 && doneAt > 0).map(({ startedAt, doneAt }) => doneAt - startedAt).sort((a, b) => a - b);
  return took.length < 3 ? undefined : took[took.length >> 1];
}

/** How an address names an item. */
export function itemOf(sessionId: string, content: string): string {
  return `${sessionId} ${content}`;
}

export function fromItem(item: string): { sessionId: string; content: string } {
  const at = item.indexOf(' ');
  return at === -1 ? { sessionId: item, content: '' } : { sessionId: item.slice(0, at), content: item.slice(at + 1) };
}
