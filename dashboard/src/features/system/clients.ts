// A client in few words, and how fast it is sent to and sends.
import type { LiveClient } from '../../contract/machine';

const BROWSERS: readonly [RegExp, string][] = [[/Edg\/(\d+)/, 'Edge'], [/OPR\/(\d+)/, 'Opera'], [/Firefox\/(\d+)/, 'Firefox'], [/(?:Headless)?Chrome\/(\d+)/, 'Chromium'], [/Version\/(\d+).* Safari\//, 'Safari']];

/** `Firefox 128`, `python-requests/2.32`, or nothing. */
export function agentName(userAgent: string): string {
  for (const [pattern, name] of BROWSERS) {
    const version = pattern.exec(userAgent)?.[1];
    if (version !== undefined) return `${name} ${version}`;
  }
  return userAgent.split(' ')[0] ?? '';
}

/** A page of ours, something else with Socket.IO, or one that takes events without it. */
export function kindOf({ namespaces, transport }: Pick<LiveClient, 'namespaces' | 'transport'>): 'Page' | 'Program' | 'Raw' {
  return namespaces.includes('/monitor') ? 'Page' : namespaces.length > 0 || transport === 'polling' ? 'Program' : 'Raw';
}

export interface Pace {
  out: number | undefined;
  in: number | undefined;
}

/** Packets a second between the last two answers; nothing for who was not in both. */
export class Paces {
  #before = new Map<string, { at: number; sent: number | undefined; received: number | undefined }>();
  #paces = new Map<string, Pace>();
  #taken: readonly LiveClient[] | undefined;

  /** Takes an answer of a time. One that is told twice changes nothing. */
  take(clients: readonly LiveClient[], at: number): ReadonlyMap<string, Pace> {
    if (clients === this.#taken) return this.#paces;
    this.#taken = clients;
    const next = new Map<string, { at: number; sent: number | undefined; received: number | undefined }>();
    const paces = new Map<string, Pace>();
    for (const { id, sentPackets: sent, receivedPackets: received } of clients) {
      next.set(id, { at, sent, received });
      const before = this.#before.get(id);
      if (!before || at <= before.at) continue;
      const perSecond = (now: number | undefined, then: number | undefined): number | undefined => (now === undefined || then === undefined ? undefined : Math.max(0, ((now - then) / (at - before.at)) * 1000));
      paces.set(id, { out: perSecond(sent, before.sent), in: perSecond(received, before.received) });
    }
    this.#before = next;
    this.#paces = paces;
    return this.#paces;
  }
}
