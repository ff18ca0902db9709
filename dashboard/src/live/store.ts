// The kept events of one data folder: columns, texts, raw JSON, and the joining of a call's two events to one row.
import { isJsonObject } from '../contract/decode';
import type { MonitorEvent, Session } from '../contract/types';
import { FOLLOWING_KINDS, NOTE_KINDS } from './filter-language';
import { Interner } from './interner';
import { RawRing } from './raw-ring';
import { Flag, Ring } from './ring';
import { searchWords } from './search-words';
import { TextChunks } from './text-chunks';
import { PART, searchLine } from './tokens';
import { ToolTimes } from './tool-times';

const AGENT_SEPARATOR = '\u0001';
/** Calls that never end would fill the map of open calls; the oldest go first. */
const OPEN_CALLS_MAX = 20_000;
const ERROR_KINDS = new Set(['turn.failed', 'system.error', 'hook.unreadable']);
const ERROR_LEVELS: readonly unknown[] = ['ERROR', 'CRITICAL'];

export interface Inserted {
  seq: number;
  /** Rows that changed because of it: the first event of the call that it ends or follows from, and what has found its call now. */
  changed: readonly number[];
}

const NOTHING: readonly number[] = [];

export class EventStore {
  readonly ring: Ring;
  readonly shown: TextChunks;
  readonly #search: TextChunks;
  readonly raw: RawRing;
  readonly namespaces = new Interner(256);
  /** Names are "kind event". */
  readonly events = new Interner(65_536);
  readonly sessions = new Interner(65_536);
  readonly #agents = new Interner(65_536);
  readonly folders = new Interner(65_536);
  readonly tools = new Interner(65_536);
  readonly toolTimes = new ToolTimes();
  readonly #projects: string[] = [];
  /** Open calls by tool use id. */
  readonly #open = new Map<string, { seq: number; session: number }>();
  /** Ends that came before their start (pages are loaded backwards). */
  readonly #ends = new Map<string, number>();
  /** First events of calls by tool use id, and what follows from calls that are not here (yet). */
  readonly #calls = new Map<string, number>();
  readonly #orphans = new Map<string, number[]>();
  readonly #needs = new Set<number>();
  /** Called for every slot before it is given to another event. */
  onEvict: (slot: number) => void = () => undefined;

  constructor(capacity: number, rawBytes?: number) {
    this.ring = new Ring(capacity);
    this.shown = new TextChunks(capacity);
    this.#search = new TextChunks(capacity);
    this.raw = new RawRing(capacity, rawBytes);
  }

