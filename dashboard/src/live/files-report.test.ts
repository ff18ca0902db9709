// Proves who overwrote whom.
import { expect, it } from 'vitest';
import { decodeChange } from '../contract/work';
import { conflictsOf, type Touch } from './files-report';

let seq = 0;
const touch = (sessionId: string, time: number, changed: boolean): Touch => ({ seq: (seq += 1), time, sessionId, agent: 'main', operation: changed ? 'edit' : 'read', changed, added: 1, removed: 1 });

it('is a conflict to change what one has last read before another changed it', () => {
  const touches = [touch('a', 1, false), touch('b', 2, false), touch('a', 3, true), touch('b', 4, true)];
  expect(conflictsOf(touches)).toEqual([{ seq: touches[3]?.seq, by: 'b', lookedAt: 2, lost: 'a', lostSeq: touches[2]?.seq, lostAt: 3 }]);
});

it('is none when the other change was read, when nobody else changed it, or long ago', () => {
  expect(conflictsOf([touch('b', 1, false), touch('a', 2, true), touch('b', 3, false), touch('b', 4, true)])).toEqual([]);
  expect(conflictsOf([touch('a', 1, false), touch('b', 2, false), touch('a', 3, true), touch('a', 4, true)])).toEqual([]);
  expect(conflictsOf([touch('b', 1, false), touch('a', 2, true), touch('b', 5 * 3_600_000, true)])).toEqual([]);
});

it('does not accuse a session whose reading this tab did not see', () => {
  expect(conflictsOf([touch('a', 2, true), touch('b', 3, true)])).toEqual([]);
});

it("reads a tool's own patch, and the text of a new file", () => {
  const patch = { data: { tool_response: { type: 'update', structuredPatch: [{ oldStart: 3, newStart: 4, lines: [' a', '-b', '+c', 7] }] } } };
  expect(decodeChange(patch)).toEqual({ hunks: [{ oldStart: 3, newStart: 4, lines: [' a', '-b', '+c'] }], created: false, whole: undefined });
  expect(decodeChange({ data: { tool_input: { content: 'x\ny' }, tool_response: { type: 'create', structuredPatch: [] } } })).toEqual({ hunks: [], created: true, whole: 'x\ny' });
  expect(decodeChange('nonsense')).toEqual({ hunks: [], created: false, whole: undefined });
});
