// How the server is, and what it counts.
import { count, counts, isObject, line, list, name, optionalNumber, text, time } from './loose';
import type { Health, Stats } from './types';

export function decodeHealth(value: unknown): Health | undefined {
  if (!isObject(value) || text(value['status']) === '') return undefined;
  return {
    status: name(value['status']), health: name(value['health']), version: name(value['version']), port: count(value['port']), pid: count(value['pid']),
    uptime: count(value['uptime']), connections: count(value['connections']), reasons: list(value['reasons']).map((entry) => line(text(entry))),
  };
}

export function decodeStats(value: unknown): Stats | undefined {
  if (!isObject(value) || !Array.isArray(value['events_per_minute'])) return undefined;
  return {
    serverTime: time(value['server_time']), events: count(value['events']), errors: count(value['errors']), uniqueKinds: count(value['unique_kinds']),
    perMinute: list(value['events_per_minute']).filter(isObject).map((entry) => ({ minute: time(entry['minute']), events: count(entry['events']), errors: count(entry['errors']) })),
    byNamespace: counts(value['by_namespace']),
    byKind: counts(value['by_kind']),
    clients: optionalNumber(value['clients']),
  };
}
