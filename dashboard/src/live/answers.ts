// Answers the page's questions that are not rows: one event in full; what only other views ask is answered by a part that comes when it is asked for.
import { decodeEvent, parseJson } from '../contract/decode';
import type { MonitorEvent } from '../contract/types';
import { ApiError } from './api';
import type { Engine } from './engine';
import type { Answers, Ask, Detail } from './protocol';
import { rowOfEvent } from './history';
import { Flag } from './ring';
import { detailOf, rowOf, type EventRow } from './rows';

const RELATED_MAX = 12;
/** How far back related rows are looked for. */
const RELATED_SCAN = 60_000;
/** Calls of one tool in one session that may lie between a call's two halves. */
const OTHER_HALF_SCAN = 400;

export async function answer(engine: Engine, ask: Ask): Promise<Answers[keyof Answers]> {
  switch (ask.what) {
    case 'detail':
      return detail(engine, ask.seq);
    case 'json':
      return engine.store.raw.get(ask.seq) ?? (await engine.api.eventText(ask.seq));
    case 'content':
      return engine.api.content(ask.seq);
    case 'step':
      return step(engine, ask.seq, ask.by);
    default:
      // The first screen asks for none of these.
      return (await import('./view-answers')).answerView(engine, ask);
  }
}

function step(engine: Engine, seq: number, by: number): number {
  const list = engine.list();
  const from = seq === 0 ? list.length : list.indexOf(seq);
  const direction = Math.sign(by) || 1;
  for (let index = from + by; index >= 0 && index < list.length; index += direction) {
    const found = list.seqAt(index);
    if (found > 0) return found;
  }
  return 0;
}

async function eventOf(engine: Engine, seq: number): Promise<MonitorEvent> {
  const raw = engine.store.raw.get(seq);
  const kept = raw === undefined ? undefined : decodeEvent(parseJson(raw));
  return kept ?? engine.history?.events.get(seq) ?? engine.api.event(seq);
}

async function detail(engine: Engine, seq: number): Promise<Detail | undefined> {
  const { store } = engine;
  const { ring } = store;
  const event = await eventOf(engine, seq);
  if (engine.isDeleted(event)) throw new ApiError(410, 'The session was deleted');
  if (!ring.has(seq)) return detailBeyond(engine, event);
  const row = rowOf(store, seq, engine.query.filter.raw) ?? rowOfEvent(event);
  const peer = ring.peers[ring.slot(seq)] ?? 0;
  const other = peer > 0 ? await eventOf(engine, peer).catch(() => undefined) : undefined;
  const ended = peer > 0 && peer < seq;
  const { same, around } = related(engine, seq);
  return ended && other ? { row, event: other, end: event, same, around } : { row, event, end: other, same, around };
}

/** An event that is not in memory, or not yet: the other half of its call is asked for. */
async function detailBeyond(engine: Engine, event: MonitorEvent): Promise<Detail> {
  const isHalf = event.toolUseId !== '' && event.kind.startsWith('tool_call.') && event.kind !== 'tool_call.decided';
  const started = event.kind === 'tool_call.started';
  const place = started ? { after: event.seq } : { before: event.seq };
  const page = isHalf ? await engine.api.events({ session: event.sessionId, tool: event.toolName, limit: OTHER_HALF_SCAN, ...place }).catch(() => undefined) : undefined;
  const other = page?.events.find((candidate) => candidate.toolUseId === event.toolUseId && (candidate.kind === 'tool_call.started') !== started && candidate.kind.startsWith('tool_call.'));
  const [first, end] = started ? [event, other] : other ? [other, event] : [event, undefined];
  const row = rowOfEvent(first);
  return { row: end ? { ...row, ...detailOf(row.detail, end.summary), tookMs: end.durationMs ?? end.time - first.time, state: rowOfEvent(end).state } : row, event: first, end, same: [], around: [] };
}

/** Runs of the same call in the session, newest first; and the agent's rows before and after. */
function related(engine: Engine, seq: number): { same: EventRow[]; around: EventRow[] } {
  const { store } = engine;
  const { ring } = store;
  const slot = ring.slot(seq);
  const summary = store.shown.get(seq);
  const same: EventRow[] = [];
  const before: EventRow[] = [];
  const after: EventRow[] = [];
  const take = (rows: EventRow[], at: number): void => {
    const row = rowOf(store, at, false);
    if (row) rows.push(row);
  };
  const isRow = (at: number): boolean => {
    const place = ring.slot(at);
    return ring.has(at) && ring.sessions[place] === ring.sessions[slot] && ring.agents[place] === ring.agents[slot] && ((ring.flags[place] ?? 0) & (Flag.merged | Flag.follows)) === 0;
  };
  for (let at = ring.high; at >= Math.max(ring.floor, ring.high - RELATED_SCAN) && same.length < RELATED_MAX; at -= 1) {
    if (!ring.has(at)) continue;
    const place = ring.slot(at);
    if (ring.sessions[place] === ring.sessions[slot] && ring.tools[place] === ring.tools[slot] && ring.events[place] === ring.events[slot] && summary !== '' && store.shown.get(at) === summary) take(same, at);
  }
  for (let at = seq - 1; at >= Math.max(ring.floor, seq - RELATED_SCAN) && before.length < 6; at -= 1) if (isRow(at)) take(before, at);
  for (let at = seq + 1; at <= Math.min(ring.high, seq + RELATED_SCAN) && after.length < 6; at += 1) if (isRow(at)) take(after, at);
  return { same: same.length > 1 ? same : [], around: [...before.reverse(), ...after] };
}
