// Proves that a timeline of any length is painted in a bounded number of strokes, and that nothing important hides.
import { expect, it } from 'vitest';
import type { SessionReport, Span } from '../../live/session-report';
import { pixelsOf } from './draw-dense';
import { drawLane } from './draw-lane';
import { criticalPath, lanesOf, TimeAxis } from './layout';
import { LABEL_PX, Sheet, type Picture } from './picture';
import { shapeOf, visible } from './shapes';
import { spentOf } from './spent';
import { planRows, tracksOf } from './tracks';

const WIDTH = 1600;
const span = (seq: number, start: number, end: number, more: Partial<Span> = {}): Span => ({ seq, start, end, lane: 'main', agentId: '', what: 'Bash', tone: 'shell', error: false, asks: false, label: 'x', ...more });
const empty: SessionReport = { version: '', spans: [], marks: [], waits: [], agents: [], todos: [], files: [], requests: [], from: 0, events: 1, truncated: false };

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
  const axis = new TimeAxis(report.spans, [], now, Infinity, 0);
  const picture: Picture = { report, tracks: tracksOf(report, lanes, now), shapes: new Map(lanes.map((lane) => [lane.key, shapeOf(lane, axis, now)])), axis, from, to, now, selected: 0, path: new Set(), utc: true, running: false };
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
  const shape = lane && shapeOf(lane, new TimeAxis([], [], 60, Infinity, 0), 60);
  expect(shape && visible(shape, 25, 45)).toEqual({ first: 0, last: 3 });
  expect(shape && visible(shape, 101, 200)).toEqual({ first: 4, last: 4 });
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
  const shape = lane && shapeOf(lane, new TimeAxis([], [], 50, Infinity, 0), 50);
  const rows = lane && shape && pixelsOf(lane, shape, 0, 4, 6, 0, 0.1, undefined);
  expect(rows?.map((row) => [...row])).toEqual([[1, 3, 0, 3, 3, 0]]);
});
