// Proves that a timeline of any length is painted in a bounded number of strokes, and that nothing important hides.
import { expect, it } from 'vitest';
import { emptyReport } from '../../live/empty-report';
import { criticalPath, delegationsOf, failures, lanesOf, neighbour, spanAt } from '../../live/lanes';
import type { SessionReport, Span } from '../../live/session-report';
import { spendingOf, spentAt, spentOf } from '../../live/spent';
import { NO_SILENCES, TimeAxis } from '../../live/time-axis';
import { pixelsOf } from './draw-dense';
import { drawLane } from './draw-lane';
import { LABEL_PX, Sheet, type Picture } from './picture';
import { shapeOf, visible } from './shapes';
import { planRows, tracksOf } from './tracks';

const WIDTH = 1600;
const span = (seq: number, start: number, end: number, more: Partial<Span> = {}): Span => ({ seq, start, end, lane: 'main', agentId: '', what: 'Bash', tone: 'shell', error: false, asks: false, label: 'x', ...more });
const empty: SessionReport = { ...emptyReport(''), events: 1 };
const AXIS = new TimeAxis(NO_SILENCES, 0);

/** A canvas that notes what is filled in which colour. */
function painted(report: SessionReport, now: number, from = 0, to = now): { color: string; x: number; width: number }[] {
  const fills: { color: string; x: number; width: number }[] = [];
  const context = new Proxy({ fillStyle: '' }, {
    get: (target, key) => (key === 'fillRect' ? (x: number, _y: number, width: number) => fills.push({ color: target.fillStyle, x, width }) : key === 'fillStyle' ? target.fillStyle : () => undefined),
    set: (target, key, value) => {
      if (key === 'fillStyle') target.fillStyle = value;
      return true;
    },
  });
  const lanes = lanesOf(report.spans, now);
  const axis = AXIS;
  const picture: Picture = { report, tracks: tracksOf(report, lanes, now), shapes: new Map(lanes.map((lane) => [lane.key, shapeOf(lane, axis)])), delegations: delegationsOf(lanes, report.agents), axis, from, to, now, selected: 0, path: new Set(), utc: true, running: false };
  const sheet = new Sheet(context as unknown as CanvasRenderingContext2D, picture, WIDTH, 900, (name) => name);
  for (const track of picture.tracks) if (track.kind === 'lane') drawLane(sheet, track);
  return fills;
}

it('paints 100,000 calls with at most one bar a pixel and row', () => {
  const spans = Array.from({ length: 100_000 }, (_, index) => span(index + 1, index * 10, index * 10 + 8));
  const fills = painted({ ...empty, spans }, 1_000_000);
  expect(fills.length).toBeGreaterThan(500);
  expect(fills.length).toBeLessThanOrEqual(WIDTH * 2);
});

it('paints only what a zoomed view shows, a long call that began before it included', () => {
  const spans = [span(1, 0, 900_000), ...Array.from({ length: 50_000 }, (_, index) => span(index + 2, index * 20, index * 20 + 15))];
  const fills = painted({ ...empty, spans }, 1_000_000, 500_000, 500_200);
  expect(fills.length).toBeLessThan(20);
  expect(fills.some(({ x, width }) => x < LABEL_PX && x + width > WIDTH)).toBe(true);
});

it('never lets a failed call hide behind good ones', () => {
  const spans = Array.from({ length: 50_000 }, (_, index) => span(index + 1, index * 20, index * 20 + 15, { error: index === 31_000 }));
  expect(painted({ ...empty, spans }, 1_000_000).filter(({ color }) => color === '--fail')).toHaveLength(1);
});

it('finds the calls between two times', () => {
  const lane = lanesOf([span(1, 0, 100), span(2, 10, 20), span(3, 30, 40), span(4, 50, 0)], 60)[0];
  const shape = lane && shapeOf(lane, AXIS);
  expect(shape && visible(shape, 25, 45)).toEqual({ first: 0, last: 3 });
  expect(shape && visible(shape, 101, 200)).toEqual({ first: 4, last: 4 });
  expect(lane?.open).toEqual([3]);
});

