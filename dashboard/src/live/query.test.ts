// Proves that filter and search give what a plain pass over all events gives, live and after the fact.
import { describe, expect, it } from 'vitest';
import { decodeEvent } from '../contract/decode';
import { Filter } from './filter';
import { columnValues, parseDuration, parseFilter, split, termsOf, withColumn, withoutToken } from './filter-language';
import { Query } from './query';
import { rowOf } from './rows';
import { EventStore } from './store';

const START = Date.parse('2026-11-20T12:00:00Z');

function wire(seq: number, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { seq, time: new Date(START + seq * 1000).toISOString(), kind: 'log.message', namespace: '/log', event: 'message', session_id: `s${seq % 3}`, summary: `line ${seq}`, data: {}, ...more };
}

function fill(store: EventStore, events: readonly Record<string, unknown>[]): void {
  for (const entry of events) {
    const event = decodeEvent(entry);
    if (event) store.insert(event);
  }
}

function call(seq: number, id: string, command: string): Record<string, unknown> {
  return wire(seq, { kind: 'tool_call.started', namespace: '/hook', event: 'pre_tool', tool_name: 'Bash', tool_use_id: id, summary: command, agent_type: 'qa', agent_id: 'a1', cwd: '/w/shop' });
}

function end(seq: number, id: string, outcome: string, summary = 'exit 1'): Record<string, unknown> {
  const kind = outcome === 'ok' ? 'tool_call.finished' : 'tool_call.failed';
  return wire(seq, { kind, namespace: '/hook', event: 'post_tool', tool_name: 'Bash', tool_use_id: id, outcome, duration_ms: 6110, summary });
}

function run(store: EventStore, line: string, now = START + 1e9): number[] {
  const query = ask(store, line, now);
  return Array.from({ length: query.length }, (_, index) => query.at(index));
}

function ask(store: EventStore, line: string, now = START + 1e9): Query {
  const query = new Query(store, new Filter(store, termsOf(parseFilter(line, now))));
  while (!query.step(0, () => 0, now));
  return query;
}

describe('the language', () => {
  it('cuts at spaces outside of quotes and slashes', () => {
    expect(split('tool:Bash "exit 1" /a b/ -is:error /a\\/b/')).toEqual(['tool:Bash', '"exit 1"', '/a b/', '-is:error', '/a\\/b/']);
  });

  it('knows every key', () => {
    const line = 'ns:hook type:tool tool:Bash,Read agent:qa session:c01 project:web path:src is:error took:>5s last:15m from:2026-01-01T00:00:00Z to:14:30 raw:1 -tool:Read "exact text" /re.ex/';
    expect(parseFilter(line).every((token) => token.term !== undefined)).toBe(true);
  });

  it('says what has no meaning, and takes unknown words as text', () => {
    expect(parseFilter('is:green took:soon /(/')).toMatchObject([{ problem: expect.stringContaining('error') }, { problem: expect.stringContaining('took:>5s') }, { problem: expect.any(String) }]);
    expect(parseFilter('http://x/ note:this')).toMatchObject([{ term: { kind: 'text' } }, { term: { kind: 'text', text: 'note:this' } }]);
  });

  it('reads times', () => {
    expect([parseDuration('90s'), parseDuration('1.5h'), parseDuration('15m'), parseDuration('5')]).toEqual([90_000, 5_400_000, 900_000, undefined]);
  });

  it('edits the line for tabs and chips', () => {
    expect(withColumn('ns:hook checkout', 'ns', ['hook', 'log'])).toBe('ns:hook,log checkout');
    expect(withColumn('ns:hook checkout', 'ns', [])).toBe('checkout');
    expect(columnValues('ns:hook,log checkout', 'ns')).toEqual(['hook', 'log']);
    expect(withoutToken('a b a', 'a')).toBe('b a');
  });
});

