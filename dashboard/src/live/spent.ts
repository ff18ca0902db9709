// Where a session's time went: answers of models, calls by kind, and waiting for a person. What ran at once counts each.
import { HOLDERS } from './lanes';
import type { Tone } from './rows';
import type { SessionReport } from './session-report';

export type Spent = Tone | 'model' | 'wait';

export const SPENT_ORDER: readonly Spent[] = ['model', 'shell', 'edit', 'read', 'web', 'plain', 'wait'];

export function spentOf(report: Pick<SessionReport, 'spans' | 'waits' | 'requests'>, now: number): { kind: Spent; ms: number }[] {
  const sums = new Map<Spent, number>();
  const add = (kind: Spent, ms: number): void => void sums.set(kind, (sums.get(kind) ?? 0) + ms);
  for (const { durationMs } of report.requests) add('model', durationMs);
  for (const span of report.spans) if (!HOLDERS.has(span.what)) add(span.asks ? 'wait' : span.tone, (span.end || now) - span.start);
  for (const wait of report.waits) {
    const ms = (wait.to || now) - wait.from;
    add('wait', ms);
    // A call begins before its permission is asked for; that part of it was not work.
    const held = report.spans.findLast((span) => span.agentId === wait.agentId && !span.asks && !HOLDERS.has(span.what) && span.start <= wait.from + 50 && (span.end || now) >= wait.from);
    if (held) add(held.tone, -Math.min(ms, (held.end || now) - Math.max(held.start, wait.from)));
  }
  return SPENT_ORDER.flatMap((kind) => {
    const ms = sums.get(kind) ?? 0;
    return ms > 0 ? [{ kind, ms }] : [];
  });
}

/** What grows between two events does so evenly: `perMs` is by how much each kind does. */
export interface Spending {
  at: number;
  parts: { kind: Spent; ms: number; perMs: number }[];
}

export function spendingOf(report: Pick<SessionReport, 'spans' | 'waits' | 'requests'>, now: number): Spending {
  const STEP_MS = 1000;
  const before = new Map(spentOf(report, now).map(({ kind, ms }) => [kind, ms]));
  return { at: now, parts: spentOf(report, now + STEP_MS).map(({ kind, ms }) => ({ kind, ms: before.get(kind) ?? 0, perMs: (ms - (before.get(kind) ?? 0)) / STEP_MS })) };
}

export function spentAt({ at, parts }: Spending, now: number): { kind: Spent; ms: number }[] {
  return parts.map(({ kind, ms, perMs }) => ({ kind, ms: ms + perMs * Math.max(0, now - at) })).filter(({ ms }) => ms > 0);
}
