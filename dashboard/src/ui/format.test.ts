// Proves how times and amounts are written.
import { expect, it, vi } from 'vitest';
import { age, amount, bytes, clock, costWords, count, isoLocal, offsetName, percent, shortTime, timer, took } from './format';

it('writes durations as people read them', () => {
  expect([38, 1420, 6110, 21_400, 84_000, 3_720_000].map(took)).toEqual(['38 ms', '1.42 s', '6.11 s', '21.4 s', '1 m 24 s', '1 h 02 m']);
  expect([41_000, 134_000, 3_734_000, -5].map(timer)).toEqual(['0:41', '2:14', '1:02:14', '0:00']);
  expect([12_000, 840_000, 10_920_000, 180_000_000].map(age)).toEqual(['12 s', '14 min', '3 h 02 min', '2 d 2 h']);
});

it('writes amounts short', () => {
  expect([61_204, 7_900_000, 412].map(amount)).toEqual(['61\u2009204', '7.9 M', '412']);
  expect(count(1_048_576)).toBe('1\u2009048\u2009576');
  expect([500, 2048, 5 * 1024 * 1024].map(bytes)).toEqual(['500 B', '2.0 KiB', '5.0 MiB']);
  expect([percent(21, 1000), percent(0, 10), percent(1, 5000), percent(1, 0)]).toEqual(['2.1%', '0%', '<0.1%', 'none']);
});

it('says of cost how it is known, and never calls what has no price nothing', () => {
  expect(costWords({ costUsd: 0.05406, costStatus: 'estimated', unpriced: [] })).toMatchObject({ amount: '$0.05', word: 'estimated' });
  expect(costWords({ costUsd: 4.2, costStatus: 'reported', unpriced: ['new-model'] })).toEqual({ amount: '$4.20', word: 'reported', says: 'Cost, as the client reported it; without new-model, which has no price' });
  expect(costWords({ costUsd: undefined, costStatus: 'unpriced', unpriced: ['new-model'] })).toMatchObject({ amount: '', word: 'unpriced' });
});

it('writes local times as the zone has them, on the days that are 23 and 25 hours long, and in zones of odd minutes', () => {
  const said = (tz: string, at: string): string => {
    vi.stubEnv('TZ', tz);
    const time = Date.parse(at);
    return `${clock(time, false)} ${offsetName(false, time)} ${isoLocal(time)} ${clock(time, true)}`;
  };
  try {
    expect([
      said('Europe/Berlin', '2026-10-25T00:30:00Z'), said('Europe/Berlin', '2026-10-25T01:30:00Z'), said('Europe/Berlin', '2026-03-29T00:59:59Z'), said('Europe/Berlin', '2026-03-29T01:00:00Z'),
      said('Asia/Kathmandu', '2026-11-20T18:14:59Z'), said('Asia/Kathmandu', '2026-11-20T18:15:00Z'), said('America/St_Johns', '2026-07-01T00:00:00Z'), said('UTC', '2026-10-25T00:30:00Z'),
    ]).toEqual([
      '02:30:00 UTC+2 2026-10-25T02:30:00.000+02:00 00:30:00', '02:30:00 UTC+1 2026-10-25T02:30:00.000+01:00 01:30:00', '01:59:59 UTC+1 2026-03-29T01:59:59.000+01:00 00:59:59', '03:00:00 UTC+2 2026-03-29T03:00:00.000+02:00 01:00:00',
      '23:59:59 UTC+5:45 2026-11-20T23:59:59.000+05:45 18:14:59', '00:00:00 UTC+5:45 2026-11-21T00:00:00.000+05:45 18:15:00', '21:30:00 UTC−2:30 2026-06-30T21:30:00.000-02:30 00:00:00', '00:30:00 UTC 2026-10-25T00:30:00.000+00:00 00:30:00',
    ]);
    vi.stubEnv('TZ', 'Asia/Kathmandu');
    expect(shortTime(Date.parse('2026-11-20T18:10:00Z'), Date.parse('2026-11-20T18:20:00Z'))).toBe('20.11. 23:55');
  } finally {
    vi.unstubAllEnvs();
  }
});
