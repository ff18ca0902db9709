// The files that sessions read and changed, who overwrote whom, and one change in full.
import { decodeEvent, parseJson } from '../contract/decode';
import type { Change } from '../contract/types';
import { decodeChange, decodeFileOperation } from '../contract/work';
import type { Engine } from './engine';
import { isRead } from './session-report';
import type { EventStore } from './store';

export interface Touch {
  seq: number;
  time: number;
  sessionId: string;
  agent: string;
  operation: string;
  changed: boolean;
  added: number;
  removed: number;
}

/** A session changed a file that it had last looked at before another session changed it. */
export interface Conflict {
  /** The later change. */
  seq: number;
  by: string;
  lookedAt: number;
  lost: string;
  lostSeq: number;
  lostAt: number;
}

export interface FileReport {
  path: string;
  project: string;
  /** Oldest first. */
  touches: Touch[];
  conflicts: Conflict[];
}

export interface MemoryReport {
  seq: number;
  time: number;
  sessionId: string;
  agent: string;
  /** loaded, created, updated, injected. */
  what: string;
  path: string;
  label: string;
}

/** A change this long ago is no news to a session that changes the file now. */
const CONFLICT_WITHIN_MS = 4 * 3_600_000;
const CALL_SCAN = 200;

interface Read {
  path: string;
  operation: string;
  added: number;
  removed: number;
}

/** What each `file.operated` said, read once. */
const read = new WeakMap<EventStore, Map<number, Read | undefined>>();

function operationOf(store: EventStore, seq: number): Read | undefined {
  let known = read.get(store);
  if (!known) read.set(store, (known = new Map()));
  if (known.has(seq)) return known.get(seq);
  const raw = store.raw.get(seq);
  const operation = raw === undefined ? undefined : decodeFileOperation(decodeEvent(parseJson(raw))?.data);
  if (known.size > 50_000) known.clear();
  known.set(seq, operation);
  return operation;
}

export function reportFiles(store: EventStore): FileReport[] {
  const { ring } = store;
  const files = new Map<string, FileReport>();
  const isFile = namesOf(store, (kind) => kind === 'file.operated');
  for (let seq = ring.floor; seq <= ring.high; seq += 1) {
    if (!ring.has(seq)) continue;
    const slot = ring.slot(seq);
    if (!isFile(ring.events[slot] ?? 0)) continue;
    const operation = operationOf(store, seq);
    if (!operation) continue;
    const session = ring.sessions[slot] ?? 0;
    const file = files.get(operation.path) ?? { path: operation.path, project: store.projectOf(session), touches: [], conflicts: [] };
    files.set(operation.path, file);
    file.touches.push({
      seq, time: ring.times[slot] ?? 0, sessionId: store.sessions.name(session), agent: store.agentType(ring.agents[slot] ?? 0),
      operation: operation.operation, changed: !isRead(operation.operation), added: operation.added, removed: operation.removed,
    });
  }
  for (const file of files.values()) file.conflicts = conflictsOf(file.touches);
  return [...files.values()];
}

export function conflictsOf(touches: readonly Touch[]): Conflict[] {
  const conflicts: Conflict[] = [];
  const looked = new Map<string, number>();
  const changes = new Map<string, Touch>();
  for (const touch of touches) {
    const lookedAt = looked.get(touch.sessionId) ?? 0;
    if (touch.changed) {
      for (const [sessionId, other] of changes) {
        if (sessionId === touch.sessionId || lookedAt === 0 || lookedAt >= other.time || touch.time - other.time > CONFLICT_WITHIN_MS) continue;
        conflicts.push({ seq: touch.seq, by: touch.sessionId, lookedAt, lost: sessionId, lostSeq: other.seq, lostAt: other.time });
      }
      changes.set(touch.sessionId, touch);
    }
    looked.set(touch.sessionId, touch.time);
  }
  return conflicts;
}

export function reportMemory(store: EventStore): MemoryReport[] {
  const { ring } = store;
  const memories: MemoryReport[] = [];
  const isMemory = namesOf(store, (kind) => kind.startsWith('memory.'));
  for (let seq = ring.high; seq >= ring.floor; seq -= 1) {
    if (!ring.has(seq)) continue;
    const slot = ring.slot(seq);
    if (!isMemory(ring.events[slot] ?? 0)) continue;
    const [kind = ''] = store.events.name(ring.events[slot] ?? 0).split(' ');
    const raw = store.raw.get(seq);
    const data = raw === undefined ? undefined : decodeEvent(parseJson(raw))?.data;
    memories.push({
      seq, time: ring.times[slot] ?? 0, sessionId: store.sessions.name(ring.sessions[slot] ?? 0), agent: store.agentType(ring.agents[slot] ?? 0),
      what: kind.slice('memory.'.length), path: decodeFileOperation(data)?.path ?? '', label: store.shown.get(seq),
    });
    if (memories.length >= 1000) break;
  }
  return memories;
}

/** Does an event's name belong to these kinds? Asked for every event kept, so each name is looked at once. */
function namesOf(store: EventStore, wanted: (kind: string) => boolean): (id: number) => boolean {
  const answers = new Uint8Array(store.events.size);
  for (let id = 0; id < answers.length; id += 1) answers[id] = wanted(store.events.name(id).split(' ')[0] ?? '') ? 1 : 0;
  return (id) => answers[id] === 1;
}

/** What a change did, line by line, from the call that made it. */
export async function loadChange(engine: Engine, seq: number): Promise<Change> {
  const { store, api } = engine;
  const raw = store.raw.get(seq);
  const event = (raw === undefined ? undefined : decodeEvent(parseJson(raw))) ?? (await api.event(seq));
  const call = callBefore(store, seq, event.toolUseId);
  if (call === 0) return { callSeq: 0, hunks: [], created: false, whole: undefined };
  return { ...decodeChange(parseJson(await api.content(call))), callSeq: call };
}

/** The end of the call that an event follows from; 0 when it is not kept. */
function callBefore(store: EventStore, seq: number, toolUseId: string): number {
  if (toolUseId === '') return 0;
  for (let at = seq - 1; at >= Math.max(store.ring.floor, seq - CALL_SCAN); at -= 1) {
    if (!store.ring.has(at) || !store.events.name(store.ring.events[store.ring.slot(at)] ?? 0).startsWith('tool_call.finished')) continue;
    if (store.raw.get(at)?.includes(toolUseId)) return at;
  }
  return 0;
}
