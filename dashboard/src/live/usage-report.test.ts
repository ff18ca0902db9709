// Proves that the view Usage shows the server's sums where it has them, and this tab's own figures where not.
import { expect, it } from 'vitest';
import { decodeOverTime } from '../contract/over-time';
import { Requests } from './requests';
import { EventStore } from './store';
import { reportUsage, type Source } from './usage-report';

const HOUR = 3_600_000;
const iso = (at: number): string => new Date(at).toISOString();
const bin = (hour: number, fields: object): object => ({ time: iso(hour * HOUR), events: 1, errors: 0, ...fields });
const answers: Record<string, object> = {
  model: {
    group: 'model', from: iso(0), to: iso(60 * HOUR), step_s: 3600, complete: false,
    total: { events: 9, errors: 2, requests: 3, unpriced: 1, cost_usd: 3, cost_estimated_usd: 1, tokens: { input: 5, output: 6, cache_read: 7, cache_creation: 8, total: 26 } },
    bins: [bin(2, { events: 5, errors: 2, tokens: { input: 5, output: 6, cache_read: 7, cache_creation: 8, total: 26 } }), bin(59, { events: 4 })],
    series: [{ name: 'claude-opus-4-8', total: { events: 2, errors: 0, cost_usd: 3 }, bins: [bin(2, { cost_usd: 1 }), bin(59, { cost_usd: 2 })] }, { name: 'new-model', total: { events: 1, errors: 0, unpriced: 1 }, bins: [] }],
  },
  session: { group: 'session', from: iso(0), to: iso(60 * HOUR), step_s: 3600, complete: true, total: { events: 9, errors: 2 }, bins: [], series: [{ name: 's1', total: { events: 2, errors: 0, cost_usd: 3 }, bins: [] }, { name: 'other', total: { events: 2, errors: 0, cost_usd: 1 }, bins: [] }] },
  tool: { group: 'tool', from: iso(0), to: iso(60 * HOUR), step_s: 3600, complete: true, total: { events: 9, errors: 2 }, bins: [], series: [{ name: 'Bash', total: { events: 8, errors: 1, calls: 4, failed: 1, duration_ms: { count: 4, sum: 400, p50: 90, p95: 200 } }, bins: [bin(2, { calls: 4 })] }] },
};

function engine(told: boolean): { engine: Source; api: Parameters<typeof reportUsage>[1]; asked: string[] } {
  const asked: string[] = [];
  const api = { overTime: async ({ group, step }: { group: string; step: string }) => { asked.push(`${group} ${step}`); return told ? decodeOverTime({ over_time: answers[group] }) : undefined; } };
  return { api, engine: { requests: new Requests(), store: new EventStore(4096), sessions: new Map(), sums: true }, asked };
}

it("shows the server's sums: cost by model, tokens, rates, dearest sessions and tools", async () => {
  const { engine: made, api, asked } = engine(true);
  const report = await reportUsage(made, api, { from: 0, to: 60 * HOUR, bins: 60, group: 'model', session: '' });
  expect(asked).toEqual(['model 60m', 'session 60m', 'tool 60m']);
  expect(report).toMatchObject({ told: true, counting: true });
  expect(report.spend.costs.map(({ name, total, bins }) => [name, total, bins[2], bins[59]])).toEqual([['opus-4-8', 3, 1, 2]]);
  expect(report.spend).toMatchObject({ requests: 3, unpriced: 1, unpricedModels: ['new-model'], estimatedUsd: 1, top: [{ sessionId: 's1', costUsd: 3 }] });
  expect([report.spend.tokens.cacheRead[2], report.events?.[2], report.errors?.[2], report.events?.[59]]).toEqual([7, 5, 2, 4]);
  expect(report.tools).toEqual([expect.objectContaining({ tool: 'Bash', calls: 4, failed: 1, p50: 90, p95: 200, totalMs: 400, tone: 'shell' })]);
});

it("shows this tab's own figures for a short range, and for a server that keeps no sums, which is asked once", async () => {
  const short = engine(true);
  expect(await reportUsage(short.engine, short.api, { from: 0, to: HOUR / 4, bins: 60, group: 'model', session: '' })).toMatchObject({ told: false, events: undefined });
  expect(short.asked).toEqual([]);
  const old = engine(false);
  for (let time = 0; time < 3; time += 1) expect(await reportUsage(old.engine, old.api, { from: 0, to: 60 * HOUR, bins: 60, group: 'agent', session: 's1' })).toMatchObject({ told: false });
  expect(old.asked).toEqual(['agent 60m', 'session 60m']);
});
