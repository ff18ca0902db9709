// Proves how a change is laid out.
import { expect, it } from 'vitest';
import { hunkOf, linesOf, pairsOf } from './diff';

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

it('compares two texts by their lines, and makes the one of the other', () => {
  expect(hunkOf('a\nb\nc', 'a\nx\nb\nc')).toEqual([' a', '+x', ' b', ' c']);
  expect([hunkOf('', 'a\nb'), hunkOf('a', ''), hunkOf('a', 'a')]).toEqual([['+a', '+b'], ['-a'], [' a']]);
  let random = 5;
  const next = (limit: number): number => (random = (random * 48_271) % 2_147_483_647) % limit;
  for (let round = 0; round < 300; round += 1) {
    const [before, after] = [0, 0].map(() => Array.from({ length: 1 + next(12) }, () => 'abc'.charAt(next(3))).join('\n'));
    const lines = hunkOf(before ?? '', after ?? '');
    const side = (sign: string): string => lines.filter((line) => !line.startsWith(sign)).map((line) => line.slice(1)).join('\n');
    expect([side('+'), side('-')]).toEqual([before, after]);
  }
  const long = Array.from({ length: 3000 }, (_, index) => `line ${index}`);
  expect(hunkOf(long.join('\n'), [...long].reverse().join('\n'))).toHaveLength(6000);
});