it('follows the calls that delayed the end, into the agents that were asked', () => {
  const lanes = lanesOf([span(1, 0, 10), span(2, 12, 80, { what: 'Agent' }), span(3, 12, 30), span(4, 81, 100), span(5, 15, 40, { agentId: 'a', lane: 'qa' }), span(6, 42, 79, { agentId: 'a', lane: 'qa' }), span(7, 43, 50, { agentId: 'a', lane: 'qa' })], 100);
  const life = { agentId: 'a', agentType: 'qa', task: '', prompt: '', startedAt: 12, endedAt: 80, askedBy: 2, answer: '', failed: false, model: '', tokens: undefined, seq: 2 };
  expect([...criticalPath(lanes, [life], 0, 100)].sort()).toEqual([1, 2, 4, 5, 6]);
});

it('does not call waiting for a person work', () => {
  const report = { spans: [span(1, 0, 100), span(2, 100, 150, { what: 'AskUserQuestion', asks: true, tone: 'plain' }), span(3, 0, 500, { what: 'Agent', tone: 'plain' })], waits: [{ seq: 9, from: 20, to: 90, agentId: '', lane: 'main', label: '' }], requests: [] };
  expect(spentOf(report, 500)).toEqual([{ kind: 'shell', ms: 30 }, { kind: 'wait', ms: 120 }]);
});

it('stacks items of the plan that were worked on at once', () => {
  const item = (startedAt: number, doneAt: number) => ({ content: '', status: 'completed' as const, startedAt, doneAt });
  expect(planRows([item(1, 10), item(5, 20), item(10, 12), item(0, 0)], 30)).toEqual({ rows: [0, 1, 0, -1], count: 2 });
});

it('keeps failures on top where many calls share a pixel', () => {
  const [lane] = lanesOf([span(1, 0, 4), span(2, 4, 8, { error: true }), span(3, 8, 12), span(4, 30, 40)], 50);
  const shape = lane && shapeOf(lane, AXIS);
  const rows = lane && shape && pixelsOf(lane, shape, 0, 4, 6, 0, 0.1, 50, undefined);
  expect(rows?.map((row) => [...row])).toEqual([[1, 3, 0, 3, 3, 0]]);
});

it('paints calls that run up to now, wherever the view begins', () => {
  const spans = [span(1, 0, 0), ...Array.from({ length: 20 }, (_, index) => span(index + 2, index * 10, index * 10 + 5))];
  const fills = painted({ ...empty, spans }, 1000, 900, 1000);
  expect(fills.some(({ color, x, width }) => color === '--t-shell' && x < LABEL_PX && x + width >= WIDTH - 1)).toBe(true);
});

it('gives each call back as it was', () => {
  const spans = [span(3, 5, 0, { label: 'ünïcode 👍', what: 'Read', tone: 'read' }), span(1, 0, 4, { error: true, label: '' }), span(2, 1, 3, { asks: true, tone: 'plain', what: 'AskUserQuestion', label: 'Which?' })];
  const [lane] = lanesOf(spans, 10);
  expect(lane && [0, 1, 2, 3].map((index) => spanAt(lane, index))).toEqual([spans[1], spans[2], spans[0], undefined]);
  expect(failures(lane ? [lane] : [])).toEqual([1]);
});

it('steps through calls of all lanes by the time they began', () => {
  const lanes = lanesOf([span(1, 0, 4), span(2, 10, 20), span(3, 5, 8, { agentId: 'a', lane: 'qa' }), span(4, 10, 12, { agentId: 'a', lane: 'qa' })], 30);
  const order = (by: 1 | -1): number[] => {
    const seqs: number[] = [];
    for (let at = neighbour(lanes, 0, by); at; at = neighbour(lanes, at.seq, by)) seqs.push(at.seq);
    return seqs;
  };
  expect([order(1), order(-1)]).toEqual([[1, 3, 2, 4], [4, 2, 3, 1]]);
});

it('lets what runs grow between two reports as it does', () => {
  const report = { spans: [span(1, 0, 0), span(2, 10, 20, { tone: 'read' })], waits: [{ seq: 9, from: 60, to: 0, agentId: '', lane: 'main', label: '' }], requests: [] };
  for (const now of [100, 5000]) expect(spentAt(spendingOf(report, 100), now)).toEqual(spentOf(report, now));
});
