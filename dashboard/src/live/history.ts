// The same filter over what the server keeps beyond this tab: pages of matches, newest first, and hits in payload parts that memory does not search.
import { reasonOf } from '../contract/reason';
import type { MonitorEvent } from '../contract/types';
import type { Api, EventQuery } from './api';
import { asksForAll, asksForNamespace, FOLLOWING_KINDS, NOTE_KINDS, type Term } from './filter-language';
import { matchesEvent } from './match-event';
import { detailOf, noteText, toneOf, withNote, wordOf, type EventRow } from './rows';
import { baseName, isError } from './store';

const PAGE = 200;
/** Pages asked for on behalf of one wish for more; a rare filter must not run through the whole store unasked. */
const PAGES_PER_WISH = 8;
const MEMORY_HITS_PAGE = 2000;

export type HistoryApi = Pick<Api, 'events'>;

export class HistorySearch {
  /** Oldest first. */
  rows: EventRow[] = [];
  readonly events = new Map<number, MonitorEvent>();
  loading = false;
  done = false;
  failed = '';
  #before: number;
  #cancelled = false;

  constructor(private readonly api: HistoryApi, private readonly terms: readonly Term[], before: number, private readonly changed: () => void) {
    this.#before = before;
    this.done = before <= 1;
  }

  cancel(): void {
    this.#cancelled = true;
  }

  /** Loads until some more matches are there, or the wish is spent. */
  async more(): Promise<void> {
    if (this.loading || this.done || this.#cancelled) return;
    this.loading = true;
    this.failed = '';
    this.changed();
    try {
      let found = 0;
      for (let page = 0; page < PAGES_PER_WISH && found < PAGE / 4 && !this.done && !this.#cancelled; page += 1) found += await this.#page();
    } catch (error) {
      this.failed = reasonOf(error);
      this.done = true;
    } finally {
      this.loading = false;
      if (!this.#cancelled) this.changed();
    }
  }

  /** Lets go of rows that this tab has itself by now; true when there were any. */
  trim(low: number): boolean {
    this.#before = Math.min(this.#before, low);
    let kept = this.rows.length;
    while (kept > 0 && (this.rows[kept - 1]?.seq ?? 0) >= low) kept -= 1;
    if (kept === this.rows.length) return false;
    this.rows = this.rows.slice(0, kept);
    return true;
  }

  /** Lets go of rows that left a moving range; true when there were any. */
  expire(from: number): boolean {
    const kept = this.rows.filter((row) => row.time >= from);
    if (kept.length === this.rows.length) return false;
    this.rows = kept;
    for (const [seq, event] of this.events) if (event.time < from) this.events.delete(seq);
    return true;
  }

  async #page(): Promise<number> {
    const page = await this.api.events({ ...wireQuery(this.terms), before: this.#before, limit: PAGE });
    if (this.#cancelled) return 0;
    const matches = page.events.filter((event) => event.seq < this.#before && matchesEvent(event, this.terms)).sort((a, b) => a.seq - b.seq);
    this.rows = [...joinCalls(matches, this.terms), ...this.rows];
    for (const event of matches) this.events.set(event.seq, event);
    this.#before = page.next ?? 1;
    this.done = page.next === undefined;
    this.changed();
    return matches.length;
  }
}

/** Asks which kept events hold the text somewhere in their payload; `hit` gets those between `low` and the newest. */
export async function searchPayloads(api: HistoryApi, terms: readonly Term[], low: number, hit: (seqs: readonly number[]) => void): Promise<void> {
  const page = await api.events({ ...wireQuery(terms), limit: MEMORY_HITS_PAGE });
  hit(page.events.filter((event) => event.seq >= low).map((event) => event.seq));
}

/** The part of a filter that the server understands; the rest is checked on its answers. */
export function wireQuery(terms: readonly Term[]): EventQuery {
  const query: EventQuery = {};
  const words: string[] = [];
  for (const term of terms) {
    if (term.kind === 'text' && !term.negated) words.push(term.style === 'word' ? term.text : `${term.style === 'path' ? 'path:' : ''}${quoted(term)}`);
    if (term.kind !== 'column' || term.negated || term.values.some((value) => value.endsWith('*'))) continue;
    if (term.key === 'ns') query.namespace = term.values.map((value) => (value.startsWith('/') ? value : `/${value}`)).join(',');
  }
  if (words.length > 0) query.q = words.join(' ');
  return query;
}

/** The server takes a path up to white space, and a phrase up to its quotes. */
function quoted(term: { text: string; style: string }): string {
  return term.style === 'path' ? (term.text.split(/\s/)[0] ?? '') : `"${term.text}"`;
}

function joinCalls(events: readonly MonitorEvent[], terms: readonly Term[]): EventRow[] {
  const raw = terms.some((term) => term.kind === 'raw' && term.on);
  const folds = !asksForAll(terms) && !asksForNamespace(terms);
  const starts = new Map<string, EventRow>();
  const rows: EventRow[] = [];
  for (const event of events) {
    const start = raw || event.toolUseId === '' ? undefined : starts.get(event.toolUseId);
    if (start && FOLLOWING_KINDS.has(event.kind)) {
      if (NOTE_KINDS.has(event.kind)) Object.assign(start, withNote(start, noteText(event.kind, event.summary)));
      if (folds) continue;
    } else if (start && event.kind.startsWith('tool_call.')) {
      Object.assign(start, { ...detailOf(start.detail, event.summary), tookMs: event.durationMs ?? event.time - start.time, state: isError(event) ? 'error' : start.state });
      continue;
    }
    const row = rowOfEvent(event);
    if (event.kind === 'tool_call.started') starts.set(event.toolUseId, row);
    rows.push(row);
  }
  return rows;
}

export function rowOfEvent(event: MonitorEvent): EventRow {
  return {
    type: 'event',
    seq: event.seq,
    time: event.time,
    sessionId: event.sessionId,
    project: baseName(event.cwd),
    agent: event.agentType || event.agentId || (event.sessionId === '' ? '' : 'main'),
    child: event.agentId !== '',
    what: wordOf(event.kind, event.event, event.toolName),
    tone: event.kind.startsWith('tool_call.') ? toneOf(event.toolName) : 'plain',
    detail: event.summary,
    extra: '',
    tookMs: event.durationMs,
    slow: false,
    running: false,
    state: isError(event) ? 'error' : event.outcome === 'denied' || event.outcome === 'interrupted' ? event.outcome : 'none',
    namespace: event.namespace,
    event: event.event,
    kind: event.kind,
    tool: event.kind.startsWith('tool_call.') ? event.toolName : '',
    times: 1,
  };
}