describe('a query', () => {
  it('joins the two events of a call to one row, in either order', () => {
    for (const events of [[call(1, 't', 'pnpm test'), end(2, 't', 'error')], [end(2, 't', 'error'), call(1, 't', 'pnpm test')]]) {
      const store = new EventStore(64, 4096);
      fill(store, events);
      expect(run(store, '')).toEqual([1]);
      expect(run(store, 'raw:1')).toEqual([1, 2]);
      expect(rowOf(store, 1, false)).toMatchObject({ detail: 'pnpm test', extra: 'exit 1', state: 'error', tookMs: 6110, running: false, project: 'shop', agent: 'qa', what: 'Bash', tone: 'shell' });
    }
  });

  it('finds a call by words of its end, its kinds and its time', () => {
    const store = new EventStore(64, 4096);
    fill(store, [call(1, 't', 'pnpm test'), wire(2), end(3, 't', 'error', 'exit 1 checkout'), call(4, 'u', 'ls')]);
    for (const line of ['checkout', 'is:error', 'took:>5s', 'type:post_tool', 'CHECKOUT pnpm']) expect([line, run(store, line)]).toEqual([line, [1]]);
    expect(run(store, 'is:open')).toEqual([4]);
    expect(run(store, 'type:tool -is:error')).toEqual([4]);
  });

  it('keeps up while events arrive', () => {
    const store = new EventStore(64, 4096);
    fill(store, [call(1, 't', 'pnpm test'), wire(2)]);
    const query = ask(store, 'is:error');
    const event = decodeEvent(end(3, 't', 'error'));
    const inserted = event && store.insert(event);
    expect(query.inserted(3, START)).toBe(false);
    expect(inserted?.changed.map((seq) => query.changed(seq, START + 1e9))).toEqual([true]);
    expect([query.length, query.at(0), query.errors]).toEqual([1, 1, 1]);
  });

  it('agrees with a plain pass, over a ring that wrapped, scanned in slices', () => {
    const store = new EventStore(8192, 65536);
    const events: Record<string, unknown>[] = [];
    for (let seq = 1; seq <= 20_000; seq += 1) events.push(wire(seq, { summary: seq % 7 === 0 ? `checkout ${seq}` : `other ${seq}`, namespace: seq % 5 === 0 ? '/todo' : '/log' }));
    fill(store, events);
    const kept = events.slice(-8192);
    const seqs = (test: (event: Record<string, unknown>) => boolean) => kept.filter(test).map((event) => event['seq']);
    expect(run(store, '')).toEqual(seqs(() => true));
    expect(run(store, 'checkout')).toEqual(seqs((event) => String(event['summary']).includes('checkout')));
    expect(run(store, '-checkout ns:todo')).toEqual(seqs((event) => !String(event['summary']).includes('checkout') && event['namespace'] === '/todo'));
    expect(run(store, '/t.1999[0-9]/')).toEqual(seqs((event) => /t.1999[0-9]/.test(String(event['summary']))));
    expect(run(store, 'session:s1')).toEqual(seqs((event) => event['session_id'] === 's1'));
  });

  it('lets rows go that fall out of the ring or leave a moving range', () => {
    const store = new EventStore(16, 4096);
    fill(store, Array.from({ length: 16 }, (_, index) => wire(index + 1)));
    const now = START + 16_000;
    const query = ask(store, 'last:10s', now);
    expect([query.length, query.at(0)]).toEqual([11, 6]);
    expect(query.expire(now + 2000)).toBe(true);
    expect([query.length, query.at(0), query.facets[store.namespaces.id('/log')]]).toEqual([9, 8, 9]);
    const all = ask(store, '');
    store.onEvict = (slot) => all.evict(slot);
    fill(store, [wire(17), wire(18)]);
    for (const seq of [17, 18]) all.inserted(seq, now);
    expect([all.length, all.at(0), all.at(15)]).toEqual([16, 3, 18]);
  });

  it('lets rows go that were loaded after newer ones, or told by a clock that is ahead', () => {
    const store = new EventStore(64, 4096);
    const now = START + 21_000;
    fill(store, [wire(20, { time: new Date(START + 60_000).toISOString() }), wire(21)]);
    const query = ask(store, 'last:10s', now);
    expect(query.expire(now)).toBe(false);
    fill(store, [wire(12), wire(13)]);
    for (const seq of [12, 13]) query.inserted(seq, now);
    expect(Array.from({ length: query.length }, (_, index) => query.at(index))).toEqual([12, 13, 20, 21]);
    expect(query.expire(now + 2000)).toBe(true);
    expect(Array.from({ length: query.length }, (_, index) => query.at(index))).toEqual([13, 20, 21]);
    expect(query.expire(now + 30_000)).toBe(true);
    expect([query.length, query.at(0), query.all]).toEqual([1, 20, 1]);
  });

  it('counts by namespace whatever namespace is chosen, and draws the whole range', () => {
    const store = new EventStore(64, 4096);
    fill(store, Array.from({ length: 20 }, (_, index) => wire(index + 1, { namespace: index % 2 ? '/todo' : '/log', kind: index === 4 ? 'system.error' : 'log.message' })));
    const query = ask(store, 'ns:log');
    expect([query.length, query.facets[store.namespaces.id('/log')], query.facets[store.namespaces.id('/todo')]]).toEqual([10, 10, 10]);
    const { events, errors } = query.histogram(START, START + 21_000, 3);
    expect([events.reduce((a, b) => a + b), errors.reduce((a, b) => a + b)]).toEqual([10, 1]);
  });

  it('adds what the server found in parts that memory does not search', () => {
    const store = new EventStore(64, 4096);
    fill(store, [wire(1), wire(2), wire(3)]);
    const query = ask(store, 'hidden');
    expect(query.length).toBe(0);
    expect(query.addExtra(2, START)).toBe(true);
    expect([query.length, query.at(0)]).toEqual([1, 2]);
  });

  it('hides what was cleared', () => {
    const store = new EventStore(64, 4096);
    fill(store, [wire(1), wire(2), wire(3)]);
    const query = new Query(store, new Filter(store, [], 2));
    while (!query.step(0, () => 0, START));
    expect([query.length, query.at(0)]).toEqual([1, 3]);
  });
});
