// Proves which lines are called lost: what one had added and another took away, and nothing else.
import { expect, it } from 'vitest';
import type { Change } from '../../contract/types';
import { lostLines, together, unseen } from './lost';

const change = (lines: string[], whole?: string): Change => ({ callSeq: 1, created: false, whole, hunks: lines.length > 0 ? [{ oldStart: 1, newStart: 1, lines }] : [] });

it('are lines that were added and then removed, but for those that only moved', () => {
  const earlier = change([' a', '+kept', '+lost', '+moved', '-old', '+']);
  expect(lostLines(earlier, change(['-lost', '-moved', '-a', ' kept', '+moved', '-']))).toEqual(['lost']);
});

it('are lines that a file written anew does not have', () => {
  expect(lostLines(change(['+x', '+y']), change([], 'y\nz'))).toEqual(['x']);
  expect(lostLines(change([], 'x\ny'), change(['-x']))).toEqual(['x']);
});

it('count whichever of several changes took them away, up to the next look at the file', () => {
  const touch = (seq: number, sessionId: string, changed: boolean): { seq: number; sessionId: string; changed: boolean } => ({ seq, sessionId, changed });
  const touches = [touch(1, 'b', false), touch(2, 'a', true), touch(3, 'b', true), touch(4, 'a', true), touch(5, 'b', true), touch(6, 'b', false), touch(7, 'b', true)];
  expect(unseen(touches, { seq: 3, by: 'b' }).map(({ seq }) => seq)).toEqual([3, 5]);
  expect(lostLines(change(['+lost', '+kept']), together([change(['-old']), change(['-lost', '+new'])]))).toEqual(['lost']);
  expect(lostLines(change(['+lost', '+kept']), together([change(['-kept']), change([], 'kept')]))).toEqual(['lost']);
});
