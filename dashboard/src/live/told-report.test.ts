// Proves that a session's page shows what the server tells of it, whole, and follows it with what is new.
import { expect, it } from 'vitest';
import source from '../../../contract/spans/session.json?raw';
import { parseJson } from '../contract/decode';
import { decodeSpans, type SpanReport } from '../contract/spans';
import { ApiError } from './api';
import { reportTold } from './told-report';
import { ToldSessions } from './told-sessions';

const golden = (): SpanReport => {
  const report = decodeSpans(parseJson(source));
  if (!report) throw new Error('the golden answer was not understood');
  return report;
};
const told = (report: SpanReport): Parameters<typeof reportTold>[0] => ({ report, spans: new Map(report.spans.map((span) => [span.id, span])), version: 1 });

it("takes calls, waits, agents, plan, prompts, path and times from the server's answer", () => {
  const report = reportTold(told(golden()), 's', 1_795_185_050_203);
  expect(report.spans).toHaveLength(11);
  expect(report.spans.find(({ seq }) => seq === 81245)).toMatchObject({ what: 'Bash', lane: 'main', agentId: '', tone: 'shell', error: true, start: 1_795_185_023_721, end: 1_795_185_029_831 });
  expect(report.spans.find(({ seq }) => seq === 81239)).toMatchObject({ lane: 'Explore', agentId: 'a4d2c81e0b7f3d915' });
  expect(report.waits.map(({ seq, from, to, lane }) => [seq, to - from, lane])).toEqual([[81240, 7510, 'Explore'], [81257, 2100, 'main']]);
  expect(report.agents).toEqual([expect.objectContaining({ agentType: 'Explore', task: 'Find the tax rules', askedBy: 81233, answer: 'Taxes are computed in src/tax.ts.', endedAt: 1_795_185_033_613 })]);
  expect(report.todos.map(({ content, status, startedAt }) => [content, status, startedAt])).toEqual([['Count the discount', 'in_progress', 1_795_185_011_224], ['Test the checkout', 'pending', 0]]);
  expect(report.marks.map(({ kind, seq }) => [kind, seq])).toEqual([['prompt.submitted', 81207], ['compaction.finished', 81275]]);
  expect(report.requests).toEqual([expect.objectContaining({ seq: 81289, main: true, model: 'claude-opus-5-5', costUsd: 0.019425, durationMs: 812 })]);
  expect([...report.path].slice(0, 2)).toEqual([81209, 81289]);
  expect(report.spending.parts.find(({ kind }) => kind === 'wait')).toEqual({ kind: 'wait', ms: 9610, perMs: 0 });
});

it('says what each answer cost from sums, and lets the wait for a person grow', () => {
  const report = golden();
  report.samples = [{ seq: 1, time: 10, contextTokens: 100, costUsd: 1 }, { seq: 2, time: 20, contextTokens: undefined, costUsd: undefined }, { seq: 3, time: 30, contextTokens: 300, costUsd: 1.5 }];
  report.waits = [{ kind: 'permission', agentId: '', summary: 'ls', seq: 9, began: 5, ended: 0 }];
  const made = reportTold(told(report), 's', 100);
  expect(made.requests.map(({ costUsd, input }) => [costUsd, input])).toEqual([[1, 100], [undefined, 0], [0.5, 300]]);
  expect(made.spending.parts.filter(({ perMs }) => perMs > 0).map(({ kind }) => kind)).toEqual(['wait']);
});

it('asks for the whole session once, then for what is new, and for nothing while nothing happens', async () => {
  const asked: (number | undefined)[] = [];
  const first = { ...golden(), seq: 10 };
  const [span] = first.spans;
  if (!span) throw new Error('no span');
  const answers = [first, { ...first, seq: 12, spans: [{ ...span, status: 'failed' }] }, first];
  let now = 1000;
  const sessions = new ToldSessions({ spans: async (_, since) => { asked.push(since); return answers[asked.length - 1] ?? first; } }, () => now);
  expect((await sessions.of('s', 10))?.spans.size).toBe(12);
  await sessions.of('s', 10);
  expect(asked).toEqual([undefined]);
  const next = await sessions.of('s', 12);
  expect([next?.spans.size, next?.spans.get(span.id)?.status]).toEqual([12, 'failed']);
  now += 61_000;
  await sessions.of('s', 13);
  expect(asked).toEqual([undefined, 10, undefined]);
});

it('leaves a server alone that does not tell, and goes on with an answer that was not whole', async () => {
  let asked = 0;
  let now = 1000;
  const refusing = new ToldSessions({ spans: async () => { asked += 1; throw new ApiError(404, 'no such path'); } }, () => now);
  for (let seq = 1; seq < 20; seq += 1) expect(await refusing.of('s', seq)).toBeUndefined();
  expect(asked).toBe(1);
  now += 11_000;
  await refusing.of('s', 20);
  expect(asked).toBe(2);
  let round = 0;
  const slow = new ToldSessions({ spans: async () => ({ ...golden(), partial: (round += 1) < 3 }) }, () => now);
  for (let time = 0; time < 5; time += 1) await slow.of('s', 1);
  expect(round).toBe(3);
});
