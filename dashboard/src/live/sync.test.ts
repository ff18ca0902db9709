// Proves that after any loss every event is there once: nothing missing, nothing double.
import { describe, expect, it } from 'vitest';
import { decodeEvent } from '../contract/decode';
import type { EventPage, Hello, MonitorEvent } from '../contract/types';
import type { EventQuery } from './api';
import { Sync } from './sync';

function event(seq: number): MonitorEvent {
  const decoded = decodeEvent({ seq, time: new Date(seq).toISOString(), kind: 'custom', namespace: '/system', event: 'x' });
  if (!decoded) throw new Error('unreachable: the test event is well-formed');
  return decoded;
}

/** A server that keeps events `first`..`last` and answers pages like the real one. */
class FakeServer {
  first = 1;
  failures = 0;
  requests: EventQuery[] = [];

  constructor(public last: number) {}

  async events(query: EventQuery): Promise<EventPage> {
    this.requests.push(query);
    await Promise.resolve();
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error('503');
    }
    const limit = query.limit ?? 100;
    const seqs: number[] = [];
    if (query.after !== undefined) for (let seq = Math.max(this.first, query.after + 1); seq <= this.last && seqs.length < limit; seq += 1) seqs.push(seq);
    else for (let seq = Math.min(this.last, (query.before ?? Infinity) - 1); seq >= this.first && seqs.length < limit; seq -= 1) seqs.push(seq);
    const end = seqs[seqs.length - 1];
    const more = end !== undefined && (query.after !== undefined ? end < this.last : end > this.first);
    return { events: seqs.map(event), next: more ? end : undefined, seqLast: this.last, partial: false };
  }
}

function hello(seqLast: number, seqFirst = 1): Hello {
  return { instance: 'i', epoch: 'e', seqFirst, seqLast, serverTime: 0, version: '1', port: 1, client: '' };
}

function tab(server: FakeServer, capacity = 65_536) {
  const seen: number[] = [];
  const sync = new Sync(server, capacity, (events) => seen.push(...events.map(({ seq }) => seq)), () => undefined, () => Promise.resolve());
  const live = (from: number, to: number): void => {
    const events = Array.from({ length: to - from + 1 }, (_, index) => event(from + index));
    seen.push(...events.map(({ seq }) => seq));
    sync.live(events);
  };
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 500; turn += 1) await Promise.resolve();
  };
  const exact = (from: number, to: number): void => {
    expect([...seen].sort((a, b) => a - b)).toEqual(Array.from({ length: to - from + 1 }, (_, index) => from + index));
  };
  return { sync, seen, live, settle, exact };
}

describe('Sync', () => {
  it('loads the newest page first, then older ones', async () => {
    const server = new FakeServer(12_000);
    const { sync, settle, exact } = tab(server);
    sync.hello(hello(12_000), 0);
    await settle();
    expect(server.requests[0]).toEqual({ before: 12_001, limit: 400 });
    exact(1, 12_000);
    expect(sync.atBeginning).toBe(true);
  });

  it('fetches exactly what passed while the connection was lost', async () => {
    const server = new FakeServer(100);
    const { sync, live, settle, exact } = tab(server);
    sync.hello(hello(100), 0);
    await settle();
    live(101, 110);
    server.last = 12_500;
    sync.hello(hello(12_500), 1);
    live(12_501, 12_510);
    server.last = 12_510;
    await settle();
    exact(1, 12_510);
    expect(sync.holes).toEqual([]);
  });

  it('misses nothing when the connection breaks before the first page came', async () => {
    const server = new FakeServer(100);
    const { sync, live, settle, exact } = tab(server);
    server.failures = 1;
    sync.hello(hello(100), 0);
    live(101, 105);
    server.last = 150;
    sync.hello(hello(150), 0);
    live(151, 155);
    server.last = 155;
    await settle();
    exact(1, 155);
  });

  it('fills what the server left out, and holes nobody announced', async () => {
    const server = new FakeServer(10);
    const { sync, live, settle, exact } = tab(server);
    sync.hello(hello(10), 0);
    await settle();
    server.last = 100;
    live(11, 20);
    sync.gap({ from: 21, to: 60, reason: 'slow' });
    live(61, 70);
    live(91, 100);
    await settle();
    exact(1, 100);
  });

  it('goes on after failures', async () => {
    const server = new FakeServer(50);
    server.failures = 3;
    const { sync, settle, exact } = tab(server);
    sync.hello(hello(50), 0);
    await settle();
    server.last = 80;
    server.failures = 5;
    sync.hello(hello(80), 0);
    await settle();
    exact(1, 80);
  });

  it('says what the server no longer has', async () => {
    const server = new FakeServer(50);
    const { sync, settle } = tab(server);
    sync.hello(hello(50), 0);
    await settle();
    server.first = 71;
    server.last = 90;
    sync.hello(hello(90, 71), 0);
    await settle();
    expect(sync.holes).toMatchObject([{ from: 51, to: 70, total: 20, lost: true }]);
    expect(sync.coverage.missing(1, 90)).toEqual([]);
  });

  it('does not load more than the ring holds', async () => {
    const server = new FakeServer(10);
    const { sync, seen, settle } = tab(server, 1024);
    sync.hello(hello(10), 0);
    await settle();
    server.last = 100_000;
    sync.hello(hello(100_000), 0);
    await settle();
    expect(seen.length).toBe(10 + 1024);
    expect(Math.min(...seen.slice(10))).toBe(100_000 - 1023);
  });
});
