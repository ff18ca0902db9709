// Proves how times and amounts are written.
import { expect, it } from 'vitest';
import { age, amount, bytes, costWords, count, percent, timer, took } from './format';

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
