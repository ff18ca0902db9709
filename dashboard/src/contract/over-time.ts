// Sums over any range of time, as `GET /api/v1/stats` tells them when a range is asked for.
import { count, isObject, list, name, object, optionalNumber, time } from './loose';

export interface Sum {
  events: number;
  errors: number;
  calls: number;
  failed: number;
  requests: number;
  /** How often tokens were told without a cost. */
  unpriced: number;
  input: number;
  output: number;
  cacheRead: number;
  cacheCreation: number;
  /** Undefined while no cost is known: that is not 0. */
  costUsd: number | undefined;
  /** The part of it that nobody reported. */
  estimatedUsd: number;
  p50: number | undefined;
  p95: number | undefined;
  totalMs: number;
}

export interface Bin extends Sum {
  time: number;
}

export interface OverTime {
  from: number;
  to: number;
  stepMs: number;
  /** False while what is stored is being counted again. */
  complete: boolean;
  total: Sum;
  /** Those in which something happened. */
  bins: Bin[];
  series: { name: string; total: Sum; bins: Bin[] }[];
}

/** Undefined also for a server that has no sums. */
export function decodeOverTime(value: unknown): OverTime | undefined {
  const sums = isObject(value) ? value['over_time'] : undefined;
  if (!isObject(sums) || count(sums['step_s']) <= 0) return undefined;
  return {
    from: time(sums['from']), to: time(sums['to']), stepMs: count(sums['step_s']) * 1000, complete: sums['complete'] !== false, total: decodeSum(sums['total']), bins: decodeBins(sums['bins']),
    series: list(sums['series']).filter(isObject).map((one) => ({ name: name(one['name']), total: decodeSum(one['total']), bins: decodeBins(one['bins']) })),
  };
}

function decodeBins(value: unknown): Bin[] {
  return list(value).filter(isObject).map((bin) => ({ ...decodeSum(bin), time: time(bin['time']) }));
}

function decodeSum(value: unknown): Sum {
  const sum = object(value);
  const tokens = object(sum['tokens']);
  const took = object(sum['duration_ms']);
  return {
    events: count(sum['events']), errors: count(sum['errors']), calls: count(sum['calls']), failed: count(sum['failed']), requests: count(sum['requests']), unpriced: count(sum['unpriced']),
    input: count(tokens['input']), output: count(tokens['output']), cacheRead: count(tokens['cache_read']), cacheCreation: count(tokens['cache_creation']),
    costUsd: optionalNumber(sum['cost_usd']), estimatedUsd: count(sum['cost_estimated_usd']), p50: optionalNumber(took['p50']), p95: optionalNumber(took['p95']), totalMs: count(took['sum']),
  };
}
