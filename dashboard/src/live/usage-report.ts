// The view Usage: sums that the server kept, over months; for a range shorter than its minutes, and from an older server, what this tab has.
import type { Bin, OverTime } from '../contract/over-time';
import type { Session } from '../contract/types';
import type { Engine } from './engine';
import { reportTools, type ToolReport } from './reports';
import { toneOf } from './rows';
import { fewest, reportSpend, type SpendGroup, type SpendReport } from './spend-report';
import type { ViewApi } from './view-api';
import { shortModel } from './windows';

export interface UsageReport {
  spend: SpendReport;
  /** In each bin; undefined where only this tab's events are known. */
  events: number[] | undefined;
  errors: number[] | undefined;
  tools: ToolReport[];
  /** The figures are the server's, of all that ever was in the range. */
  told: boolean;
  /** What is stored is still being counted. */
  counting: boolean;
}

const MINUTE_MS = 60_000;

export interface UsageWanted {
  from: number;
  to: number;
  bins: number;
  group: SpendGroup;
  /** Only this one's tools: for these the server keeps no sums. */
  session: string;
}

/** What of the worker's engine is asked. */
export type Source = Pick<Engine, 'requests' | 'store' | 'sums'> & { readonly sessions: ReadonlyMap<string, Session> };

export async function reportUsage(engine: Source, api: Pick<ViewApi, 'overTime'>, wanted: UsageWanted): Promise<UsageReport> {
  const { from, to, bins, group, session } = wanted;
  const spend = reportSpend(engine.requests, from, to, bins, group, (id) => engine.sessions.get(id)?.project ?? '');
  const kept = reportTools(engine.store, from, to, session);
  const here: UsageReport = { spend, events: undefined, errors: undefined, tools: kept, told: false, counting: false };
  const minutes = Math.ceil((to - from) / bins / MINUTE_MS);
  if ((to - from) / bins < MINUTE_MS || !engine.sums) return here;
  const ask = (by: string): Promise<OverTime | undefined> => api.overTime({ from, to, step: `${minutes}m`, group: by });
  const [told, sessions, tools] = await Promise.all([ask(group), ask('session'), session === '' ? ask('tool') : undefined]);
  if (!told || !sessions) {
    engine.sums = false;
    return here;
  }
  const pick = (source: readonly Bin[], value: (bin: Bin) => number): number[] => binned(source, told, bins, value);
  return {
    spend: spendOf(told, sessions, spend, bins, group),
    events: pick(told.bins, (bin) => bin.events),
    errors: pick(told.bins, (bin) => bin.errors),
    tools: tools ? tools.series.filter(({ name }) => name !== 'other').map((one) => toolOf(one, kept.find(({ tool }) => tool === one.name), tools, bins)) : kept,
    told: true,
    counting: !told.complete,
  };
}

function binned(source: readonly Bin[], { from, stepMs }: OverTime, bins: number, value: (bin: Bin) => number): number[] {
  const values = new Array<number>(bins).fill(0);
  for (const bin of source) {
    const at = Math.max(0, Math.min(bins - 1, Math.floor((bin.time - from) / stepMs)));
    values[at] = (values[at] ?? 0) + value(bin);
  }
  return values;
}

/** Of contexts the server keeps no sums: those stay this tab's. */
function spendOf(told: OverTime, sessions: OverTime, here: SpendReport, bins: number, group: SpendGroup): SpendReport {
  const pick = (value: (bin: Bin) => number): number[] => binned(told.bins, told, bins, value);
  const priced = told.series.filter(({ total }) => (total.costUsd ?? 0) > 0);
  return {
    from: told.from,
    to: told.from + told.stepMs * bins,
    costs: fewest(priced.map(({ name, total, bins: source }) => ({ name: group === 'model' ? shortModel(name) : name, total: total.costUsd ?? 0, bins: binned(source, told, bins, (bin) => bin.costUsd ?? 0) })).sort((a, b) => b.total - a.total), bins),
    tokens: { cacheRead: pick((bin) => bin.cacheRead), cacheCreation: pick((bin) => bin.cacheCreation), input: pick((bin) => bin.input), output: pick((bin) => bin.output) },
    contexts: here.contexts,
    top: sessions.series.filter(({ name, total }) => name !== 'other' && (total.costUsd ?? 0) > 0).map(({ name, total }) => {
      const known = here.top.find(({ sessionId }) => sessionId === name);
      return { sessionId: name, costUsd: total.costUsd ?? 0, agent: known?.agent ?? '', agentUsd: known?.agentUsd ?? 0 };
    }).sort((a, b) => b.costUsd - a.costUsd),
    requests: told.total.requests,
    unpriced: told.total.unpriced,
    unpricedModels: group === 'model' ? told.series.filter(({ total }) => total.unpriced > 0).map(({ name }) => shortModel(name)) : here.unpricedModels,
    estimatedUsd: told.total.estimatedUsd,
  };
}

/** What runs, and what failures say, is known of this tab's events alone. */
function toolOf({ name, total, bins: source }: OverTime['series'][number], kept: ToolReport | undefined, told: OverTime, bins: number): ToolReport {
  return {
    tool: name, tone: toneOf(name), calls: total.calls, failed: total.failed, open: kept?.open ?? 0, p50: total.p50, p95: total.p95, totalMs: total.totalMs, spark: binned(source, told, bins, (bin) => bin.calls), failure: kept?.failure,
  };
}
