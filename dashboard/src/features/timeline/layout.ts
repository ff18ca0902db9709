// Places calls in lanes: one lane an agent, overlapping calls below each other, long silences shortened.
import type { AgentLife, Span } from '../../live/session-report';

export interface Lane {
  key: string;
  name: string;
  agentId: string;
  /** By the time they began. */
  spans: Span[];
  /** Row of each span within the lane. */
  rows: number[];
  rowCount: number;
  failed: number;
  busyMs: number;
}

const ROWS_MAX = 4;

export function lanesOf(spans: readonly Span[], now: number): Lane[] {
  const lanes = new Map<string, Lane>();
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    const key = `${span.lane} ${span.agentId}`;
    const lane = lanes.get(key) ?? { key, name: span.lane, agentId: span.agentId, spans: [], rows: [], rowCount: 1, failed: 0, busyMs: 0 };
    lanes.set(key, lane);
    lane.spans.push(span);
    if (span.error) lane.failed += 1;
    lane.busyMs += (span.end || now) - span.start;
  }
  for (const lane of lanes.values()) pack(lane, now);
  return [...lanes.values()].sort((a, b) => Number(b.agentId === '') - Number(a.agentId === ''));
}

/** The first row that is free when a call begins; the last row when none is. */
function pack(lane: Lane, now: number): void {
  const freeAt: number[] = [];
  lane.rows = lane.spans.map((span) => {
    const free = freeAt.findIndex((at) => at <= span.start);
    const row = free !== -1 ? free : freeAt.length < ROWS_MAX ? freeAt.length : ROWS_MAX - 1;
    freeAt[row] = Math.max(freeAt[row] ?? 0, span.end || now);
    return row;
  });
  lane.rowCount = Math.max(1, freeAt.length);
}

/** The chain of calls without which the end would have come earlier: from the end back, always the call that ended last. */
export function criticalPath(lanes: readonly Lane[], agents: readonly AgentLife[], from: number, now: number): Set<number> {
  const path = new Set<number>();
  const children = new Map(agents.filter(({ askedBy }) => askedBy > 0).map(({ askedBy, agentId }) => [askedBy, agentId]));
  const main = lanes.find(({ agentId }) => agentId === '');
  const walk = (lane: Lane | undefined, until: number, depth: number): void => {
    const spans = [...(lane?.spans ?? [])].filter((span) => span.start >= from).sort((a, b) => (b.end || now) - (a.end || now));
    let cursor = until;
    for (const span of spans) {
      const end = span.end || now;
      if (end > cursor || path.has(span.seq)) continue;
      path.add(span.seq);
      const child = children.get(span.seq);
      if (child !== undefined && depth < 5) walk(lanes.find(({ agentId }) => agentId === child), end, depth + 1);
      cursor = span.start;
    }
  };
  walk(main, now, 0);
  return path;
}

/** Time on the screen's axis: silences longer than `idleMs` take only `shownMs`. */
export class TimeAxis {
  readonly #breaks: { from: number; to: number; saved: number }[] = [];

  constructor(spans: readonly Span[], marks: readonly { time: number }[], now: number, idleMs: number, shownMs: number) {
    const busy = [...spans.map((span) => ({ from: span.start, to: span.end || now })), ...marks.map(({ time }) => ({ from: time, to: time }))].sort((a, b) => a.from - b.from);
    let end = busy[0]?.to ?? now;
    let saved = 0;
    for (const { from, to } of [...busy, { from: now, to: now }]) {
      if (from - end > idleMs) {
        saved += from - end - shownMs;
        this.#breaks.push({ from: end, to: from, saved });
      }
      end = Math.max(end, to);
    }
  }

  get breaks(): readonly { from: number; to: number }[] {
    return this.#breaks;
  }

  /** Wall time to axis time. */
  shown(time: number): number {
    let saved = 0;
    for (const gap of this.#breaks) {
      if (time >= gap.to) saved = gap.saved;
      else {
        if (time > gap.from) return gap.from - saved + ((time - gap.from) / (gap.to - gap.from)) * (gap.to - gap.from - (gap.saved - saved));
        break;
      }
    }
    return time - saved;
  }

  /** Axis time to wall time. */
  wall(shown: number): number {
    let saved = 0;
    for (const gap of this.#breaks) {
      const start = gap.from - saved;
      const length = gap.to - gap.from - (gap.saved - saved);
      if (shown < start) break;
      if (shown < start + length) return gap.from + ((shown - start) / length) * (gap.to - gap.from);
      saved = gap.saved;
    }
    return shown + saved;
  }
}
