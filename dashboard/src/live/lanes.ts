// Calls as columns, one lane an agent: laid out in the worker, so that a session of any length costs the page nothing but its drawing.
import { grouped } from './grouped';
import type { AgentLife, Span } from './session-report';
import type { Tone } from './rows';

export interface Lane {
  key: string;
  name: string;
  agentId: string;
  count: number;
  failed: number;
  busyMs: number;
  /** Of each call, by the time they began. */
  seqs: Float64Array;
  starts: Float64Array;
  /** Infinity while a call runs. */
  ends: Float64Array;
  /** Row within the lane: calls that overlap are below each other. */
  rows: Uint8Array;
  rowCount: number;
  /** Index into the palette. */
  colors: Uint8Array;
  tones: Uint8Array;
  /** Index into `names`. */
  tools: Uint16Array;
  names: readonly string[];
  /** Places of the labels, one after the other in one text. */
  labelAt: Uint32Array;
  labels: string;
  /** Which calls run. */
  open: readonly number[];
}

/** What a call is painted in: failed, asking, or its tool's kind. */
export const PALETTE = ['--fail', '--need-edge', '--t-shell', '--t-edit', '--t-read', '--t-web', '--t-task'] as const;
const TONES: readonly Tone[] = ['shell', 'edit', 'read', 'web', 'plain'];
const FAILED = 0;
const ASKS = 1;
const FIRST_TONE = 2;
const ROWS_MAX = 4;
/** Tools that only hold other calls: their time is counted there. */
export const HOLDERS: ReadonlySet<string> = new Set(['Agent', 'Task']);

export function lanesOf(spans: readonly Span[], now: number): Lane[] {
  const groups = grouped([...spans].sort((a, b) => a.start - b.start), ({ lane, agentId }) => `${lane} ${agentId}`);
  const names = new Names();
  const lanes = [...groups].map(([key, group]) => laneOf(key, group, names, now));
  return lanes.sort((a, b) => Number(b.agentId === '') - Number(a.agentId === ''));
}

function laneOf(key: string, spans: readonly Span[], names: Names, now: number): Lane {
  const { length } = spans;
  const [first] = spans;
  const lane: Lane = {
    key, name: first?.lane ?? '', agentId: first?.agentId ?? '', count: length, failed: 0, busyMs: 0, seqs: new Float64Array(length), starts: new Float64Array(length), ends: new Float64Array(length),
    rows: new Uint8Array(length), rowCount: 1, colors: new Uint8Array(length), tones: new Uint8Array(length), tools: new Uint16Array(length), names: names.list, labelAt: new Uint32Array(length + 1), labels: spans.map(({ label }) => label).join(''), open: [],
  };
  const open: number[] = [];
  const freeAt: number[] = [];
  let at = 0;
  spans.forEach((span, index) => {
    const end = span.end || now;
    lane.seqs[index] = span.seq;
    lane.starts[index] = span.start;
    lane.ends[index] = span.end || Infinity;
    lane.tones[index] = TONES.indexOf(span.tone);
    lane.colors[index] = span.error ? FAILED : span.asks ? ASKS : FIRST_TONE + TONES.indexOf(span.tone);
    lane.tools[index] = names.numberOf(span.what);
    at += span.label.length;
    lane.labelAt[index + 1] = at;
    if (span.end === 0) open.push(index);
    if (span.error) lane.failed += 1;
    lane.busyMs += end - span.start;
    // The first row that is free when a call begins; the last row when none is.
    const free = freeAt.findIndex((time) => time <= span.start);
    const row = free !== -1 ? free : freeAt.length < ROWS_MAX ? freeAt.length : ROWS_MAX - 1;
    freeAt[row] = Math.max(freeAt[row] ?? 0, end);
    lane.rows[index] = row;
  });
  lane.rowCount = Math.max(1, freeAt.length);
  lane.open = open;
  return lane;
}

/** Names of tools, each with its number. */
class Names {
  readonly list: string[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    this.#numbers.set(name, this.list.length);
    return this.list.push(name) - 1;
  }
}

/** One call of a lane. */
export function spanAt(lane: Lane, index: number): Span | undefined {
  if (index < 0 || index >= lane.count) return undefined;
  const end = lane.ends[index] ?? 0;
  const color = lane.colors[index];
  return {
    seq: lane.seqs[index] ?? 0, start: lane.starts[index] ?? 0, end: end === Infinity ? 0 : end, lane: lane.name, agentId: lane.agentId, what: lane.names[lane.tools[index] ?? 0] ?? '',
    tone: TONES[lane.tones[index] ?? 0] ?? 'plain', error: color === FAILED, asks: color === ASKS, label: lane.labels.slice(lane.labelAt[index], lane.labelAt[index + 1]),
  };
}

