// Proves that one row stands for a call with all that follows from it, and for rows that show the same, whatever comes, changes and goes.
import { describe, expect, it } from 'vitest';
import { decodeEvent } from '../contract/decode';
import { parseFilter, termsOf } from './filter-language';
import { Filter } from './filter';
import { ListView } from './list';
import { Query } from './query';
import { EventStore } from './store';

const START = Date.parse('2026-11-20T12:00:00Z');
const NOW = START + 1e9;

function wire(seq: number, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { seq, time: new Date(START + seq * 1000).toISOString(), kind: 'log.message', namespace: '/log', event: 'message', session_id: 's', summary: `line ${seq}`, data: {}, ...more };
}

const DELEGATION = [
  wire(1, { kind: 'tool_call.started', namespace: '/hook', event: 'pre_tool', tool_name: 'Agent', tool_use_id: 't', summary: '→ qa · Run everything' }),
  wire(2, { kind: 'agent.delegated', namespace: '/agent', event: 'task_delegated', tool_use_id: 't', summary: '→ qa · Run everything' }),
  wire(3, { kind: 'agent.started', namespace: '/agent', event: 'subagent_start', tool_use_id: 't', agent_id: 'a', agent_type: 'qa', summary: 'Run everything' }),
  wire(4, { kind: 'agent.finished', namespace: '/agent', event: 'task_completed', tool_use_id: 't', agent_id: 'a', agent_type: 'qa', outcome: 'ok', duration_ms: 40, summary: 'All 218 pass.' }),
  wire(5, { kind: 'tool_call.finished', namespace: '/hook', event: 'post_tool', tool_name: 'Agent', tool_use_id: 't', outcome: 'ok', duration_ms: 50, summary: '→ qa · Run everything' }),
];

/** The list as a page keeps it: a query that hears of every event. */
class Page {
  readonly store: EventStore;
  readonly query: Query;

  constructor(line = '', capacity = 64) {
    this.store = new EventStore(capacity, 65_536);
    this.query = new Query(this.store, new Filter(this.store, termsOf(parseFilter(line, NOW))));
    while (!this.query.step(0, () => 0, NOW));
    this.store.onEvict = (slot) => this.query.evict(slot);
  }

  insert(events: readonly Record<string, unknown>[]): this {
    for (const entry of events) {
      const event = decodeEvent(entry);
      const inserted = event && this.store.insert(event);
      if (!inserted) continue;
      this.query.inserted(inserted.seq, NOW);
      for (const seq of inserted.changed) this.query.changed(seq, NOW);
    }
    return this;
  }

  get rows() {
    return new ListView(this.store, this.query, undefined, []).rows(0, 1000).flatMap((row) => (row.type === 'event' ? [row] : []));
  }
}

describe('a call and what follows from it', () => {
  it('is one row with the answer, in whatever order it comes', () => {
    for (const order of [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [4, 2, 0, 3, 1]]) {
      const { rows } = new Page().insert(order.map((at) => DELEGATION[at] ?? {}));
      expect(rows).toMatchObject([{ seq: 1, what: 'Agent', detail: '→ qa · Run everything', extra: '· All 218 pass.', tookMs: 50, running: false }]);
    }
  });

  it('is found when it was loaded before the filter was typed', () => {
    const page = new Page().insert(DELEGATION);
    const query = new Query(page.store, new Filter(page.store, termsOf(parseFilter('218', NOW))));
    while (!query.step(0, () => 0, NOW));
    expect([query.length, query.at(0)]).toEqual([1, 1]);
  });

  it('is every event of its own where the namespace, the kind or all is asked for', () => {
    for (const [line, seqs] of [['ns:agent', [2, 3, 4]], ['ns:hook', [1]], ['ns:hook,agent', [1, 2, 3, 4]], ['type:agent', [2, 3, 4]], ['-ns:log', [1]], ['raw:1', [1, 2, 3, 4, 5]]] as const) {
      expect([line, new Page(line).insert(DELEGATION).rows.map(({ seq }) => seq)]).toEqual([line, seqs]);
    }
  });

  it('is counted on the tabs as the tabs will show it', () => {
    const { query, store } = new Page().insert(DELEGATION);
    expect([query.all, query.facets[store.namespaces.id('/hook')], query.facets[store.namespaces.id('/agent')]]).toEqual([1, 1, 3]);
  });

  it('hides the status that says what a turn said', () => {
    const events = [wire(1, { kind: 'turn.failed', namespace: '/hook', event: 'stop', summary: 'rate_limit' }), wire(2, { kind: 'claude.status_changed', namespace: '/claude', event: 'status_changed', summary: "Claude's turn ended in an error" })];
    expect(new Page().insert(events).rows.map(({ seq }) => seq)).toEqual([1]);
    expect(new Page('ns:claude').insert(events).rows.map(({ seq }) => seq)).toEqual([2]);
  });
});

