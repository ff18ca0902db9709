// Proves which lines are called lost: what one had added and another took away, and nothing else.
import { expect, it } from 'vitest';
import type { Change } from '../../contract/types';
import { lostLines } from './lost';

const change = (lines: string[], whole?: string): Change => ({ callSeq: 1, created: false, whole, hunks: lines.length > 0 ? [{ oldStart: 1, newStart: 1, lines }] : [] });

it('are lines that were added and then removed, but for those that only moved', () => {
  const earlier = change([' a', '+kept', '+lost', '+moved', '-old', '+']);
  expect(lostLines(earlier, change(['-lost', '-moved', '-a', ' kept', '+moved', '-']))).toEqual(['lost']);
});

it('are lines that a file written anew does not have', () => {
  expect(lostLines(change(['+x', '+y']), change([], 'y\nz'))).toEqual(['x']);
  expect(lostLines(change([], 'x\ny'), change(['-x']))).toEqual(['x']);
});
