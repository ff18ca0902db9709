// Proves the packing of lanes and the shortened axis.
import { expect, it } from 'vitest';
import type { Span } from '../../live/session-report';
import { lanesOf, TimeAxis } from './layout';

const span = (start: number, end: number, lane = 'main', agentId = ''): Span => ({ seq: start + 1, start, end, lane, agentId, what: 'Bash', tone: 'shell', error: false, asks: false, label: '' });

it('puts the main thread first and overlapping calls below each other', () => {
  const lanes = lanesOf([span(5, 9, 'qa', 'a1'), span(0, 10), span(2, 0), span(11, 12)], 20);
  expect(lanes.map(({ name, rows, rowCount, busyMs }) => ({ name, rows, rowCount, busyMs }))).toEqual([
    { name: 'main', rows: [0, 1, 0], rowCount: 2, busyMs: 29 },
    { name: 'qa', rows: [0], rowCount: 1, busyMs: 4 },
  ]);
});

it('shortens silences and finds its way back', () => {
  const axis = new TimeAxis([span(0, 100), span(10_100, 10_200), span(50_200, 50_300)], [], 50_300, 1000, 100);
  expect(axis.breaks.map(({ from, to }) => [from, to])).toEqual([[100, 10_100], [10_200, 50_200]]);
  expect([0, 100, 10_100, 10_200, 50_200, 50_300].map((time) => axis.shown(time))).toEqual([0, 100, 200, 300, 400, 500]);
  for (const time of [0, 50, 100, 5000, 10_100, 10_150, 30_000, 50_250]) expect(axis.wall(axis.shown(time))).toBeCloseTo(time, 6);
});
