// The worker's heart: takes what the server sends, keeps it, answers the page. Everything here runs beside the page, never in it.
import { decodeEvents, decodeGap, decodeHello, decodeRequest, decodeStateChange } from '../contract/decode';
import type { Hello, MonitorEvent, Session, StateSnapshot } from '../contract/types';
import { Api } from './api';
import { answer } from './answers';
import { Connection, type Link } from './connection';
import { retryDelay } from './backoff';
import { parseFilter, termsOf, type Term } from './filter-language';
import { Filter } from './filter';
import { HistorySearch, searchPayloads } from './history';
import { ListView } from './list';
import type { Ask, FromWorker, ServerInfo, WindowRequest } from './protocol';
import { Query } from './query';
import { Rates } from './rates';
import { Requests } from './requests';
import type { DividerRow } from './rows';
import { EventStore, isError } from './store';
import { summarize } from './summary';
import { Sync, type Hole } from './sync';
import type { ForViews } from './view-answers';

/** A slice of a search; short enough that a request for rows waits less than half a frame. */
const SLICE_MS = 6;
const SUMMARY_EVERY_MS = 500;
/** A question to the server's history waits until typing has paused. */
const HISTORY_AFTER_MS = 350;
const HOLES_SHOWN_MIN = 20;

export class Engine {
  readonly api: Api;
  store: EventStore;
  query: Query;
  sync: Sync;
  readonly sessions = new Map<string, Session>();
  readonly rates = new Rates();
  readonly requests = new Requests();
  history: HistorySearch | undefined;
  /** What views asked the server for; made by the first that asks. */
  views: ForViews | undefined;
  /** Whether the server keeps sums over time; found out by asking. */
  sums = true;
  #lastHello: Hello | undefined;
  /** Sessions that were deleted, each with the newest number of that time. */
  readonly #deleted = new Map<string, number>();
  terms: Term[] = [];
  problems: string[] = [];
  hiddenTo = 0;
  server: ServerInfo = { version: '', port: 0, instance: '', epoch: '', client: '' };
  /** Events of the whole data folder: what the server counted, and what came since. */
  totalEvents = 0;
  #totalsAt = 0;
  /** The newest question for the state: an answer to an older one comes too late. */
  #stateAsked = 0;
  #stateLoading = false;
  behindMs = 0;
  readonly #connection: Connection;
  readonly #notes: DividerRow[] = [];
  #line = '';
  #searching = false;
  #dirtyTold = false;
  #summaryTimer: ReturnType<typeof setTimeout> | undefined;
  #historyTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #channel = new MessageChannel();