/** The call that ended last (or runs) among those that had begun at a time, and had not ended. */
export function lastRunning(lane: Lane, begunBy: number, notEndedBefore: number): number {
  let [low, high] = [0, lane.count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lane.starts[middle] ?? 0) <= begunBy) low = middle + 1;
    else high = middle;
  }
  for (let index = low - 1; index >= 0; index -= 1) if ((lane.ends[index] ?? 0) >= notEndedBefore) return index;
  return -1;
}

/** The call after or before another one, in the order in which they began; from the first or the last when there is none. */
export function neighbour(lanes: readonly Lane[], seq: number, by: 1 | -1): Span | undefined {
  const from = lanes.map((lane) => ({ lane, index: lane.seqs.indexOf(seq) })).find(({ index }) => index >= 0);
  const at = from ? (from.lane.starts[from.index] ?? 0) : by > 0 ? -Infinity : Infinity;
  let best: { lane: Lane; index: number } | undefined;
  const order = (lane: Lane, index: number): [number, number] => [lane.starts[index] ?? 0, lane.seqs[index] ?? 0];
  for (const lane of lanes) {
    for (let index = 0; index < lane.count; index += 1) {
      const [start, own] = order(lane, index);
      const beyond = by > 0 ? start > at || (start === at && own > seq) : start < at || (start === at && own < seq);
      if (!beyond) continue;
      const [bestStart, bestSeq] = best ? order(best.lane, best.index) : [by * Infinity, 0];
      const nearer = by > 0 ? start < bestStart || (start === bestStart && own < bestSeq) : start > bestStart || (start === bestStart && own > bestSeq);
      if (nearer) best = { lane, index };
    }
  }
  return best && spanAt(best.lane, best.index);
}

/** Which call asked for which agent: the key of its lane and its place there, and the key of the agent's lane. */
export interface Delegation {
  life: AgentLife;
  parent: string;
  index: number;
  child: string;
}

export function delegationsOf(lanes: readonly Lane[], agents: readonly AgentLife[]): Delegation[] {
  const lives = new Map(agents.filter(({ askedBy }) => askedBy > 0).map((life) => [life.askedBy, life]));
  const children = new Map(lanes.map((lane) => [lane.agentId, lane.key]));
  const found: Delegation[] = [];
  for (const lane of lanes) {
    for (let index = 0; index < lane.count && lives.size > 0; index += 1) {
      const life = lives.get(lane.seqs[index] ?? 0);
      const child = life && children.get(life.agentId);
      if (life && child !== undefined) found.push({ life, parent: lane.key, index, child });
    }
  }
  return found;
}

/** Numbers of failed calls, in their order. */
export function failures(lanes: readonly Lane[]): number[] {
  const seqs: number[] = [];
  for (const lane of lanes) if (lane.failed > 0) lane.colors.forEach((color, index) => { if (color === FAILED) seqs.push(lane.seqs[index] ?? 0); });
  return seqs.sort((a, b) => a - b);
}

/** The chain of calls without which the end would have come earlier: from the end back, always the call that ended last. */
export function criticalPath(lanes: readonly Lane[], agents: readonly AgentLife[], from: number, now: number): Set<number> {
  const path = new Set<number>();
  const children = new Map(agents.filter(({ askedBy }) => askedBy > 0).map(({ askedBy, agentId }) => [askedBy, agentId]));
  const walk = (lane: Lane | undefined, until: number, depth: number): void => {
    if (!lane) return;
    const end = (index: number): number => Math.min(now, lane.ends[index] ?? 0);
    const order = Uint32Array.from({ length: lane.count }, (_, index) => index).filter((index) => (lane.starts[index] ?? 0) >= from).sort((a, b) => end(b) - end(a));
    let cursor = until;
    for (const index of order) {
      const seq = lane.seqs[index] ?? 0;
      if (end(index) > cursor || path.has(seq)) continue;
      path.add(seq);
      const child = children.get(seq);
      if (child !== undefined && depth < 5) walk(lanes.find(({ agentId }) => agentId === child), end(index), depth + 1);
      cursor = lane.starts[index] ?? 0;
    }
  };
  walk(lanes.find(({ agentId }) => agentId === ''), now, 0);
  return path;
}
