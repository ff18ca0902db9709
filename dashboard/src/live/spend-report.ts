// Cost, tokens and context over time, for the view Usage: from the requests that clients reported.
import { contextOf, type Requests } from './requests';
import { shortModel, windowOf } from './windows';

export type SpendGroup = 'model' | 'agent' | 'project';

export interface SpendSeries {
  name: string;
  total: number;
  bins: number[];
}

export interface ContextLine {
  sessionId: string;
  /** Part of the assumed window by bin; undefined where no request was. */
  parts: (number | undefined)[];
}

export interface SpendReport {
  from: number;
  to: number;
  /** Dearest first; what is beyond the first few is one series, `other`. */
  costs: SpendSeries[];
  tokens: { cacheRead: number[]; cacheCreation: number[]; input: number[]; output: number[] };
  contexts: ContextLine[];
  /** Dearest first, with the agent that took most. */
  top: { sessionId: string; costUsd: number; agent: string; agentUsd: number }[];
  requests: number;
  /** Requests whose model had no price. */
  unpriced: number;
  unpricedModels: string[];
  /** The part of the cost that nobody reported. */
  estimatedUsd: number;
}

const SERIES_MAX = 4;
const CONTEXTS_MAX = 12;

export function reportSpend(requests: Requests, from: number, to: number, bins: number, group: SpendGroup, projectOf: (sessionId: string) => string): SpendReport {
  const empty = (): number[] => new Array<number>(bins).fill(0);
  const tokens = { cacheRead: empty(), cacheCreation: empty(), input: empty(), output: empty() };
  const series = new Map<string, SpendSeries>();
  const sessions = new Map<string, { costUsd: number; agents: Map<string, number> }>();
  const contexts = new Map<string, ContextLine>();
  const unpriced = new Set<string>();
  const report: SpendReport = { from, to, costs: [], tokens, contexts: [], top: [], requests: 0, unpriced: 0, unpricedModels: [], estimatedUsd: 0 };
  for (let index = requests.lowerBound(from); index < requests.list.length; index += 1) {
    const request = requests.list[index];
    if (!request || request.time > to) break;
    const bin = Math.min(bins - 1, Math.max(0, Math.floor(((request.time - from) / Math.max(1, to - from)) * bins)));
    const agent = request.main ? 'main' : request.agent || 'subagent';
    report.requests += 1;
    for (const kind of ['cacheRead', 'cacheCreation', 'input', 'output'] as const) tokens[kind][bin] = (tokens[kind][bin] ?? 0) + request[kind];
    if (request.main) {
      const line = contexts.get(request.sessionId) ?? { sessionId: request.sessionId, parts: new Array<number | undefined>(bins).fill(undefined) };
      contexts.set(request.sessionId, line);
      const sent = contextOf(request);
      line.parts[bin] = sent / windowOf(request.model, sent);
    }
    if (request.costUsd === undefined) {
      report.unpriced += 1;
      unpriced.add(shortModel(request.model));
      continue;
    }
    const name = group === 'model' ? shortModel(request.model) : group === 'agent' ? agent : projectOf(request.sessionId) || 'unknown';
    const one = series.get(name) ?? { name, total: 0, bins: empty() };
    series.set(name, one);
    if (request.estimated) report.estimatedUsd += request.costUsd;
    one.total += request.costUsd;
    one.bins[bin] = (one.bins[bin] ?? 0) + request.costUsd;
    const session = sessions.get(request.sessionId) ?? { costUsd: 0, agents: new Map<string, number>() };
    sessions.set(request.sessionId, session);
    session.costUsd += request.costUsd;
    session.agents.set(agent, (session.agents.get(agent) ?? 0) + request.costUsd);
  }
  report.costs = fewest([...series.values()].sort((a, b) => b.total - a.total), bins);
  report.contexts = [...contexts.values()].slice(-CONTEXTS_MAX);
  report.top = [...sessions].map(([sessionId, { costUsd, agents }]) => {
    const [agent, agentUsd] = [...agents].sort((a, b) => b[1] - a[1])[0] ?? ['', 0];
    return { sessionId, costUsd, agent, agentUsd };
  }).sort((a, b) => b.costUsd - a.costUsd);
  report.unpricedModels = [...unpriced];
  return report;
}

export function fewest(series: SpendSeries[], bins: number): SpendSeries[] {
  if (series.length <= SERIES_MAX) return series;
  const rest = series.slice(SERIES_MAX - 1);
  const other: SpendSeries = { name: 'other', total: rest.reduce((sum, { total }) => sum + total, 0), bins: Array.from({ length: bins }, (_, bin) => rest.reduce((sum, one) => sum + (one.bins[bin] ?? 0), 0)) };
  return [...series.slice(0, SERIES_MAX - 1), other];
}
