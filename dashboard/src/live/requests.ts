// The answered requests to models that this tab knows, in the order of their time: what cost, tokens and context are counted from.
import type { ApiRequest } from '../contract/types';
import { windowOf } from './windows';

/** About 20 MB; the oldest go first. */
const REQUESTS_MAX = 100_000;

/** How full a session's main thread is, by its last request. */
export interface Context {
  tokens: number;
  /** Assumed from the model's name; larger when more was seen. */
  window: number;
  at: number;
}

export class Requests {
  readonly list: ApiRequest[] = [];
  /** When each session was last compacted: requests before that say nothing about its context now. */
  readonly #compacted = new Map<string, number>();
  changes = 0;

  add(request: ApiRequest): void {
    this.changes += 1;
    this.list.splice(this.lowerBound(request.time), 0, request);
    if (this.list.length > REQUESTS_MAX) this.list.shift();
  }

  compacted(sessionId: string, time: number): void {
    this.changes += 1;
    this.#compacted.set(sessionId, Math.max(time, this.#compacted.get(sessionId) ?? 0));
  }

  clear(): void {
    this.list.length = 0;
    this.#compacted.clear();
  }

  /** Index of the first request at this time or later. */
  lowerBound(time: number): number {
    let low = 0;
    let high = this.list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.list[middle]?.time ?? 0) < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether some of the cost since a time is an estimate. */
  estimatedSince(time: number): boolean {
    return this.list.slice(this.lowerBound(time)).some(({ estimated }) => estimated);
  }

  /** Cost since a time, reported or estimated; undefined when nothing was priced. */
  costSince(time: number): number | undefined {
    let sum: number | undefined;
    for (let index = this.lowerBound(time); index < this.list.length; index += 1) {
      const cost = this.list[index]?.costUsd;
      if (cost !== undefined) sum = (sum ?? 0) + cost;
    }
    return sum;
  }

  contexts(): Record<string, Context> {
    const contexts: Record<string, Context> = {};
    for (let index = this.list.length - 1; index >= 0; index -= 1) {
      const request = this.list[index];
      if (!request?.main || contexts[request.sessionId] || request.time < (this.#compacted.get(request.sessionId) ?? 0)) continue;
      const tokens = contextOf(request);
      contexts[request.sessionId] = { tokens, window: windowOf(request.model, tokens), at: request.time };
    }
    return contexts;
  }
}

/** What was sent with a request: the answer is not part of it. */
export function contextOf(request: ApiRequest): number {
  return request.input + request.cacheRead + request.cacheCreation;
}
