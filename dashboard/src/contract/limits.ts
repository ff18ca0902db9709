// What an event says of the limits of a plan: a line of stream-json tells of one window, a status line of all.
import { isObject, name, optionalNumber, type Loose } from './loose';
import type { MonitorEvent } from './types';

export interface LimitReading {
  /** `five_hour`, `seven_day`, or another of the client's. */
  window: string;
  /** Share of it that is used; undefined where only the status was told. */
  used: number | undefined;
  /** 0 where it was not told. */
  resetsAt: number;
  /** `allowed`, `allowed_warning`, `rejected`; empty where it was not told. */
  status: string;
  /** When it was told. */
  at: number;
}

export function decodeLimits(event: MonitorEvent): LimitReading[] {
  const data: unknown = event.data;
  if (!isObject(data)) return [];
  const told = data['rate_limit'];
  const all = data['rate_limits'];
  const readings: LimitReading[] = [];
  if (isObject(told)) {
    const windows = told['unifiedWindows'];
    readings.push(...windowsOf(windows, event.time));
    const window = name(told['rateLimitType']);
    if (window !== '' && !readings.some((reading) => reading.window === window)) readings.push(reading(window, told, event.time));
  }
  return [...readings, ...windowsOf(all, event.time)];
}

function windowsOf(windows: unknown, at: number): LimitReading[] {
  return isObject(windows) ? Object.entries(windows).slice(0, 12).flatMap(([window, told]) => (isObject(told) ? [reading(name(window), told, at)] : [])) : [];
}

function reading(window: string, told: Loose, at: number): LimitReading {
  const percent = optionalNumber(told['used_percentage']);
  const share = percent === undefined ? optionalNumber(told['utilization']) : percent / 100;
  const resets = told['resetsAt'] ?? told['resets_at'];
  const resetsAt = typeof resets === 'string' ? Date.parse(resets) : (optionalNumber(resets) ?? 0) * 1000;
  return { window, used: share === undefined ? undefined : Math.max(0, share), resetsAt: Number.isFinite(resetsAt) ? resetsAt : 0, status: name(told['status']), at };
}
