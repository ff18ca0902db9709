// Proves that an item is followed through its session's lists, whatever becomes of its words.
import { expect, it } from 'vitest';
import type { Todo } from '../contract/types';
import type { Span } from './session-report';
import { todoDetail, type ListAt } from './todo-history';

const STATES: Record<string, Todo['status']> = { '-': 'pending', '>': 'in_progress', x: 'completed' };
/** `> Write it` is an item that is now. */
const list = (time: number, ...items: string[]): ListAt => ({ time, seq: time, agent: 'main', todos: items.map((item) => ({ status: STATES[item.charAt(0)] ?? 'pending', content: item.slice(2) })) });
const call = (start: number, error = false): Span => ({ seq: start, start, end: start + 1, lane: 'main', agentId: '', what: 'Bash', tone: 'shell', error, asks: false, label: '' });
const said = (lists: readonly ListAt[], content: string): string[] => todoDetail(lists, content, [], [], 100)?.changes.map(({ time, what, before }) => `${time} ${what}${before === '' ? '' : ` from ${before}`}`) ?? [];

it('says when it was written, begun, reworded and done', () => {
  const lists = [list(1, '- Look', '- Write'), list(2, '> Look', '- Write'), list(3, 'x Look', '> Write'), list(4, 'x Look', '> Write it down'), list(5, 'x Look', 'x Write it down', '- More')];
  expect(said(lists, 'Write it down')).toEqual(['1 written as next', '3 set to now', '4 words changed from Write', '5 set to done']);
  expect(said(lists, 'More')).toEqual(['5 written as next']);
  expect(said(lists, 'nothing of it')).toEqual([]);
});

it('takes no other item for it, and says when it was taken off', () => {
  expect(said([list(1, '- A', '- B'), list(2, '- B', '> A')], 'A')).toEqual(['1 written as next', '2 set to now']);
  expect(said([list(1, '- A'), list(2, '> A', '- B')], 'B')).toEqual(['2 written as next']);
  expect(said([list(1, '> A', '- B'), list(2, '- B')], 'A')).toEqual(['1 set to now', '2 taken off the list']);
});

it('counts calls and cost while it was now, and only then', () => {
  const lists = [list(10, '> A', '- B'), list(20, '- A', '> B'), list(30, '> A', 'x B')];
  const detail = todoDetail(lists, 'A', [call(5), call(12), call(25), call(31, true)], [{ time: 15, costUsd: 1 }, { time: 25, costUsd: 8 }, { time: 40, costUsd: 2 }], 50);
  expect(detail).toMatchObject({ status: 'in_progress', place: 1, of: 2, began: 30, ended: 0, callCount: 2, failed: 1, costUsd: 3, usualMs: undefined });
  expect(detail?.calls.map(({ start }) => start)).toEqual([12, 31]);
});

it('knows how long items usually take once three are done', () => {
  const lists = [list(0, '> A'), list(10, 'x A', '> B'), list(40, 'x A', 'x B', '> C'), list(60, 'x A', 'x B', 'x C', '> D')];
  expect(todoDetail(lists, 'D', [], [], 100)?.usualMs).toBe(20);
});