  insert(event: MonitorEvent): Inserted | undefined {
    const { ring } = this;
    if (!ring.accepts(event.seq)) return undefined;
    const slot = ring.slot(event.seq);
    if ((ring.seqs[slot] ?? 0) !== 0) this.onEvict(slot);
    const session = this.sessions.id(event.sessionId);
    if (event.cwd !== '' && !this.#projects[session]) this.#projects[session] = baseName(event.cwd);
    const tool = this.tools.id(event.toolName);
    ring.put({
      seq: event.seq,
      time: event.time,
      namespace: this.namespaces.id(event.namespace),
      event: this.events.id(`${event.kind} ${event.event}`),
      session,
      agent: this.#agents.id(`${event.agentType}${AGENT_SEPARATOR}${event.agentId}`),
      tool,
      folder: this.folders.id(event.cwd),
      durationMs: event.durationMs,
      flags: flagsOf(event),
    });
    this.shown.set(event.seq, event.summary);
    this.#search.set(event.seq, searchLine([event.summary, event.event, event.toolName, event.toolUseId, ...searchWords(event.data)]));
    const json = toJson(event);
    if (json !== '') this.raw.put(event.seq, json);
    return { seq: event.seq, changed: this.#join(event, slot, session) };
  }

  searchText(seq: number): string {
    return this.#search.get(seq);
  }

  searchChunk(number: number, needle: string, hit: (seq: number) => void): void {
    this.#search.search(number, needle, hit);
  }

  sealBelow(seq: number): void {
    this.#search.sealBelow(seq);
    this.shown.sealBelow(seq);
  }

  /** The number of "no agent named": a session's main thread, or no session at all. */
  get mainAgent(): number {
    return this.#agents.id(AGENT_SEPARATOR);
  }

  agentType(id: number): string {
    const [type = '', agentId = ''] = this.#agents.name(id).split(AGENT_SEPARATOR);
    return type || (agentId === '' ? 'main' : agentId);
  }

  /** As it was told: empty where no agent was named. */
  agentTypeOf(id: number): string {
    return this.#agents.name(id).split(AGENT_SEPARATOR)[0] ?? '';
  }

  get agentCount(): number {
    return this.#agents.size;
  }

  agentId(id: number): string {
    return this.#agents.name(id).split(AGENT_SEPARATOR)[1] ?? '';
  }

  kindOf(seq: number): string {
    return this.events.name(this.ring.events[this.ring.slot(seq)] ?? 0).split(' ')[0] ?? '';
  }

  /** Would two rows show the same, but for their time? Calls that run or wait are each their own. */
  sameRow(a: number, b: number): boolean {
    const { ring, shown } = this;
    const [one, other] = [ring.slot(a), ring.slot(b)];
    const flags = ring.flags[one] ?? 0;
    if (flags !== ring.flags[other] || (flags & Flag.open) !== 0 || this.#needs.has(a) || this.#needs.has(b)) return false;
    if (ring.sessions[one] !== ring.sessions[other] || ring.agents[one] !== ring.agents[other] || ring.events[one] !== ring.events[other] || ring.tools[one] !== ring.tools[other]) return false;
    if (shown.get(a) !== shown.get(b)) return false;
    const [end, otherEnd] = [ring.peers[one] ?? 0, ring.peers[other] ?? 0];
    return ring.has(end) === ring.has(otherEnd) && (!ring.has(end) || shown.get(end) === shown.get(otherEnd));
  }

  projectOf(session: number): string {
    return this.#projects[session] ?? '';
  }

  needs(seq: number): boolean {
    return this.#needs.has(seq);
  }

  /** Takes over what the server knows of sessions; returns the rows whose look may have changed. */
  applySessions(sessions: readonly Session[], all: readonly Session[]): number[] {
    const changed: number[] = [];
    for (const session of sessions) {
      const id = this.sessions.id(session.sessionId);
      this.#projects[id] = session.project;
      const open = new Set(session.openCalls.map((call) => call.toolUseId));
      for (const [toolUseId, call] of this.#open) {
        if (call.session !== id || call.seq > session.lastSeq || open.has(toolUseId)) continue;
        this.#open.delete(toolUseId);
        if (!this.ring.has(call.seq)) continue;
        const slot = this.ring.slot(call.seq);
        this.ring.flags[slot] = ((this.ring.flags[slot] ?? 0) & ~Flag.open) | Flag.endless;
        changed.push(call.seq);
      }
    }
    const needs = all.flatMap((session) => (session.state === 'need' && session.reason ? [session.reason.seq] : []));
    const before = [...this.#needs];
    this.#needs.clear();
    for (const seq of needs) this.#needs.add(seq);
    for (const seq of new Set([...before, ...needs])) if (before.includes(seq) !== needs.includes(seq)) changed.push(seq);
    return changed;
  }

  /** Joins the events of a call; returns the rows that look different now. */
  #join(event: MonitorEvent, slot: number, session: number): readonly number[] {
    const { ring } = this;
    if (event.toolUseId === '') return NOTHING;
    if (event.kind === 'tool_call.started') return this.#begin(event, slot, session);
    if (FOLLOWING_KINDS.has(event.kind)) return this.#follow(event, slot);
    if (event.kind !== 'tool_call.finished' && event.kind !== 'tool_call.failed') return NOTHING;
    if (event.durationMs !== undefined) this.toolTimes.add(this.tools.id(event.toolName), event.durationMs);
    const start = this.#open.get(event.toolUseId);
    if (start === undefined || !ring.has(start.seq)) {
      this.#ends.set(event.toolUseId, event.seq);
      if (this.#ends.size > OPEN_CALLS_MAX) deleteOldest(this.#ends);
      return NOTHING;
    }
    this.#open.delete(event.toolUseId);
    this.#marry(start.seq, ring.slot(start.seq), event.seq, slot);
    return [start.seq];
  }

  #begin(event: MonitorEvent, slot: number, session: number): readonly number[] {
    const { ring } = this;
    this.#calls.set(event.toolUseId, event.seq);
    if (this.#calls.size > OPEN_CALLS_MAX) deleteOldest(this.#calls);
    const changed: number[] = [];
    for (const seq of this.#orphans.get(event.toolUseId) ?? []) if (ring.has(seq)) changed.push(...this.#link(event.seq, seq));
    this.#orphans.delete(event.toolUseId);
    const end = this.#ends.get(event.toolUseId);
    if (end === undefined || !ring.has(end)) {
      this.#rememberOpen(event.toolUseId, event.seq, session);
      return changed;
    }
    this.#ends.delete(event.toolUseId);
    this.#marry(event.seq, slot, end, ring.slot(end));
    return [...changed, end];
  }

  #follow(event: MonitorEvent, slot: number): readonly number[] {
    const call = this.#calls.get(event.toolUseId);
    if (call !== undefined && this.ring.has(call)) {
      this.#link(call, event.seq);
      return (this.ring.links[this.ring.slot(call)] ?? 0) === (this.ring.seqs[slot] ?? 0) ? [call] : NOTHING;
    }
    const waiting = this.#orphans.get(event.toolUseId);
    if (waiting) waiting.push(event.seq);
    else this.#orphans.set(event.toolUseId, [event.seq]);
    if (this.#orphans.size > OPEN_CALLS_MAX) deleteOldest(this.#orphans);
    return NOTHING;
  }

  /** One row stands for the call and for what follows from it. */
  #link(call: number, follower: number): readonly number[] {
    const { ring } = this;
    const slot = ring.slot(follower);
    ring.flags[slot] = (ring.flags[slot] ?? 0) | Flag.follows;
    ring.links[slot] = call;
    const [kind = ''] = this.events.name(ring.events[slot] ?? 0).split(' ');
    if (NOTE_KINDS.has(kind)) {
      ring.links[ring.slot(call)] = follower;
      this.#search.append(call, PART + searchLine([this.shown.get(follower)]));
    }
    return [follower];
  }

  #rememberOpen(toolUseId: string, seq: number, session: number): void {
    this.#open.set(toolUseId, { seq, session });
    if (this.#open.size > OPEN_CALLS_MAX) deleteOldest(this.#open);
  }

  #marry(start: number, startSlot: number, end: number, endSlot: number): void {
    const { ring } = this;
    const endFlags = ring.flags[endSlot] ?? 0;
    const taken = Flag.error | Flag.denied | Flag.interrupted;
    ring.flags[startSlot] = ((ring.flags[startSlot] ?? 0) & ~(Flag.open | Flag.endless)) | (endFlags & taken);
    ring.flags[endSlot] = endFlags | Flag.merged;
    ring.peers[startSlot] = end;
    ring.peers[endSlot] = start;
    ring.setDuration(startSlot, ring.duration(endSlot) ?? Math.max(0, (ring.times[endSlot] ?? 0) - (ring.times[startSlot] ?? 0)));
    this.#search.append(start, PART + this.#search.get(end));
  }
}

function flagsOf(event: MonitorEvent): number {
  let flags = 0;
  if (isError(event)) flags |= Flag.error;
  if (event.outcome === 'denied') flags |= Flag.denied;
  if (event.outcome === 'interrupted') flags |= Flag.interrupted;
  if (event.agentId !== '') flags |= Flag.child;
  if (event.kind === 'tool_call.started') flags |= Flag.call | Flag.open;
  return flags;
}

/** Did something go wrong, as the server says it? A denied or interrupted call did what a person wanted. */
export function isError(event: MonitorEvent): boolean {
  if (event.outcome === 'error' || ERROR_KINDS.has(event.kind)) return true;
  return event.kind === 'log.message' && isJsonObject(event.data) && ERROR_LEVELS.includes(event.data['level']);
}

export function baseName(path: string): string {
  const parts = path.split(/[/\\]/).filter((part) => part !== '');
  return parts[parts.length - 1] ?? '';
}

function deleteOldest<Value>(map: Map<string, Value>): void {
  const oldest = map.keys().next();
  if (!oldest.done) map.delete(oldest.value);
}

function toJson(event: MonitorEvent): string {
  try {
    return JSON.stringify(event.wire);
  } catch {
    // Nested too deeply for this engine: left out here, so that whoever wants it asks the server for the text.
    return '';
  }
}
