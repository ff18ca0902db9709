// How far the limits of a plan are used, and where that leads.
import { decodeLimits, type LimitReading } from '../contract/limits';
import type { MonitorEvent } from '../contract/types';
import { grouped } from './grouped';

export interface Limit extends LimitReading {
  /** Used share per millisecond: of the last hour where it was told twice, else since the window began; undefined where neither is known. */
  rate: number | undefined;
  byHour: boolean;
}

/** What was spent since midnight, by the server's sums. */
export interface LimitsReport {
  limits: Limit[];
  today: { costUsd: number; estimatedUsd: number } | undefined;
}

const HOUR_MS = 3_600_000;
const LENGTHS: Record<string, number> = { five_hour: 5 * HOUR_MS, seven_day: 7 * 24 * HOUR_MS };
/** Two readings closer than this say little of a rate. */
const APART_MS = 5 * 60_000;

/** The last reading of each window. */
export function limitsOf(events: readonly MonitorEvent[]): Limit[] {
  const windows = grouped(events.flatMap(decodeLimits).sort((a, b) => a.at - b.at), ({ window }) => window);
  return [...windows.values()].flatMap((told) => {
    // Who does not say when the window ends means the one that is open.
    let open = 0;
    const readings = told.map((reading) => {
      if (reading.resetsAt > 0) open = reading.resetsAt;
      return reading.resetsAt === 0 && open > reading.at ? { ...reading, resetsAt: open } : reading;
    });
    const last = readings[readings.length - 1];
    // A line that tells the status alone says nothing against a share that was told before it in the same window.
    const shared = readings.findLast(({ used, resetsAt }) => used !== undefined && resetsAt === last?.resetsAt);
    return last ? [{ ...last, ...(last.used === undefined && shared ? { used: shared.used, at: shared.at } : {}), ...rateOf(readings, shared) }] : [];
  });
}

function rateOf(readings: readonly LimitReading[], last: LimitReading | undefined): Pick<Limit, 'rate' | 'byHour'> {
  if (last?.used === undefined) return { rate: undefined, byHour: false };
  const before = last.window === 'five_hour' ? readings.find(({ used, resetsAt, at }) => used !== undefined && resetsAt === last.resetsAt && at >= last.at - HOUR_MS && at <= last.at - APART_MS) : undefined;
  if (before?.used !== undefined) return { rate: Math.max(0, last.used - before.used) / (last.at - before.at), byHour: true };
  const began = last.resetsAt - (LENGTHS[last.window] ?? 0);
  if (LENGTHS[last.window] === undefined || last.resetsAt === 0 || last.at - began < APART_MS) return { rate: undefined, byHour: false };
  return { rate: last.used / (last.at - began), byHour: false };
}

export interface Forecast {
  /** Used share when the window ends, at most 1. */
  share: number;
  /** When nothing is left; undefined where it lasts. */
  fullAt: number | undefined;
}

export function forecastOf({ used, rate, resetsAt, at }: Pick<Limit, 'used' | 'rate' | 'resetsAt' | 'at'>): Forecast | undefined {
  if (used === undefined || rate === undefined || resetsAt <= at) return undefined;
  const share = used + rate * (resetsAt - at);
  return { share: Math.min(1, share), fullAt: used < 1 && share > 1 ? at + (1 - used) / rate : undefined };
}
