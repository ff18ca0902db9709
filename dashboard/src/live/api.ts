// Asks the server over HTTP; every answer is decoded before anyone sees it.
import { decodeClients, decodeDoctor, decodeLog, decodeMonitors, decodeRuns, decodeStore, type Doctor, type LiveClient, type LogLine, type OtherMonitor, type Run, type StoreState } from '../contract/machine';
import { decodeErrorMessage, decodeEvent, decodeEventPage, decodeHealth, decodeStateSnapshot, decodeStats, parseJson } from '../contract/decode';
import { decodeGitDiff, type GitDiff } from '../contract/git-diff';
import { decodeTranscript, type TranscriptPage } from '../contract/transcript';
import { decodeOverTime, type OverTime } from '../contract/over-time';
import { decodeSpans, type SpanReport } from '../contract/spans';
import type { EventPage, Health, MonitorEvent, StateSnapshot, Stats } from '../contract/types';

const TIMEOUT_MS = 20_000;

export class ApiError extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

export interface EventQuery {
  q?: string;
  namespace?: string;
  kind?: string;
  session?: string;
  agent?: string;
  tool?: string;
  before?: number;
  after?: number;
  limit?: number;
}

export class Api {
  token = '';

  constructor(readonly origin: string) {}

  async events(query: EventQuery): Promise<EventPage> {
    const parameters = new URLSearchParams();
    for (const [key, value] of Object.entries(query)) if (value !== undefined && value !== '') parameters.set(key, String(value));
    return this.#read(`/api/v1/events?${parameters}`, decodeEventPage);
  }

  async state(): Promise<StateSnapshot> {
    return this.#read('/api/v1/state', decodeStateSnapshot);
  }

  async stats(minutes: number): Promise<Stats> {
    return this.#read(`/api/v1/stats?minutes=${minutes}`, decodeStats);
  }

  async health(): Promise<Health> {
    return this.#read('/health', decodeHealth);
  }

  /** One session; with `since` only what an event after it changed. */
  async spans(sessionId: string, since: number | undefined): Promise<SpanReport> {
    return this.#read(`/api/v1/sessions/${encodeURIComponent(sessionId)}/spans${since === undefined ? '' : `?since=${since}`}`, decodeSpans);
  }

  /** What was said, from the end back; `agent` a subagent. */
  async transcript(sessionId: string, before: number | undefined, limit: number, agent = ''): Promise<TranscriptPage> {
    const parameters = new URLSearchParams({ limit: String(limit), ...(before === undefined ? {} : { before: String(before) }), ...(agent === '' ? {} : { agent }) });
    return this.#read(`/api/v1/sessions/${encodeURIComponent(sessionId)}/transcript?${parameters}`, decodeTranscript);
  }

  async gitDiff(path: string): Promise<GitDiff> {
    return this.#read(`/api/v1/files/diff?${new URLSearchParams({ path, against: 'git' })}`, decodeGitDiff);
  }

  /** Undefined from a server without sums. */
  async overTime({ from, to, step, group }: { from: number; to: number; step: string; group: string }): Promise<OverTime | undefined> {
    return decodeOverTime(parseJson(await this.text(`/api/v1/stats?${new URLSearchParams({ minutes: '1', from: String(Math.round(from)), to: String(Math.round(to)), step, group })}`)));
  }

  async clients(): Promise<LiveClient[]> {
    return this.#read('/api/v1/clients', decodeClients);
  }

  async doctor(): Promise<Doctor> {
    return this.#read('/api/v1/doctor', decodeDoctor);
  }

  async monitors(): Promise<OtherMonitor[]> {
    return this.#read('/api/v1/monitors', decodeMonitors);
  }

  async store(): Promise<StoreState> {
    return this.#read('/api/v1/store', decodeStore);
  }

  async log(lines: number): Promise<LogLine[]> {
    return this.#read(`/api/v1/log?tail=${lines}`, decodeLog);
  }

  async runs(): Promise<Run[]> {
    return this.#read('/api/v1/runs', decodeRuns);
  }

  /** Asks for something to be done; the server says why when it is not. */
  async act(method: string, path: string, body?: unknown): Promise<void> {
    await this.text(path, body === undefined ? { method } : { method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  }

  async event(seq: number): Promise<MonitorEvent> {
    return this.#read(`/api/v1/events/${seq}`, decodeEvent);
  }

  /** The event's JSON as the server writes it. */
  async eventText(seq: number): Promise<string> {
    return this.text(`/api/v1/events/${seq}`);
  }

  async content(seq: number): Promise<string> {
    return this.text(`/api/v1/events/${seq}/content`);
  }

  async emit(namespace: string, event: string, data: Record<string, string>): Promise<void> {
    await this.text('/emit', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ namespace, event, data }) });
  }

  async text(path: string, init: RequestInit = {}): Promise<string> {
    const headers = new Headers(init.headers);
    if (this.token !== '') headers.set('Authorization', `Bearer ${this.token}`);
    const response = await fetch(this.origin + path, { ...init, headers, signal: AbortSignal.timeout(TIMEOUT_MS), credentials: 'same-origin' });
    const body = await response.text();
    if (!response.ok) throw new ApiError(response.status, decodeErrorMessage(parseJson(body)) || `${path} answered ${response.status}`);
    return body;
  }

  /** What streams for as long as it takes: for downloads that have to bring the token. */
  async blob(path: string): Promise<Blob> {
    const response = await fetch(this.origin + path, { headers: { Authorization: `Bearer ${this.token}` }, credentials: 'same-origin' });
    if (!response.ok) throw new ApiError(response.status, decodeErrorMessage(parseJson(await response.text())) || `${path} answered ${response.status}`);
    return response.blob();
  }

  async #read<Value>(path: string, decode: (value: unknown) => Value | undefined): Promise<Value> {
    const value = decode(parseJson(await this.text(path)));
    if (value === undefined) throw new ApiError(200, `${path.split('?')[0]} answered something this page does not understand`);
    return value;
  }
}
