// Proves the ring, the text chunks, the raw bytes, the coverage and the waiting times.
import { describe, expect, it } from 'vitest';
import { RETRY_MS_MAX, retryDelay } from './backoff';
import { Coverage } from './coverage';
import { Interner } from './interner';
import { RawRing } from './raw-ring';
import { Ring } from './ring';
import { CHUNK_ROWS, TextChunks } from './text-chunks';

const row = (seq: number) => ({ seq, time: seq * 10, namespace: 1, event: 2, session: 3, agent: 4, tool: 5, folder: 0, durationMs: undefined, flags: 0 });

describe('Ring', () => {
  it('refuses a size that is no power of two', () => {
    expect(() => new Ring(1000)).toThrow('power of two');
  });

  it('keeps the newest and forgets what fell out', () => {
    const ring = new Ring(8);
    for (let seq = 1; seq <= 20; seq += 1) ring.put(row(seq));
    expect([12, 13, 20, 21].map((seq) => ring.has(seq))).toEqual([false, true, true, false]);
    expect(ring.count).toBe(8);
    expect(ring.accepts(12)).toBe(false);
  });

  it('takes events in any order and each once', () => {
    const ring = new Ring(8);
    ring.put(row(10));
    expect(ring.accepts(7)).toBe(true);
    ring.put(row(7));
    expect([7, 8, 10].map((seq) => ring.has(seq))).toEqual([true, false, true]);
    expect(ring.accepts(7)).toBe(false);
    expect(ring.accepts(2)).toBe(false);
  });

  it('works beyond 32 bits', () => {
    const ring = new Ring(8);
    const seq = 2 ** 40 + 3;
    ring.put(row(seq));
    expect(ring.has(seq)).toBe(true);
    expect(ring.has(seq - 8)).toBe(false);
  });

  it('knows no duration from zero milliseconds', () => {
    const ring = new Ring(2);
    ring.setDuration(0, 0);
    ring.setDuration(1, undefined);
    expect([ring.duration(0), ring.duration(1)]).toEqual([0, undefined]);
  });
});

describe('TextChunks', () => {
  const filled = (rows: number) => {
    const chunks = new TextChunks(CHUNK_ROWS * 4);
    for (let seq = 1; seq <= rows; seq += 1) chunks.set(seq, `row ${seq} ${seq % 100 === 0 ? 'checkout' : 'plain'}`);
    return chunks;
  };
  const found = (chunks: TextChunks, number: number, needle: string) => {
    const seqs: number[] = [];
    chunks.search(number, needle, (seq) => seqs.push(seq));
    return seqs;
  };

  it('finds each row once, however often it holds the word', () => {
    const chunks = filled(1000);
    chunks.set(5, 'checkout checkout checkout');
    expect(found(chunks, 0, 'checkout')).toEqual([5, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]);
  });

  it('never finds a word across two rows', () => {
    const chunks = new TextChunks(CHUNK_ROWS);
    chunks.set(1, 'check');
    chunks.set(2, 'out');
    expect(found(chunks, 0, 'checkout')).toEqual([]);
  });

  it('changes a row after its chunk was joined', () => {
    const chunks = filled(CHUNK_ROWS + 10);
    found(chunks, 0, 'x');
    chunks.append(7, ' failed');
    expect(chunks.get(7)).toBe('row 7 plain failed');
    expect(found(chunks, 0, 'failed')).toEqual([7]);
    expect(chunks.get(8)).toBe('row 8 plain');
  });

  it('reads rows of joined chunks, the first and the last too', () => {
    const chunks = filled(CHUNK_ROWS * 2);
    chunks.sealBelow(CHUNK_ROWS * 2);
    expect([1, CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS * 2 - 1].map((seq) => chunks.get(seq).split(' ')[1])).toEqual(['1', '4095', '4096', '8191']);
  });

  it('forgets chunks that the ring has left', () => {
    const chunks = filled(CHUNK_ROWS * 9);
    expect(chunks.get(1)).toBe('');
    expect(found(chunks, 0, 'row')).toEqual([]);
  });
});

describe('RawRing', () => {
  it('gives back what it kept and forgets the oldest', () => {
    const raw = new RawRing(64, 400);
    for (let seq = 1; seq <= 20; seq += 1) raw.put(seq, `{"seq":${seq},"text":"grüße ✓"}`);
    expect(raw.get(20)).toBe('{"seq":20,"text":"grüße ✓"}');
    expect(raw.get(1)).toBeUndefined();
    expect(raw.get(99)).toBeUndefined();
  });

  it('leaves out what is too large', () => {
    const raw = new RawRing(4, 1024 * 1024);
    raw.put(1, 'x'.repeat(300_000));
    expect(raw.get(1)).toBeUndefined();
  });
});

describe('Coverage', () => {
  it('joins ranges that touch and names what is missing', () => {
    const coverage = new Coverage();
    coverage.add(1, 10);
    coverage.add(21, 30);
    coverage.add(11, 12);
    expect(coverage.ranges()).toEqual([{ from: 1, to: 12 }, { from: 21, to: 30 }]);
    expect(coverage.missing(5, 40)).toEqual([{ from: 13, to: 20 }, { from: 31, to: 40 }]);
    coverage.add(13, 20);
    expect(coverage.missing(1, 30)).toEqual([]);
  });

  it('takes out what the server left out', () => {
    const coverage = new Coverage();
    coverage.add(1, 100);
    coverage.remove(40, 60);
    expect(coverage.missing(1, 100)).toEqual([{ from: 40, to: 60 }]);
    expect([coverage.has(39), coverage.has(40), coverage.has(61)]).toEqual([true, false, true]);
  });

  it('agrees with a plain set over random ranges', () => {
    const coverage = new Coverage();
    const plain = new Set<number>();
    let random = 7;
    const next = (limit: number) => (random = (random * 48271) % 2147483647) % limit;
    for (let step = 0; step < 300; step += 1) {
      const from = 1 + next(200);
      const to = from + next(12);
      const add = next(3) > 0;
      for (let seq = from; seq <= to; seq += 1) add ? plain.add(seq) : plain.delete(seq);
      if (add) coverage.add(from, to);
      else coverage.remove(from, to);
    }
    const missing = coverage.missing(1, 220).flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
    expect(missing).toEqual(Array.from({ length: 220 }, (_, i) => i + 1).filter((seq) => !plain.has(seq)));
  });
});

describe('small things', () => {
  it('interner shares the last number when it is full', () => {
    const interner = new Interner(4);
    expect(['a', 'b', 'c', 'd', 'a'].map((name) => interner.id(name))).toEqual([1, 2, 3, 3, 1]);
    expect(interner.name(3)).toBe('other');
  });

  it('retry grows from half a second to ten and never ends', () => {
    expect(retryDelay(0, 1)).toBe(500);
    expect(retryDelay(3, 0)).toBe(2000);
    expect(retryDelay(1_000_000, 1)).toBe(RETRY_MS_MAX);
  });
});
