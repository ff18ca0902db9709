// Asks the server over HTTP; every answer is decoded before anyone sees it.
import { decodeErrorMessage, decodeEvent, decodeEventPage, decodeStateSnapshot, parseJson } from '../contract/decode';
import type { EventPage, MonitorEvent, StateSnapshot } from '../contract/types';

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
    return this.read(`/api/v1/events?${parameters}`, decodeEventPage);
  }

  async state(): Promise<StateSnapshot> {
    return this.read('/api/v1/state', decodeStateSnapshot);
  }

  /** Asks for something to be done; the server says why when it is not. */
  async act(method: string, path: string, body?: unknown): Promise<void> {
    await this.text(path, body === undefined ? { method } : { method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  }

  async event(seq: number): Promise<MonitorEvent> {
    return this.read(`/api/v1/events/${seq}`, decodeEvent);
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

  async read<Value>(path: string, decode: (value: unknown) => Value | undefined): Promise<Value> {
    const value = decode(parseJson(await this.text(path)));
    if (value === undefined) throw new ApiError(200, `${path.split('?')[0]} answered something this page does not understand`);
    return value;
  }
}
