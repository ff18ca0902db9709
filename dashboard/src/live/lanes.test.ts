// Proves the packing of lanes and the shortened axis.
import { expect, it } from 'vitest';
import { delegationsOf, lanesOf, lastRunning } from './lanes';
import type { AgentLife, Span } from './session-report';
import { silencesOf, TimeAxis } from './time-axis';

const span = (start: number, end: number, lane = 'main', agentId = ''): Span => ({ seq: start + 1, start, end, lane, agentId, what: 'Bash', tone: 'shell', error: false, asks: false, label: '' });
const busy = (...times: [number, number][]) => times.map(([from, to]) => ({ from, to }));

it('puts the main thread first and overlapping calls below each other', () => {
  const lanes = lanesOf([span(5, 9, 'qa', 'a1'), span(0, 10), span(2, 0), span(11, 12)], 20);
  expect(lanes.map(({ name, rows, rowCount, busyMs }) => ({ name, rows: [...rows], rowCount, busyMs }))).toEqual([
    { name: 'main', rows: [0, 1, 0], rowCount: 2, busyMs: 29 },
    { name: 'qa', rows: [0], rowCount: 1, busyMs: 4 },
  ]);
});

it('shortens silences and finds its way back', () => {
  const axis = new TimeAxis(silencesOf(busy([0, 100], [10_100, 10_200], [50_200, 50_300]), 1000, 100), 50_300, 1000, 100);
  expect(axis.breaks.map(({ from, to }) => [from, to])).toEqual([[100, 10_100], [10_200, 50_200]]);
  expect([0, 100, 10_100, 10_200, 50_200, 50_300].map((time) => axis.shown(time))).toEqual([0, 100, 200, 300, 400, 500]);
  for (const time of [0, 50, 100, 5000, 10_100, 10_150, 30_000, 50_250]) expect(axis.wall(axis.shown(time))).toBeCloseTo(time, 6);
});

it('shortens the silence that lasts, and none while a call runs', () => {
  const quiet = new TimeAxis(silencesOf(busy([0, 100]), 1000, 100), 9000, 1000, 100);
  expect([quiet.shown(100), quiet.shown(9000)]).toEqual([100, 200]);
  const runs = new TimeAxis(silencesOf([{ from: 0, to: Infinity }], 1000, 100), 9000, 1000, 100);
  expect([runs.breaks.length, runs.shown(9000)]).toEqual([0, 9000]);
});

it('fits eight hours with six long silences', () => {
  const hour = 3_600_000;
  const work = Array.from({ length: 7 }, (_, index): [number, number] => [index * 1.15 * hour, index * 1.15 * hour + 600_000]);
  const axis = new TimeAxis(silencesOf(busy(...work)), work[6]?.[1] ?? 0);
  expect(axis.breaks).toHaveLength(6);
  expect(axis.shown(work[6]?.[1] ?? 0) - axis.shown(0)).toBeCloseTo(7 * 600_000 + 6 * 20_000, 3);
});

it('finds the call that asked for each agent, and the call that runs at a time', () => {
  const lanes = lanesOf([span(0, 10), span(2, 30), span(5, 0, 'qa', 'a1'), span(40, 50)], 60);
  const life = (agentId: string, askedBy: number): AgentLife => ({ agentId, agentType: 'qa', task: '', prompt: '', startedAt: 5, endedAt: 0, askedBy, answer: '', failed: false, model: '', tokens: undefined, seq: askedBy });
  expect(delegationsOf(lanes, [life('a1', 3), life('gone', 41), life('unasked', 0)]).map(({ parent, index, child }) => [parent, index, child])).toEqual([['main ', 1, 'qa a1']]);
  const [main] = lanes;
  if (!main) throw new Error('no lane');
  expect([lastRunning(main, 20, 20), lastRunning(main, 9, 9), lastRunning(main, 35, 35), lastRunning(main, -1, -1), lastRunning(main, 45, 45)]).toEqual([1, 1, -1, -1, 2]);
});