describe('rows that show the same', () => {
  it('are one with a count and the time of the last', () => {
    const same = [1, 2, 3].map((seq) => wire(seq, { summary: 'polling' }));
    const { rows, query } = new Page().insert([...same, wire(4), wire(5, { summary: 'polling' })]);
    expect(rows.map(({ seq, times, time }) => [seq, times, (time - START) / 1000])).toEqual([[1, 3, 3], [4, 1, 4], [5, 1, 5]]);
    expect([query.length, query.folded, query.length + query.folded]).toEqual([3, 2, 5]);
    expect([1, 2, 3, 4].map((seq) => query.headOf(seq))).toEqual([1, 1, 1, 4]);
  });

  it('stay apart when they are long apart, of two sessions, of two outcomes, or when all is asked for', () => {
    const pairs = [[{}, { time: new Date(START + 70_000).toISOString() }], [{}, { session_id: 'other' }], [{}, { kind: 'system.error' }]] as const;
    for (const [one, other] of pairs) expect(new Page().insert([wire(1, { summary: 'x', ...one }), wire(2, { summary: 'x', ...other })]).rows).toHaveLength(2);
    expect(new Page('raw:1').insert([wire(1, { summary: 'x' }), wire(2, { summary: 'x' })]).rows).toHaveLength(2);
  });

  it('are joined when a call ends as the one before it did', () => {
    const call = (seq: number, id: string) => wire(seq, { kind: 'tool_call.started', namespace: '/hook', event: 'pre_tool', tool_name: 'Bash', tool_use_id: id, summary: 'make' });
    const end = (seq: number, id: string) => wire(seq, { kind: 'tool_call.failed', namespace: '/hook', event: 'post_tool', tool_name: 'Bash', tool_use_id: id, outcome: 'error', duration_ms: seq, summary: 'exit 2' });
    const page = new Page().insert([call(1, 'a'), end(2, 'a'), call(3, 'b')]);
    expect(page.rows.map(({ seq, times, running }) => [seq, times, running])).toEqual([[1, 1, false], [3, 1, true]]);
    expect(page.insert([end(4, 'b')]).rows).toMatchObject([{ seq: 1, times: 2, state: 'error', tookMs: 4 }]);
  });

  it('agree with a plain pass over any order of coming, and after the ring wrapped', () => {
    let random = 11;
    const next = (limit: number): number => (random = (random * 48_271) % 2_147_483_647) % limit;
    for (let round = 0; round < 40; round += 1) {
      const events = Array.from({ length: 300 }, (_, index) => wire(index + 1, { summary: `kind ${next(2)}`, session_id: `s${next(8) === 0 ? 1 : 0}` }));
      const live = new Page('', 64);
      // Some come late, as a gap that is filled does.
      for (let at = 0; at < events.length; at += 10) live.insert(events.slice(at, at + 10).sort(() => (round % 2 === 0 ? 0 : next(3) - 1)));
      const kept = new Set(events.slice(-64).map((event) => event['seq']));
      expect(live.query.length + live.query.folded).toBe(kept.size);
      const times = live.rows.reduce((sum, row) => sum + row.times, 0);
      expect(times).toBe(kept.size);
      const later = new Query(live.store, new Filter(live.store, []));
      while (!later.step(0, () => 0, NOW));
      const plain = events.slice(-64).filter((event, index, all) => index === 0 || event['summary'] !== all[index - 1]?.['summary'] || event['session_id'] !== all[index - 1]?.['session_id']).length;
      expect(later.length).toBe(plain);
      expect(later.length + later.folded).toBe(kept.size);
      if (round % 2 === 0) expect(live.rows.length).toBe(plain);
      const backwards = new Page('', 64).insert(events.slice(-1)).insert(events.slice(-64).reverse());
      expect([backwards.rows.length, backwards.rows.reduce((sum, row) => sum + row.times, 0)]).toEqual([plain, kept.size]);
    }
  });

  it('cost nothing more when they are all that comes', () => {
    const page = new Page('', 32_768);
    const began = performance.now();
    page.insert(Array.from({ length: 100_000 }, (_, index) => wire(index + 1, { summary: 'the same', time: new Date(START).toISOString() })));
    expect(page.rows).toMatchObject([{ times: 32_768 }]);
    expect(performance.now() - began).toBeLessThan(5000);
  });
});