  constructor(origin: string, token: string, readonly capacity: number, private readonly post: (message: FromWorker) => void) {
    this.api = new Api(origin);
    this.api.token = token;
    this.store = new EventStore(capacity);
    this.sync = this.#newSync();
    this.query = this.#newQuery();
    this.#connection = new Connection(origin, token, {
      linked: (link) => this.#linked(link),
      hello: (value) => this.#hello(value),
      events: (value) => this.#events(value),
      gap: (value) => this.#gap(value),
      state: (value) => this.#state(value),
    });
    this.#channel.port1.onmessage = () => this.#slice();
    this.#tellSummary();
    setInterval(() => this.#tick(), 1000);
  }

  connect(token?: string): void {
    if (token !== undefined) this.api.token = token;
    void this.#loadState();
    this.#connection.connect(token);
  }

  /** Says "not connected" too when nobody asked to connect yet. */
  disconnect(): void {
    this.#connection.disconnect();
  }

  get link(): Link {
    return this.#connection.link;
  }

  setFilter(line: string): void {
    this.#line = line;
    this.#restart();
  }

  /** Hides everything up to now from the view, or (Undo) nothing. Nothing is deleted, here or on the server. */
  hide(hidden: boolean): void {
    this.hiddenTo = hidden ? this.store.ring.high : 0;
    this.#restart();
  }

  list(): ListView {
    return new ListView(this.store, this.query, this.history, this.#dividers());
  }

  window(request: WindowRequest): void {
    this.#dirtyTold = false;
    const list = this.list();
    let first = request.first;
    if (request.follow) first = list.length - request.count;
    else if (request.hold) {
      const index = list.indexOf(request.hold.seq);
      if (index >= 0) first = index - request.hold.offset;
    }
    first = Math.max(0, Math.min(first, list.length - request.count));
    const newer = request.since > 0 ? Math.max(0, this.query.length - this.query.lowerBound(request.since + 1)) : 0;
    this.post({ type: 'rows', first, total: list.length, rows: list.rows(first, request.count), lastSeq: this.query.at(this.query.length - 1), newer });
  }

  /** The top of the list came into view: fill memory while it has room, then go on in the server's history. */
  async older(): Promise<void> {
    const room = this.sync.low - this.store.ring.floor;
    if (room > 0 && this.store.ring.high - this.sync.low < this.capacity - 1 && (await this.sync.older(Math.min(room, this.capacity)))) return;
    if (this.sync.olderLoading) return;
    this.#openHistory();
    await this.history?.more();
  }

  async ask(ask: Ask): Promise<unknown> {
    return answer(this, ask);
  }

  /** Of a session that was deleted: the server may still give it while it deletes. */
  isDeleted({ sessionId, seq }: Pick<MonitorEvent, 'sessionId' | 'seq'>): boolean {
    return seq <= (this.#deleted.get(sessionId) ?? 0);
  }

  // --- what the server sends

  #linked(link: Link): void {
    this.post({ type: 'link', link });
  }

  #hello(value: unknown): void {
    const hello = decodeHello(value);
    if (!hello) return;
    this.sums = true;
    this.#lastHello = hello;
    const { link } = this;
    const known = this.server;
    this.server = { version: hello.version, port: hello.port, instance: hello.instance, epoch: hello.epoch, client: hello.client };
    this.post({ type: 'server', server: this.server });
    this.#connection.setSkew(hello.serverTime > 0 ? hello.serverTime - Date.now() : 0);
    const next = Math.max(hello.seqLast, this.store.ring.high) + 1;
    if (known.epoch !== '' && known.epoch !== hello.epoch) {
      this.#newFolder();
      this.#deleted.clear();
      this.#note(1, `${clock(Date.now())} another data folder: what was shown before belongs to the old one and is gone from this tab`);
    } else if (known.instance !== '' && known.instance !== hello.instance) {
      this.#note(next, `Server restarted ${clock(Date.now())}`);
    }
    this.sync.hello(hello, link.lostAt);
    // What changed between a first answer and this connection is told by neither.
    if (known.epoch !== '' || (!this.#stateLoading && this.#totalsAt < hello.seqLast)) void this.#loadState();
    this.#changed();
  }

  #events(value: unknown): void {
    const events = decodeEvents(value);
    const stored = events.filter((event) => event.seq > 0);
    const passing = events.filter((event) => event.seq === 0);
    if (passing.length > 0) this.post({ type: 'volatile', events: passing });
    for (const { kind, sessionId } of passing) if (kind === 'session.deleted') this.#forget(sessionId);
    const newest = stored[stored.length - 1];
    if (newest) this.behindMs = Math.max(0, Date.now() + (this.link.skewMs ?? 0) - newest.recordedAt);
    this.#insert(stored);
    this.sync.live(stored);
  }

  #gap(value: unknown): void {
    const gap = decodeGap(value);
    if (gap) this.sync.gap(gap);
    this.#changed();
  }

  #state(value: unknown): void {
    const change = decodeStateChange(value);
    if (!change) return;
    for (const session of change.sessions) this.sessions.set(session.sessionId, session);
    for (const id of change.removed) this.sessions.delete(id);
    this.#applySessions(change.sessions);
    this.post({ type: 'fleet', sessions: change.sessions, removed: change.removed, whole: false, clients: change.clients, eventsPerSecond: change.eventsPerSecond });
  }

  /** Asks until there is an answer: a session that waits in silence is told nowhere else. */
  async #loadState(failures = 0): Promise<void> {
    this.#stateAsked += 1;
    const asked = this.#stateAsked;
    this.#stateLoading = true;
    let state: StateSnapshot;
    try {
      state = await this.api.state();
    } catch {
      if (asked !== this.#stateAsked) return;
      this.#stateLoading = false;
      // Without a connection the next hello asks.
      setTimeout(() => { if (asked === this.#stateAsked && this.link.phase === 'live') void this.#loadState(failures + 1); }, retryDelay(failures, Math.random()));
      return;
    }
    if (asked !== this.#stateAsked) return;
    this.#stateLoading = false;
    const newer = [...this.sessions.values()].filter((session) => session.lastSeq > state.seq);
    this.sessions.clear();
    for (const session of [...state.sessions, ...newer]) this.sessions.set(session.sessionId, session);
    this.totalEvents = state.totals.events;
    this.#totalsAt = state.seq;
    const sessions = [...this.sessions.values()];
    this.#applySessions(sessions);
    this.post({ type: 'fleet', sessions, removed: [], whole: true, clients: undefined, eventsPerSecond: undefined });
    this.#tellSummary();
  }

  #applySessions(sessions: readonly Session[]): void {
    const changed = this.store.applySessions(sessions, [...this.sessions.values()]);
    const now = Date.now();
    for (const seq of changed) this.query.changed(seq, now);
    if (changed.length > 0) this.#changed();
  }

  // --- what is kept

  #insert(events: readonly MonitorEvent[]): void {
    const now = Date.now();
    // Newest first is the cheap order for pages of history: each then goes to the left end of the result.
    const history = events.length > 1 && (events[0]?.seq ?? 0) < this.store.ring.high;
    const ordered = history ? [...events].sort((a, b) => b.seq - a.seq) : events;
    let changed = false;
    for (const event of ordered) {
      if (this.isDeleted(event)) continue;
      const inserted = this.store.insert(event);
      if (!inserted) continue;
      this.rates.add(event.time, isError(event));
      const request = decodeRequest(event);
      if (request) this.requests.add(request);
      else if (event.kind === 'compaction.finished') this.requests.compacted(event.sessionId, event.time);
      if (event.seq > this.#totalsAt && this.#totalsAt > 0) this.totalEvents += 1;
      changed = this.query.inserted(event.seq, now) || changed;
      for (const seq of inserted.changed) changed = this.query.changed(seq, now) || changed;
    }
    if (changed) this.#changed();
    this.#laterSummary();
  }

  #newFolder(): void {
    this.sync.stop();
    this.sessions.clear();
    this.#notes.length = 0;
    this.views = undefined;
    this.rates.clear();
    this.requests.clear();
    this.hiddenTo = 0;
    this.#totalsAt = 0;
    this.store = new EventStore(this.capacity);
    this.sync = this.#newSync();
    this.#restart();
  }

  /** A session was deleted: nothing of it may stay here, so the tab is filled anew. */
  #forget(sessionId: string): void {
    const high = Math.max(this.store.ring.high, this.#lastHello?.seqLast ?? 0);
    // The server tells it while it is still deleting: what it gives until then must not come back.
    this.#deleted.set(sessionId, high);
    const sessions = [...this.sessions];
    this.#newFolder();
    for (const [id, session] of sessions) if (id !== sessionId) this.sessions.set(id, session);
    if (this.#lastHello) this.sync.hello({ ...this.#lastHello, seqLast: high }, 0);
    void this.#loadState();
    this.#changed();
  }

  #newSync(): Sync {
    return new Sync(this.api, this.capacity, (events) => this.#insert(events), () => {
      // What the server's search had found beyond this tab may be in it now.
      this.history?.trim(this.sync.low);
      this.#changed();
    });
  }

  #newQuery(): Query {
    const query = new Query(this.store, new Filter(this.store, this.terms, this.hiddenTo));
    this.store.onEvict = (slot) => query.evict(slot);
    return query;
  }

  #restart(): void {
    const tokens = parseFilter(this.#line);
    this.terms = termsOf(tokens);
    this.problems = tokens.flatMap((token) => (token.problem ? [token.problem] : []));
    this.history?.cancel();
    this.history = undefined;
    this.query = this.#newQuery();
    this.#searching = true;
    clearTimeout(this.#historyTimer);
    if (this.terms.length > 0) this.#historyTimer = setTimeout(() => this.#searchServer(), HISTORY_AFTER_MS);
    this.#slice();
    this.#laterSummary();
  }

  /** One slice of the search; the next one comes after whatever the page asked meanwhile. */
  #slice(): void {
    if (!this.#searching) return;
    this.#searching = !this.query.step(performance.now() + SLICE_MS, () => performance.now(), Date.now());
    this.#changed();
    if (this.#searching) this.#channel.port2.postMessage(0);
    else this.#tellSummary();
  }

  /** What memory cannot know: hits deep in payloads of kept events, and everything older than this tab. */
  #searchServer(): void {
    const { query, sync } = this;
    if (query.filter.texts.length > 0 && Number.isFinite(sync.low)) {
      void searchPayloads(this.api, this.terms, sync.low, (seqs) => {
        if (query !== this.query) return;
        let changed = false;
        for (const seq of seqs) changed = query.addExtra(seq, Date.now()) || changed;
        if (changed) this.#changed();
      }).catch(() => undefined);
    }
    if (this.sync.olderLoading) {
      this.#historyTimer = setTimeout(() => this.#searchServer(), HISTORY_AFTER_MS);
      return;
    }
    this.#openHistory();
    void this.history?.more();
  }

  #openHistory(): void {
    if (this.history || this.sync.atBeginning || !Number.isFinite(this.sync.low) || this.sync.low <= 1 || this.hiddenTo > 0) return;
    const history = new HistorySearch(this.api, this.terms, this.sync.low, () => {
      if (this.history !== history) return;
      history.trim(this.sync.low);
      this.#changed();
    });
    this.history = history;
  }

  // --- what the page hears

  #dividers(): DividerRow[] {
    const dividers: DividerRow[] = [];
    for (const hole of this.sync.holes) {
      if (hole.lost || hole.total >= HOLES_SHOWN_MIN) dividers.push(holeRow(hole));
    }
    dividers.push(...this.#notes);
    const { history } = this;
    if (history && (history.rows.length > 0 || history.loading)) {
      const text = history.loading ? 'Older than this tab, from the server. More is loading' : 'Older than this tab, from the server';
      dividers.push({ type: 'divider', id: 'older', before: 0, text: `${text} above this line`, tone: 'note', progress: undefined });
    }
    return dividers;
  }

  #note(before: number, text: string): void {
    this.#notes.push({ type: 'divider', id: `note-${this.#notes.length}`, before, text, tone: 'note', progress: undefined });
  }

  #changed(): void {
    this.#laterSummary();
    if (this.#dirtyTold) return;
    this.#dirtyTold = true;
    this.post({ type: 'dirty' });
  }

  #tick(): void {
    const now = Date.now();
    const left = this.query.expire(now);
    if ((this.query.filter.moves && this.history?.expire(this.query.filter.from(now))) || left) this.#changed();
    this.store.sealBelow(this.store.ring.high - 4096);
    this.#laterSummary();
  }

  #laterSummary(): void {
    this.#summaryTimer ??= setTimeout(() => this.#tellSummary(), SUMMARY_EVERY_MS);
  }

  #tellSummary(): void {
    clearTimeout(this.#summaryTimer);
    this.#summaryTimer = undefined;
    this.post(summarize(this, this.#searching));
  }
}

function holeRow(hole: Hole): DividerRow {
  const span = `${clock(hole.since)} to ${clock(hole.until)}`;
  const text = hole.lost
    ? `${number(hole.total)} events of ${span} are not kept by the server any more`
    : `Connection was lost ${span}. ${number(hole.total - hole.loaded)} events are loading from the server`;
  return { type: 'divider', id: hole.id, before: hole.to + 1, text, tone: hole.lost ? 'lost' : 'gap', progress: hole.lost ? undefined : hole.loaded / Math.max(1, hole.total) };
}

function clock(at: number): string {
  return new Date(at).toTimeString().slice(0, 8);
}

function number(value: number): string {
  return value.toLocaleString('en-US').replaceAll(',', '\u2009');
}
