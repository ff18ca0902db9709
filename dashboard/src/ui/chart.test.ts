// Proves the shapes of charts.
import { expect, it } from 'vitest';
import { area, polyline, roundUp, stackedBars } from './chart';

it('rounds a ceiling up to a number that reads well', () => {
  expect([0, 0.03, 1, 1.1, 7, 23, 412, 999].map(roundUp)).toEqual([1, 0.03, 1, 1.5, 8, 25, 500, 1000]);
});

it('stacks bars without gaps, and gives the smallest a pixel', () => {
  const [low, high] = stackedBars([{ name: 'a', color: '', values: [5, 0.001] }, { name: 'b', color: '', values: [5, undefined] }], 100, 10);
  expect(low).toBe('M0.1 100.00V50.00h.8V100.00zM1.1 100.00V99.00h.8V100.00z');
  expect(high).toBe('M0.1 50.00V0.00h.8V50.00z');
});

it('draws an area from edge to edge, and a line only through what is known', () => {
  expect(area([10, 5], 100, 10)).toBe('M0 100H0V0.00H1H1V50.00H2V100z');
  expect(polyline([undefined, 5, undefined, 20], 100, 10)).toBe('M1.5 50.00L3.5 0.00');
});
