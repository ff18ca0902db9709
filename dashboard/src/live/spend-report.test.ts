// Proves the figures of the view Usage.
import { expect, it } from 'vitest';
import type { ApiRequest } from '../contract/types';
import { Requests } from './requests';
import { reportSpend } from './spend-report';

const made = (change: Partial<ApiRequest>): ApiRequest => ({ seq: 1, time: 0, sessionId: 's', agent: '', main: true, model: 'claude-opus-4-5', input: 10, output: 5, cacheRead: 100, cacheCreation: 90, costUsd: 1, estimated: false, durationMs: 900, ...change });
const all = (...changes: Partial<ApiRequest>[]): Requests => {
  const requests = new Requests();
  for (const change of changes) requests.add(made(change));
  return requests;
};

it('puts each request into its part of the range, and leaves out what lies beyond', () => {
  const report = reportSpend(all({ time: 0 }, { time: 10 }, { time: 99 }, { time: 100 }, { time: 101 }), 10, 100, 9, 'model', () => 'p');
  expect(report.requests).toBe(3);
  expect(report.costs).toEqual([{ name: 'opus-4-5', total: 3, bins: [1, 0, 0, 0, 0, 0, 0, 0, 2] }]);
  expect(report.tokens.output).toEqual([5, 0, 0, 0, 0, 0, 0, 0, 10]);
});

it('groups by model, agent and project, and adds the small ones up', () => {
  const requests = all(...['a', 'b', 'c', 'd', 'e'].map((model, index) => ({ time: index, model, costUsd: 5 - index, agent: model, main: index === 0, sessionId: model })));
  expect(reportSpend(requests, 0, 10, 2, 'model', () => '').costs.map(({ name, total }) => [name, total])).toEqual([['a', 5], ['b', 4], ['c', 3], ['other', 3]]);
  expect(reportSpend(requests, 0, 10, 2, 'agent', () => '').costs.map(({ name }) => name)).toEqual(['main', 'b', 'c', 'other']);
  expect(reportSpend(requests, 0, 10, 2, 'project', (id) => (id < 'c' ? 'x' : 'y')).costs.map(({ name, total }) => [name, total])).toEqual([['x', 9], ['y', 6]]);
});

it('never calls an unknown price nothing', () => {
  const report = reportSpend(all({ time: 1, costUsd: undefined, model: 'claude-new' }), 0, 10, 2, 'model', () => '');
  expect(report).toMatchObject({ costs: [], unpriced: 1, unpricedModels: ['new'], requests: 1 });
});

it('draws the context of main threads only', () => {
  const report = reportSpend(all({ time: 1 }, { time: 2, main: false, cacheRead: 100_000 }, { time: 9, cacheRead: 100_000 - 100 }), 0, 10, 2, 'model', () => '');
  expect(report.contexts).toEqual([{ sessionId: 's', parts: [0.001, 0.5] }]);
});

it('names the dearest sessions with their dearest agent', () => {
  const report = reportSpend(all({ time: 1, costUsd: 1 }, { time: 2, costUsd: 3, main: false, agent: 'qa' }, { time: 3, sessionId: 't', costUsd: 9 }), 0, 10, 2, 'model', () => '');
  expect(report.top).toEqual([{ sessionId: 't', costUsd: 9, agent: 'main', agentUsd: 9 }, { sessionId: 's', costUsd: 4, agent: 'qa', agentUsd: 3 }]);
});
