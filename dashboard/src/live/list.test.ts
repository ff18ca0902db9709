// Proves that history, dividers and rows stand under one index, and that both ways of filtering agree.
import { describe, expect, it } from 'vitest';
import { decodeEvent } from '../contract/decode';
import type { MonitorEvent } from '../contract/types';
import { parseFilter, termsOf } from './filter-language';
import { Filter } from './filter';
import { HistorySearch, wireQuery } from './history';
import { ListView } from './list';
import { matchesEvent } from './match-event';
import { Query } from './query';
import { detailOf, wordOf, type DividerRow } from './rows';
import { EventStore } from './store';

const NOW = Date.parse('2026-11-20T12:00:00Z');

function event(seq: number, more: Record<string, unknown> = {}): MonitorEvent {
  const decoded = decodeEvent({ seq, time: new Date(NOW - 60_000 + seq * 10).toISOString(), kind: 'log.message', namespace: '/log', event: 'message', session_id: 's1', summary: `line ${seq}`, cwd: '/w/shop', ...more });
  if (!decoded) throw new Error('unreachable: the test event is well-formed');
  return decoded;
}

function queryOf(store: EventStore, line: string): Query {
  const query = new Query(store, new Filter(store, termsOf(parseFilter(line, NOW))));
  while (!query.step(0, () => 0, NOW));
  return query;
}

const divider = (before: number): DividerRow => ({ type: 'divider', id: `d${before}`, before, text: 'gap', tone: 'gap', progress: undefined });

describe('ListView', () => {
  const store = new EventStore(64, 8192);
  for (let seq = 10; seq <= 14; seq += 1) store.insert(event(seq));
  const api = { events: async ({ before = 0 }) => ({ events: [event(3), event(2), event(1)].filter(({ seq }) => seq < before), next: undefined, seqLast: 14, partial: false }) };
  const shape = (list: ListView): (number | string)[] => list.rows(0, 50).map((row) => (row.type === 'event' ? row.seq : row.id));

  it('puts dividers before the event they name', () => {
    const list = new ListView(store, queryOf(store, ''), undefined, [divider(12), divider(99), divider(0)]);
    expect(shape(list)).toEqual(['d0', 10, 11, 'd12', 12, 13, 14, 'd99']);
    expect([10, 12, 14, 11.5].map((seq) => list.indexOf(seq))).toEqual([1, 4, 6, 4]);
    expect([list.seqAt(3), list.seqAt(4)]).toEqual([0, 12]);
  });

  it('shows history from the server above', async () => {
    const history = new HistorySearch(api, [], 10, () => undefined);
    await history.more();
    const list = new ListView(store, queryOf(store, ''), history, [divider(0)]);
    expect(shape(list)).toEqual([1, 2, 3, 'd0', 10, 11, 12, 13, 14]);
    expect([list.length, list.indexOf(2), list.indexOf(10)]).toEqual([9, 1, 4]);
    expect(history.done).toBe(true);
    // The tab was filled further back meanwhile: no event stands there twice.
    for (const seq of [2, 3]) store.insert(event(seq));
    expect(history.trim(2)).toBe(true);
    expect(shape(new ListView(store, queryOf(store, ''), history, [divider(0)]))).toEqual([1, 'd0', 2, 3, 10, 11, 12, 13, 14]);
    expect(history.trim(2)).toBe(false);
  });
});

it('judges an event in the ring and one from the server alike', () => {
  const lines = ['ns:log', 'ns:/hook', '-ns:log', 'type:log', 'type:message', 'type:file', 'raw:1', '-type:log', 'tool:bash', 'tool:mcp__*', 'agent:main', 'agent:qa', '-agent:qa', 'session:s', 'project:shop', 'is:error', '-is:error', 'is:denied', 'took:>1s', 'took:<1s', 'last:30s', 'last:1h', '/n.1/', '-line'];
  const events = [event(1), event(2, { kind: 'tool_call.failed', namespace: '/hook', event: 'post_tool', tool_name: 'Bash', outcome: 'error', duration_ms: 2000, agent_type: 'qa', agent_id: 'a' }), event(3, { kind: 'tool_call.failed', namespace: '/hook', event: 'post_tool', tool_name: 'mcp__x__y', outcome: 'denied', duration_ms: 5 }), event(4, { data: { level: 'ERROR' } }), event(5, { kind: 'file.operated', event: 'file_operation', namespace: '/hook' })];
  for (const line of lines) {
    const store = new EventStore(8, 4096);
    for (const entry of events) store.insert(entry);
    const query = queryOf(store, line);
    const kept = Array.from({ length: query.length }, (_, index) => query.at(index));
    expect([line, events.filter((entry) => matchesEvent(entry, termsOf(parseFilter(line, NOW)), NOW)).map(({ seq }) => seq)]).toEqual([line, kept]);
  }
});

it('asks the server for words, phrases and namespaces only', () => {
  expect(wireQuery(termsOf(parseFilter('ns:hook,log checkout -read is:error "exit 1"')))).toEqual({ namespace: '/hook,/log', q: 'checkout "exit 1"' });
});

it('says what a call was and what its end adds', () => {
  expect(detailOf('src/a.rs', 'src/a.rs +1 −2')).toEqual({ detail: 'src/a.rs', extra: '+1 −2' });
  expect(detailOf('ls', 'ls')).toEqual({ detail: 'ls', extra: '' });
  expect(detailOf('ls', 'exit 1')).toEqual({ detail: 'ls', extra: 'exit 1' });
  expect([wordOf('tool_call.started', 'pre_tool', 'mcp__github__create_issue'), wordOf('custom', 'my_event', ''), wordOf('todo.updated', 'updated', '')]).toEqual(['create_issue', 'My event', 'Todo']);
});
