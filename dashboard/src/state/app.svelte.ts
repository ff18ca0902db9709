// The page's one state: what the worker told, where the person is, and what they chose.
import { reasonOf } from '../contract/reason';
import type { MonitorEvent, Session, SessionContext, SessionState } from '../contract/types';
import { SESSION_STATES } from '../contract/types';
import type { Link } from '../live/connection';
import type { FromWorker, RowsMessage, ServerInfo, Summary } from '../live/protocol';
import { RING_EVENTS_DEFAULT } from '../live/ring';
import { amount, type TimeMode } from '../ui/format';
import { settings } from './settings.svelte';
import { orderSessions } from './bay-order';
import { Client } from './client';
import { BASE, serverRoot, under } from './base';
import { autoconnect, keep, readRoute, writeRoute, type Route } from './route';

export interface Toast {
  id: number;
  text: string;
  action: { label: string; run: () => void } | undefined;
}

/** A list under a reader's pointer must not jump; otherwise it is sorted anew this often. */
const SORT_EVERY_MS = 2000;
const VOLATILE_MAX = 200;
const TOAST_MS = 8000;
const MODE_WORDS: Record<TimeMode, string> = { local: 'local', utc: 'UTC', relative: 'relative to now', session: 'counted from the beginning of the session' };

export class App {
  link = $state.raw<Link | undefined>(undefined);
  server = $state.raw<ServerInfo>({ version: '', port: 0, instance: '', epoch: '', client: '' });
  summary = $state.raw<Summary | undefined>(undefined);
  /** In the order of the bay. */
  sessions = $state.raw<readonly Session[]>([]);
  clients = $state<number | undefined>(undefined);
  eventsPerSecond = $state<number | undefined>(undefined);
  /** Not stored by the server: who connected, who was refused. Newest first. */
  volatile = $state.raw<readonly MonitorEvent[]>([]);
  /** The session that was deleted last: nothing of it is shown any longer. */
  deleted = $state('');
  route = $state.raw<Route>(readRoute(new URL(location.href)));
  now = $state(Date.now());
  theme = $state(document.documentElement.dataset['theme'] ?? 'light');
  overlay = $state<'none' | 'palette' | 'keys' | 'connection' | 'copy'>('none');
  inspectorOpen = $state(true);
  bayOpen = $state(true);
  /** A phone's width: sessions or a view, not both. */
  narrow = $state(false);
  narrowSessions = $state(true);
  toasts = $state.raw<readonly Toast[]>([]);
  /** For those who listen: what a key has just brought up where there is no focus to follow. */
  said = $state('');
  loaded = $state(false);
  /** The server came back as another version than the one this page is from. */
  newer = $state('');
  /** Set by the grid. */
  onRows: (message: RowsMessage) => void = () => undefined;
  onDirty: () => void = () => undefined;
  bayBusy = false;
  readonly client: Client;
  /** The server's address, without a slash at its end. */
  readonly origin: string;
  #sortedAt = 0;
  #toastId = 0;

  readonly counts = $derived.by(() => {
    const counts: Record<SessionState, number> = { need: 0, failing: 0, stuck: 0, working: 0, idle: 0, ended: 0 };
    for (const session of this.sessions) counts[session.state] += 1;
    return counts;
  });
  readonly live = $derived(this.link?.phase === 'live');
  /** Timers stop with the connection: what is shown is the last known state. */
  readonly clock = $derived(this.live || !this.link?.lostAt ? this.now + (this.link?.skewMs ?? 0) : this.link.lostAt);
  /** Nothing but the server's own beginnings: the first minute. */
  readonly empty = $derived(
    this.loaded && this.live && this.sessions.length === 0 && this.summary !== undefined && this.summary.history === 'none' && this.summary.types.every(({ kind }) => kind.startsWith('system.') || kind.startsWith('config.')),
  );

