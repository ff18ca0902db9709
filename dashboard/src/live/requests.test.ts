// Proves what cost, tokens and context are counted from.
import { expect, it } from 'vitest';
import ended from '../../../contract/session/ended.json';
import request from '../../../contract/event/api_request.json';
import { decodeEvent, decodeRequest, decodeSession } from '../contract/decode';
import type { ApiRequest } from '../contract/types';
import { Requests } from './requests';

const made = (change: Partial<ApiRequest>): ApiRequest => ({ seq: 1, time: 0, sessionId: 's', agent: '', main: true, model: 'claude-opus-4-5', input: 10, output: 5, cacheRead: 100, cacheCreation: 20, costUsd: 0.5, estimated: false, durationMs: 900, ...change });

it("understands the server's session with its usage", () => {
  expect(decodeSession(ended)?.usage).toMatchObject({ costStatus: 'reported', source: 'otlp', costUsd: 0.019425, requests: 1, tokens: { input: 1200, output: 42, cacheRead: 21_000, cacheCreation: 300, total: 22_542 }, models: [{ model: 'claude-opus-5-5', tokens: 22_542, costUsd: 0.019425 }] });
  expect(decodeSession({ session_id: 's' })?.usage).toBeUndefined();
});

it("understands the server's request", () => {
  const event = decodeEvent(request);
  expect(event && decodeRequest(event)).toMatchObject({ main: true, input: 1200, output: 42, cacheRead: 21_000, cacheCreation: 300, costUsd: 0.019425 });
});

it('keeps requests in the order of their time, however they come', () => {
  const requests = new Requests();
  for (const time of [30, 10, 20]) requests.add(made({ time }));
  expect(requests.list.map(({ time }) => time)).toEqual([10, 20, 30]);
});

it('adds up what was reported, and says nothing where nothing was', () => {
  const requests = new Requests();
  requests.add(made({ time: 10 }));
  requests.add(made({ time: 20, costUsd: undefined }));
  expect([requests.costSince(0), requests.costSince(15), requests.costSince(25)]).toEqual([0.5, undefined, undefined]);
});

it('takes the context from the last request of the main thread since the last compaction', () => {
  const requests = new Requests();
  requests.add(made({ time: 10 }));
  requests.add(made({ time: 20, cacheRead: 900, main: false }));
  expect(requests.contexts()).toEqual({ s: { tokens: 130, window: 200_000, at: 10 } });
  requests.compacted('s', 15);
  expect(requests.contexts()).toEqual({});
  requests.add(made({ time: 30, cacheRead: 300_000 }));
  expect(requests.contexts()['s']).toMatchObject({ tokens: 300_030, window: 1_000_000 });
});

it('names the agent that a request was for, and takes no agent for the main thread', () => {
  const agentOf = (data: Record<string, string>) => {
    const event = decodeEvent({ ...request, data });
    const decoded = event && decodeRequest(event);
    return [event?.agentType, decoded?.agent, decoded?.main];
  };
  expect(agentOf({ query_source: 'main' })).toEqual(['', '', true]);
  expect(agentOf({ query_source: 'agent:builtin:Explore' })).toEqual(['Explore', 'Explore', false]);
  expect(agentOf({ query_source: 'subagent', 'agent.name': 'qa' })).toEqual(['qa', 'qa', false]);
  expect(agentOf({ query_source: 'auxiliary' })).toEqual(['subagent', 'subagent', false]);
});
