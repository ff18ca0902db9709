// Proves how a change is laid out.
import { expect, it } from 'vitest';
import { linesOf, pairsOf } from './diff';

const change = { callSeq: 1, created: false, whole: undefined, hunks: [{ oldStart: 10, newStart: 12, lines: [' a', '-let x = 1;', '-gone', '+let x = 22;', '+new', '+more', ' z', '\\ No newline at end of file'] }] };

it('numbers both sides', () => {
  expect(linesOf(change).map(({ kind, old, new: after }) => [kind, old, after])).toEqual([
    ['head', undefined, undefined], ['same', 10, 12], ['del', 11, undefined], ['del', 12, undefined], ['add', undefined, 13], ['add', undefined, 14], ['add', undefined, 15], ['same', 13, 16],
  ]);
});

it('marks what differs within a line that was changed', () => {
  const [, , del, add] = linesOf({ ...change, hunks: [{ oldStart: 1, newStart: 1, lines: [' a', '-let x = 1;', '+let x = 22;'] }] });
  expect([del?.text.slice(del.mark?.from, del.mark?.to), add?.text.slice(add.mark?.from, add.mark?.to)]).toEqual(['1', '22']);
  expect(linesOf({ ...change, hunks: [{ oldStart: 1, newStart: 1, lines: ['-abc', '+xyz'] }] }).every(({ mark }) => mark === undefined)).toBe(true);
});

it('puts removed and added lines beside each other', () => {
  expect(pairsOf(linesOf(change)).map(({ left, right }) => [left?.text ?? '', right?.text ?? ''])).toEqual([['@@ 10', '@@ 10'], ['a', 'a'], ['let x = 1;', 'let x = 22;'], ['gone', 'new'], ['', 'more'], ['z', 'z']]);
});

it('shows a new file as added lines', () => {
  expect(linesOf({ callSeq: 1, hunks: [], created: true, whole: 'a\nb' }).map(({ kind, new: line, text }) => [kind, line, text])).toEqual([['add', 1, 'a'], ['add', 2, 'b']]);
});
