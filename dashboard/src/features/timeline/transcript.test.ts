// Proves that a session reads as a story.
import { expect, it } from 'vitest';
import { emptyReport } from '../../live/empty-report';
import type { Mark, SessionReport, Span } from '../../live/session-report';
import { outlineOf, transcriptOf } from './transcript';

const span = (seq: number, start: number, more: Partial<Span> = {}): Span => ({ seq, start, end: start + 1, lane: 'main', agentId: '', what: 'Read', tone: 'read', error: false, asks: false, label: `call ${seq}`, ...more });
const mark = (seq: number, time: number, kind: string, label: string): Mark => ({ seq, time, kind, what: '', label, agentId: '' });
const report = (spans: Span[], marks: Mark[], more: Partial<SessionReport> = {}): SessionReport => ({ ...emptyReport(''), spans, marks, events: 1, ...more });
const NOW = 10_000_000;

it('puts what was done after the prompt that asked for it, and the answer behind', () => {
  const entries = transcriptOf(report([span(2, 20), span(5, 50)], [mark(1, 10, 'prompt.submitted', 'first'), mark(3, 30, 'turn.finished', 'done'), mark(4, 40, 'prompt.submitted', 'second')]), NOW, new Set());
  expect(entries.map((entry) => (entry.type === 'run' ? entry.spans.map(({ seq }) => seq) : entry.type === 'note' ? '' : entry.text))).toEqual(['first', [2], 'done', 'second', [5]]);
  expect(entries.flatMap((entry) => (entry.type === 'prompt' ? [entry.number] : []))).toEqual([1, 2]);
});

it('keeps what a subagent does together, beside the main thread', () => {
  const entries = transcriptOf(report([span(1, 10), span(2, 11, { agentId: 'a', lane: 'qa' }), span(3, 12), span(4, 13, { agentId: 'a', lane: 'qa' })], []), NOW, new Set());
  expect(entries.map((entry) => (entry.type === 'run' ? [entry.agent, entry.spans.map(({ seq }) => seq)] : []))).toEqual([['main', [1, 3]], ['qa', [2, 4]]]);
});

it('folds quiet calls, but no failure, no open call and none of the last minute', () => {
  const spans = Array.from({ length: 40 }, (_, index) => span(index + 1, index * 100, { error: index === 20, ...(index === 25 ? { end: 0 } : {}) }));
  const [run] = transcriptOf(report(spans, []), NOW, new Set());
  expect(run?.type === 'run' && [run.hidden, run.spans.map(({ seq }) => seq)]).toEqual([32, [1, 2, 3, 21, 26, 38, 39, 40]]);
  const [unfolded] = transcriptOf(report(spans, []), NOW, new Set([1]));
  expect(unfolded?.type === 'run' && unfolded.spans.length).toBe(40);
  const [fresh] = transcriptOf(report(spans, []), 4000, new Set());
  expect(fresh?.type === 'run' && fresh.hidden).toBe(0);
});

it('names prompts, failures and open questions in the outline, in their order', () => {
  const items = outlineOf(report([span(3, 30, { error: true, label: 'x' })], [mark(1, 10, 'prompt.submitted', 'do it')], { waits: [{ seq: 4, from: 40, to: 0, agentId: '', lane: 'main', label: 'git push' }, { seq: 2, from: 20, to: 25, agentId: '', lane: 'main', label: 'ls' }] }));
  expect(items.map(({ text }) => text)).toEqual(['do it', 'Read x', 'Asks: git push']);
});
