// A session as it was told by hooks: prompts, calls in runs by agent, what ended turns, and the outline of it.
import type { Mark, SessionReport, Span } from '../../live/session-report';

export type Entry =
  | { type: 'prompt'; seq: number; time: number; text: string; number: number }
  | { type: 'said'; seq: number; time: number; text: string; agent: string; failed: boolean }
  | { type: 'note'; seq: number; time: number; text: string }
  | { type: 'run'; seq: number; time: number; agent: string; agentId: string; task: string; spans: Span[]; hidden: number };

export interface OutlineItem {
  seq: number;
  time: number;
  text: string;
  tone: 'you' | 'agent' | 'fail' | 'need' | 'note';
}

/** Quiet calls in a row beyond these are folded; failures, waits and the last ones never. */
const SHOWN_HEAD = 3;
const SHOWN_TAIL = 3;
const OPEN_LAST_MS = 60_000;

export function transcriptOf(report: SessionReport, now: number, unfolded: ReadonlySet<number>): Entry[] {
  const happened = [
    ...report.spans.map((span) => ({ time: span.start, span, mark: undefined })),
    ...report.marks.map((mark) => ({ time: mark.time, span: undefined, mark })),
  ].sort((a, b) => a.time - b.time || (a.mark ? -1 : 1));
  const entries: Entry[] = [];
  /** The run each agent is in; other agents work beside it. */
  const runs = new Map<string, Extract<Entry, { type: 'run' }>>();
  const lives = new Map(report.agents.map((life) => [life.agentId, life]));
  let prompts = 0;
  for (const { span, mark } of happened) {
    if (span) {
      const run = runs.get(span.agentId);
      if (run) run.spans.push(span);
      else {
        const life = lives.get(span.agentId);
        const made: Entry = { type: 'run', seq: span.seq, time: span.start, agent: span.lane, agentId: span.agentId, task: life?.task ?? '', spans: [span], hidden: 0 };
        runs.set(span.agentId, made);
        entries.push(made);
      }
      continue;
    }
    if (!mark) continue;
    const entry = entryOf(mark, prompts + 1);
    if (!entry) continue;
    if (entry.type === 'prompt') prompts += 1;
    // A prompt or the end of a turn closes what the main thread did; agents in the background go on.
    if (entry.type === 'prompt' || mark.kind.startsWith('turn.')) runs.delete('');
    entries.push(entry);
  }
  for (const entry of entries) if (entry.type === 'run' && !unfolded.has(entry.seq)) fold(entry, now);
  return entries;
}

function entryOf(mark: Mark, number: number): Entry | undefined {
  const { seq, time, label } = mark;
  switch (mark.kind) {
    case 'prompt.submitted':
      return { type: 'prompt', seq, time, text: label, number };
    case 'turn.finished':
    case 'turn.failed':
      return label === '' ? undefined : { type: 'said', seq, time, text: label, agent: 'main', failed: mark.kind === 'turn.failed' };
    case 'turn.interrupted':
      return { type: 'note', seq, time, text: label || 'Interrupted' };
    case 'agent.commanded':
      return { type: 'note', seq, time, text: `Told from a monitor: ${label}` };
    case 'compaction.finished':
      return { type: 'note', seq, time, text: 'Context compacted' };
    case 'session.started':
    case 'session.ended':
      return { type: 'note', seq, time, text: `Session ${mark.kind === 'session.started' ? 'started' : 'ended'}${label === '' ? '' : `: ${label}`}` };
    default:
      return undefined;
  }
}

function fold(run: Extract<Entry, { type: 'run' }>, now: number): void {
  const kept = run.spans.filter((span, index) => index < SHOWN_HEAD || index >= run.spans.length - SHOWN_TAIL || span.error || span.end === 0 || span.asks || now - span.start < OPEN_LAST_MS);
  if (run.spans.length - kept.length < 2) return;
  run.hidden = run.spans.length - kept.length;
  run.spans = kept;
}

export function outlineOf(report: SessionReport): OutlineItem[] {
  const items: OutlineItem[] = [
    ...report.marks.filter(({ kind }) => kind === 'prompt.submitted').map(({ seq, time, label }) => ({ seq, time, text: label, tone: 'you' as const })),
    ...report.marks.filter(({ kind }) => kind === 'compaction.finished').map(({ seq, time }) => ({ seq, time, text: 'Compacted', tone: 'note' as const })),
    ...report.marks.filter(({ kind }) => kind === 'turn.failed').map(({ seq, time, label }) => ({ seq, time, text: label, tone: 'fail' as const })),
    ...report.agents.map((life) => ({ seq: life.askedBy || life.seq, time: life.startedAt, text: `${life.agentType}: ${life.task}`, tone: 'agent' as const })),
    ...report.spans.filter((span) => span.error).map(({ seq, start, what, label }) => ({ seq, time: start, text: `${what} ${label}`, tone: 'fail' as const })),
    ...report.waits.filter((wait) => wait.to === 0).map(({ seq, from, label }) => ({ seq, time: from, text: `Asks: ${label}`, tone: 'need' as const })),
  ];
  return items.sort((a, b) => a.time - b.time);
}
