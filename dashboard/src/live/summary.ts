// The figures around the list, twice a second.
import type { Engine } from './engine';
import type { Summary } from './protocol';
import { Tapes } from './tapes';

const BINS = 180;
const MINUTE = 60_000;
/** The histogram's ranges; the smallest that holds what is kept is drawn. */
const SPANS = [2 * MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, 60 * MINUTE, 180 * MINUTE, 6 * 60 * MINUTE, 24 * 60 * MINUTE, 7 * 24 * 60 * MINUTE, 90 * 24 * 60 * MINUTE];
const TYPES_MAX = 60;
const HOUR = 3_600_000;

export function summarize(engine: Engine, searching: boolean): Summary {
  const { store, query, sync, history, rates } = engine;
  const { ring } = store;
  const now = Date.now() + (engine.link.skewMs ?? 0);
  const five = rates.sum(now, 300);
  const namespaces: Record<string, number> = {};
  for (let id = 1; id < store.namespaces.size; id += 1) namespaces[store.namespaces.name(id)] = query.facets[id] ?? 0;
  const counts = new Uint32Array(store.events.size);
  let oldest = now;
  const tapes = new Tapes(store, now);
  for (let slot = 0; slot < ring.capacity && ring.count > 0; slot += 1) {
    if ((ring.seqs[slot] ?? 0) === 0) continue;
    const event = ring.events[slot] ?? 0;
    counts[event] = (counts[event] ?? 0) + 1;
    const time = ring.times[slot] ?? 0;
    if (time < oldest && time > 0) oldest = time;
    if (time > tapes.from) tapes.add(slot, time);
  }
  const span = SPANS.find((length) => now - oldest <= length) ?? now - oldest;
  const types = [...counts].flatMap((count, id) => {
    const [kind = '', event = ''] = store.events.name(id).split(' ');
    return count > 0 ? [{ event, kind, count }] : [];
  });
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const loading = sync.holes.filter((hole) => !hole.lost);
  return {
    type: 'summary',
    matches: query.length + query.folded,
    rows: query.length,
    all: query.all,
    matchErrors: query.errors,
    searching,
    history: historyState(engine),
    historyRows: history?.rows.length ?? 0,
    namespaces,
    types: types.sort((a, b) => b.count - a.count).slice(0, TYPES_MAX),
    kept: ring.count,
    capacity: ring.capacity,
    full: ring.count === ring.capacity,
    totalEvents: Math.max(engine.totalEvents, ring.count),
    perMinute: rates.sum(now, 60).events,
    errors5m: five.errors,
    events5m: five.events,
    uniqueTypes: types.length,
    histogram: query.histogram(now - span, now, BINS),
    hiddenTo: engine.hiddenTo,
    catchingUp: loading.length === 0 ? undefined : { loaded: loading.reduce((sum, hole) => sum + hole.loaded, 0), total: loading.reduce((sum, hole) => sum + hole.total, 0) },
    behindMs: engine.behindMs,
    problems: engine.problems,
    hourEstimated: engine.requests.estimatedSince(now - HOUR),
    todayEstimated: engine.requests.estimatedSince(midnight),
    hourUsd: engine.requests.costSince(now - HOUR),
    todayUsd: oldest <= midnight || (sync.atBeginning && !(ring.count === ring.capacity)) ? engine.requests.costSince(midnight) : undefined,
    hourPartial: oldest > now - HOUR && !sync.atBeginning,
    contexts: engine.requests.contexts(),
    tapes: tapes.letters(),
  };
}

function historyState(engine: Engine): Summary['history'] {
  const { history, sync } = engine;
  if (history?.failed) return 'failed';
  if (history?.loading || sync.olderLoading) return 'loading';
  if (sync.atBeginning && !history) return 'none';
  return history?.done ? 'done' : 'more';
}
