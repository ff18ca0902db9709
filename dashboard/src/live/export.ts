// Writes what the filter shows as one JSON file with its circumstances.
import { parseJson } from '../contract/decode';
import type { Engine } from './engine';
import { split } from './filter-language';
import type { Exported } from './protocol';
import { Flag } from './ring';

/** More than this is the server's job. After a clearing, which the server knows nothing of, the file says that it was cut. */
export const EXPORT_EVENTS_MAX = 100_000;
const PAGE = 1000;

export async function exportList(engine: Engine, filter: string, timeZone: string): Promise<Exported> {
  const { store, history } = engine;
  const seqs = new Set<number>(history?.events.keys() ?? []);
  const { ring } = store;
  let cut = false;
  for (let seq = ring.high; seq >= ring.floor && !cut; seq -= 1) {
    if (!ring.has(seq) || !isShown(engine, seq)) continue;
    seqs.add(seq);
    cut = seqs.size >= EXPORT_EVENTS_MAX;
  }
  const incomplete = cut || ((history ? !history.done : !engine.sync.atBeginning) && engine.totalEvents > EXPORT_EVENTS_MAX);
  if (incomplete && engine.hiddenTo === 0) return exportStream(engine, filter);
  const sorted = [...seqs].sort((a, b) => a - b);
  const wanted = sorted.slice(-EXPORT_EVENTS_MAX);
  const truncated = cut || wanted.length < sorted.length || (history ? !history.done || history.failed !== '' : !engine.sync.atBeginning);
  const texts = new Map<number, string>();
  for (const seq of wanted) {
    const kept = store.raw.get(seq) ?? wireText(history?.events.get(seq)?.wire);
    if (kept !== undefined) texts.set(seq, kept);
  }
  await fetchMissing(engine, wanted, texts);
  const found = wanted.flatMap((seq) => texts.get(seq) ?? []);
  const meta = {
    exported_at: new Date().toISOString(),
    tz: timeZone,
    server: engine.api.origin,
    version: engine.server.version,
    epoch: engine.server.epoch,
    filter,
    range: { from: timeOf(found[0]), to: timeOf(found[found.length - 1]) },
    cleared_to_seq: engine.hiddenTo,
    count: found.length,
    truncated: truncated || found.length < wanted.length,
  };
  const parts = [`{"meta":${JSON.stringify(meta, undefined, 1)},\n"events":[\n`, ...found.map((text, index) => (index === 0 ? text : `,\n${text}`)), '\n]}\n'];
  return { stream: '', blob: new Blob(parts, { type: 'application/json' }), count: found.length, truncated: meta.truncated };
}

/** A browser downloads it by itself, unless it has to bring the token. */
async function exportStream({ api }: Engine, filter: string): Promise<Exported> {
  const q = split(filter).filter((token) => !/^raw:/i.test(token)).join(' ');
  const path = `/api/v1/events/export?${new URLSearchParams({ format: 'ndjson', ...(q === '' ? {} : { q }) })}`;
  return { stream: path, blob: api.token === '' ? new Blob() : await api.blob(path), count: 0, truncated: false };
}

/** Of a row all its events: a call's end, and what follows from it. */
function isShown({ query, store: { ring } }: Engine, seq: number): boolean {
  if (query.has(seq)) return true;
  const slot = ring.slot(seq);
  const flags = ring.flags[slot] ?? 0;
  if (query.filter.raw || (flags & (Flag.merged | Flag.follows)) === 0) return false;
  return query.has((flags & Flag.merged) !== 0 ? (ring.peers[slot] ?? 0) : (ring.links[slot] ?? 0));
}

async function fetchMissing(engine: Engine, wanted: readonly number[], texts: Map<number, string>): Promise<void> {
  for (const seq of wanted) {
    if (texts.has(seq)) continue;
    const page = await engine.api.events({ after: seq - 1, limit: PAGE });
    for (const event of page.events) {
      const text = wireText(event.wire);
      if (text !== undefined) texts.set(event.seq, text);
    }
  }
}

function wireText(wire: unknown): string | undefined {
  return wire === undefined ? undefined : JSON.stringify(wire);
}

function timeOf(text: string | undefined): string | undefined {
  const value = text === undefined ? undefined : parseJson(text);
  return typeof value === 'object' && value !== null && 'time' in value && typeof value.time === 'string' ? value.time : undefined;
}