  constructor() {
    const url = new URL(location.href);
    this.origin = serverRoot(url, BASE);
    this.client = new Client((message) => this.#receive(message));
    this.client.send({ type: 'start', origin: this.origin, token: readToken(), capacity: keep(url, RING_EVENTS_DEFAULT), connect: autoconnect(url) });
    if (this.route.filter !== '') this.client.send({ type: 'filter', line: this.route.filter });
    this.narrowSessions = this.route.view === 'live' && this.route.filter === '' && this.route.event === 0;
    const narrow = matchMedia('(max-width: 640px)');
    this.narrow = narrow.matches;
    narrow.addEventListener('change', () => (this.narrow = narrow.matches));
    setInterval(() => this.#tick(), 1000);
    addEventListener('popstate', () => this.#follow(readRoute(new URL(location.href))));
    addEventListener('online', () => this.retry());
  }

  get timeMode(): TimeMode {
    return settings.timeMode;
  }

  get port(): number {
    return this.server.port || Number(new URL(this.origin).port) || 80;
  }

  /** How full the session's context is: as the server says, else by its last request that this tab knows. */
  context(session: Session): { part: number; status: SessionContext['status']; says: string } | undefined {
    const known = session.context ?? this.summary?.contexts[session.sessionId];
    if (!known) return undefined;
    const part = known.tokens / known.window;
    const status = session.context?.status ?? (part >= 0.95 ? 'full' : part >= 0.8 ? 'high' : 'ok');
    return { part, status, says: `Context: ${amount(known.tokens)} tokens in the main thread's last request; a window of ${amount(known.window)} is assumed for the model` };
  }

  /** A path of the page as the browser has to ask for it. */
  href(path: string): string {
    return under(BASE, path);
  }

  session(id: string): Session | undefined {
    return this.sessions.find((session) => session.sessionId === id);
  }

  /** `replace` while typing, else a new entry in the browser's history. */
  go(change: Partial<Route>, replace = false): void {
    const route = { ...this.route, ...change };
    const url = writeRoute(route, new URL(location.href));
    if (replace) history.replaceState(null, '', url);
    else if (url !== location.pathname + location.search) history.pushState(null, '', url);
    this.#follow(route);
  }

  setFilter(line: string, replace = false): void {
    this.go({ view: 'live', filter: line }, replace);
  }

  select(seq: number): void {
    this.go({ event: seq }, this.route.event > 0);
    if (seq > 0) this.inspectorOpen = true;
  }

  /** Shows the event that a session's state follows from, whatever was closed before and whether or not the list has it. */
  showReason({ reason }: Session, filter = this.route.filter): void {
    this.narrowSessions = false;
    this.inspectorOpen = true;
    this.go({ view: 'live', filter, event: reason?.seq ?? 0 });
  }

  connect(token?: string): void {
    if (token !== undefined) sessionStorage.setItem('token', token);
    this.client.send({ type: 'connect', token });
  }

  disconnect(): void {
    this.client.send({ type: 'disconnect' });
  }

  retry(): void {
    if (this.link?.phase === 'lost' || this.link?.phase === 'failed') this.client.send({ type: 'connect', token: undefined });
  }

  clear(): void {
    const rows = this.summary?.matches ?? 0;
    this.client.send({ type: 'hide', hidden: true });
    this.toast(`Cleared ${rows.toLocaleString('en-US')} rows from the view. The server keeps them.`, { label: 'Undo', run: () => this.client.send({ type: 'hide', hidden: false }) });
  }

  toast(text: string, action?: Toast['action']): void {
    const id = (this.#toastId += 1);
    this.toasts = [...this.toasts.slice(-2), { id, text, action }];
    setTimeout(() => this.dismiss(id), TOAST_MS);
  }

  /** Does what may be refused, and tells a person when it was; `true` when it was done. */
  async attempt(what: () => Promise<unknown>, failed = ''): Promise<boolean> {
    try {
      await what();
      return true;
    } catch (error) {
      this.toast(`${failed}${reasonOf(error)}`);
      return false;
    }
  }

  dismiss(id: number): void {
    this.toasts = this.toasts.filter((toast) => toast.id !== id);
  }

  async copy(text: string, what: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      this.toast(`${what} copied`);
    } catch {
      this.toast(`The browser does not allow copying here. ${what}: ${text.slice(0, 200)}`);
    }
  }

  setTheme(theme: string): void {
    this.theme = theme;
    document.documentElement.dataset['theme'] = theme;
    try {
      localStorage.setItem('theme', theme);
    } catch {
      // Storage may be forbidden; the choice then lasts as long as the tab.
    }
  }

  cycleTime(): void {
    this.toast(`Times are ${MODE_WORDS[settings.nextTimeMode()]}`);
  }

  #follow(route: Route): void {
    const filterChanged = route.filter !== this.route.filter;
    this.route = route;
    if (filterChanged) this.client.send({ type: 'filter', line: route.filter });
  }

  #tick(): void {
    this.now = Date.now();
    this.#sort(false);
  }

  #sort(force: boolean): void {
    if (!force && (this.bayBusy || Date.now() - this.#sortedAt < SORT_EVERY_MS)) return;
    this.#sortedAt = Date.now();
    const ordered = orderSessions(this.sessions);
    if (ordered.some((session, index) => session !== this.sessions[index])) this.sessions = ordered;
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case 'rows':
        this.onRows(message);
        break;
      case 'dirty':
        this.onDirty();
        break;
      case 'link':
        this.link = message.link;
        break;
      case 'server':
        if (this.server.version !== '' && message.server.version !== this.server.version) this.newer = message.server.version;
        this.server = message.server;
        break;
      case 'summary':
        this.summary = message;
        break;
      case 'volatile':
        this.volatile = [...message.events.reverse(), ...this.volatile].slice(0, VOLATILE_MAX);
        this.deleted = message.events.find(({ kind }) => kind === 'session.deleted')?.sessionId ?? this.deleted;
        break;
      case 'fleet':
        this.#fleet(message.sessions, message.removed, message.whole);
        if (message.clients !== undefined) this.clients = message.clients;
        if (message.eventsPerSecond !== undefined) this.eventsPerSecond = message.eventsPerSecond;
        break;
    }
  }

  /** Keeps places: a changed session stays where it is until the next sorting, a new one of urgency sorts at once. */
  #fleet(changed: readonly Session[], removed: readonly string[], whole: boolean): void {
    const changes = new Map(changed.map((session) => [session.sessionId, session]));
    const gone = new Set(removed);
    const kept = (whole ? [] : this.sessions).filter((session) => !gone.has(session.sessionId));
    const known = new Set(kept.map((session) => session.sessionId));
    const urgent = changed.some((session) => session.state === 'need' && this.session(session.sessionId)?.state !== 'need');
    this.sessions = [...kept.map((session) => changes.get(session.sessionId) ?? session), ...[...changes.values()].filter((session) => !known.has(session.sessionId))];
    this.loaded = true;
    this.#sort(whole || (urgent && !this.bayBusy));
  }
}

function readToken(): string {
  try {
    return sessionStorage.getItem('token') ?? '';
  } catch {
    return '';
  }
}

export const STATE_WORDS: Record<SessionState, string> = { need: 'Needs you', failing: 'Failing', stuck: 'Stuck', working: 'Working', idle: 'Idle', ended: 'Ended' };
export const STATES = SESSION_STATES;
export const app = new App();
