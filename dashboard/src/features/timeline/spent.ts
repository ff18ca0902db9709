// Where a session's time went: answers of models, calls by kind, and waiting for a person. What ran at once counts each.
import type { SessionReport } from '../../live/session-report';
import type { Tone } from '../../live/rows';

export type Spent = Tone | 'model' | 'wait';

export const SPENT_ORDER: readonly Spent[] = ['model', 'shell', 'edit', 'read', 'web', 'plain', 'wait'];

/** Tools that only hold other calls: their time is counted there. */
const HOLDERS = new Set(['Agent', 'Task']);

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
