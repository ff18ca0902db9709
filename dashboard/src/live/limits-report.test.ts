// Proves that limits are what was told of them, and that a forecast is made only where something carries it.
import { expect, it } from 'vitest';
import { decodeEvent } from '../contract/decode';
import type { MonitorEvent } from '../contract/types';
import { forecastOf, limitsOf } from './limits-report';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const RESETS = Date.parse('2026-11-20T16:40:00Z');

function told(at: number, data: object): MonitorEvent {
  const event = decodeEvent({ seq: 1, time: new Date(at).toISOString(), kind: 'custom', namespace: '/claude', event: 'rate_limit', data });
  if (!event) throw new Error('unreachable: the test event is well-formed');
  return event;
}

const five = (at: number, utilization: number | undefined, more: object = {}): MonitorEvent => told(at, { rate_limit: { status: 'allowed', resetsAt: RESETS / 1000, rateLimitType: 'five_hour', utilization, ...more } });

it('takes the last telling of each window, whichever way it came', () => {
  const limits = limitsOf([
    five(RESETS - HOUR, 0.7), five(RESETS - 2 * HOUR, 0.2),
    told(RESETS - HOUR, { rate_limits: { seven_day: { used_percentage: 41, resets_at: '2026-11-23T09:00:00Z' } } }),
    told(RESETS - HOUR, { rate_limit: { status: 'allowed', rateLimitType: 'five_hour', unifiedWindows: { seven_day_opus: { utilization: 0.1, resetsAt: RESETS / 1000 } } } }),
    told(RESETS, { rate_limit: 'nonsense' }), told(RESETS, {}),
  ]);
  expect(limits.map(({ window, used, resetsAt }) => [window, used, resetsAt])).toEqual([['five_hour', 0.7, RESETS], ['seven_day', 0.41, Date.parse('2026-11-23T09:00:00Z')], ['seven_day_opus', 0.1, RESETS]]);
});

it('forecasts by the last hour, and says when it will not last', () => {
  const [limit] = limitsOf([five(RESETS - 3 * HOUR, 0.1), five(RESETS - 2 * HOUR, 0.5), five(RESETS - 90 * MINUTE, 0.7)]);
  expect(limit).toMatchObject({ used: 0.7, byHour: true });
  const forecast = limit && forecastOf(limit);
  expect(forecast?.share).toBe(1);
  expect((forecast?.fullAt ?? 0) - (RESETS - 45 * MINUTE)).toBeCloseTo(0, 0);
});

it('forecasts by the pace of the window where the hour is not known, and keeps a share that a later line does not repeat', () => {
  const [limit] = limitsOf([five(RESETS - 4 * HOUR, 0.1), five(RESETS - 10 * MINUTE, undefined)]);
  expect(limit).toMatchObject({ used: 0.1, byHour: false, at: RESETS - 4 * HOUR });
  expect(limit && forecastOf(limit)).toEqual({ share: expect.closeTo(0.5, 6), fullAt: undefined });
});

it('forecasts nothing of what only has a status, of an unknown window, or after the reset', () => {
  expect(limitsOf([five(RESETS - HOUR, undefined)]).map(({ rate, status }) => [rate, status])).toEqual([[undefined, 'allowed']]);
  expect(limitsOf([five(RESETS - HOUR, 0.4, { rateLimitType: 'overage' })]).map(({ rate }) => rate)).toEqual([undefined]);
  expect(forecastOf({ used: 0.5, rate: 1, resetsAt: RESETS, at: RESETS + 1 })).toBe(undefined);
});
