// What the monitor tells of itself and of the machine it runs on: clients, checks, other monitors, its store, its log, and runs.
import { count, isObject, line, list, name, object, optionalNumber, text, time } from './loose';

export interface LiveClient {
  id: string;
  name: string;
  transport: string;
  since: number;
  namespaces: string[];
  address: string;
  userAgent: string;
  /** How long the oldest event waits that it has not taken; undefined where that is not known. */
  behindMs: number | undefined;
  waitingBytes: number;
  waitingPackets: number | undefined;
  /** Since it connected: two answers tell how many a second. */
  sentPackets: number | undefined;
  receivedPackets: number | undefined;
  /** Namespaces and rooms that it gets events of. */
  subscriptions: number | undefined;
  roundTripMs: number | undefined;
  droppedPackets: number;
}

export interface Check {
  check: string;
  state: 'ok' | 'warning' | 'broken';
  said: string;
  /** What to do, often a command. */
  fix: string;
}

export interface Doctor {
  time: number;
  checks: Check[];
}

export interface OtherMonitor {
  port: number;
  by: string;
  name: string;
  pid: number;
  needsToken: boolean;
  clients: number | undefined;
  /** In seconds. */
  uptime: number | undefined;
  /** The port of the monitor whose dashboard it is. */
  of: number;
}

export interface StoreDay {
  day: string;
  events: number;
  bytes: number;
  problem: string;
}

export interface StoreState {
  encrypted: boolean;
  bytes: number;
  events: number;
  /** Events that a search looks at one by one. */
  unindexed: number;
  days: StoreDay[];
  keepDays: number | undefined;
  keepBytes: number | undefined;
  nextToGo: { day: string; because: string } | undefined;
}

export interface LogLine {
  time: number;
  level: string;
  text: string;
}

/** An agent whose launcher takes commands now. */
export interface Run {
  launchId: string;
  sessionId: string;
  launchMethod: string;
  pid: number;
  commands: string[];
}

const DAYS_MAX = 4000;
const LOG_CHARS_MAX = 2000;

export function decodeClients(value: unknown): LiveClient[] | undefined {
  if (!isObject(value) || !Array.isArray(value['clients'])) return undefined;
  return list(value['clients']).filter(isObject).map((entry) => ({
    id: text(entry['id']), name: name(entry['name']), transport: name(entry['transport']), since: time(entry['since']), namespaces: list(entry['namespaces']).map(name),
    address: name(entry['address']), userAgent: line(text(entry['user_agent'])), behindMs: optionalNumber(entry['behind_ms']), waitingBytes: count(entry['waiting_bytes']),
    waitingPackets: optionalNumber(entry['waiting_packets']), sentPackets: optionalNumber(entry['sent_packets']), receivedPackets: optionalNumber(entry['received_packets']), subscriptions: optionalNumber(entry['subscriptions']), roundTripMs: optionalNumber(entry['round_trip_ms']), droppedPackets: count(entry['dropped_packets']),
  })).filter(({ id }) => id !== '');
}

export function decodeDoctor(value: unknown): Doctor | undefined {
  if (!isObject(value) || !Array.isArray(value['checks'])) return undefined;
  return {
    time: time(value['time']),
    checks: list(value['checks']).filter(isObject).map((entry) => ({
      check: name(entry['check']), state: entry['state'] === 'broken' ? 'broken' : entry['state'] === 'warning' ? 'warning' : 'ok', said: line(text(entry['said'], LOG_CHARS_MAX)), fix: line(text(entry['fix'], LOG_CHARS_MAX)),
    })),
  };
}

export function decodeMonitors(value: unknown): OtherMonitor[] | undefined {
  if (!isObject(value) || !Array.isArray(value['monitors'])) return undefined;
  return list(value['monitors']).filter(isObject).map((entry) => ({
    port: count(entry['port']), by: name(entry['by']), name: name(entry['name']), pid: count(entry['pid']), needsToken: entry['needs_token'] === true, clients: optionalNumber(entry['clients']), uptime: optionalNumber(entry['uptime']), of: count(entry['of']),
  }));
}

export function decodeStore(value: unknown): StoreState | undefined {
  if (!isObject(value) || !Array.isArray(value['days'])) return undefined;
  const keep = object(value['keep']);
  const next = value['next_to_go'];
  return {
    encrypted: value['encrypted'] === true, bytes: count(value['bytes']), events: count(value['events']), unindexed: count(value['unindexed']),
    days: list(value['days']).slice(-DAYS_MAX).filter(isObject).map((entry) => ({ day: dayOf(entry['name']), events: count(entry['events']), bytes: count(entry['bytes']) + count(entry['index_bytes']), problem: line(text(entry['problem'])) })),
    keepDays: optionalNumber(keep['days']), keepBytes: optionalNumber(keep['bytes']),
    nextToGo: isObject(next) ? { day: dayOf(next['day']), because: name(next['because']) } : undefined,
  };
}

/** `events-2026-11-27.db` is the 27th of November, and `events-2026-11-27-2.db` more of that day. */
function dayOf(value: unknown): string {
  return /\d{4}-\d\d-\d\d(?:-\d+)?/.exec(name(value))?.[0] ?? name(value);
}

export function decodeLog(value: unknown): LogLine[] | undefined {
  if (!isObject(value) || !Array.isArray(value['lines'])) return undefined;
  return list(value['lines']).map((entry) => {
    const whole = line(text(entry, LOG_CHARS_MAX));
    const [, at = '', level = '', said = whole] = /^(\S+)\s+([A-Z]+)\s+(.*)$/.exec(whole) ?? [];
    return { time: time(at), level: level.toLowerCase(), text: said };
  });
}

export function decodeRuns(value: unknown): Run[] | undefined {
  if (!isObject(value) || !Array.isArray(value['runs'])) return undefined;
  return list(value['runs']).filter(isObject).map((entry) => ({
    launchId: name(entry['launch_id']), sessionId: name(entry['session_id']), launchMethod: name(entry['launch_method']), pid: count(entry['pid']), commands: list(entry['commands']).map(name),
  }));
}
