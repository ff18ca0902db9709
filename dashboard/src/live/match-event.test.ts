// Holds the page's reading of queries to the table that the server is held to: for whole events, and for those in memory.
import { describe, expect, it } from 'vitest';
import source from '../../../contract/filter.json?raw';
import { decodeEvent, parseJson } from '../contract/decode';
import { Filter } from './filter';
import { parseFilter, termsOf } from './filter-language';
import { wants } from './match-event';
import { Query } from './query';
import { EventStore } from './store';

interface Table {
  now: string;
  events: Record<string, unknown>;
  queries: [string, string[]][];
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && 'now' in value && 'events' in value && 'queries' in value && Array.isArray(value.queries);
}

const table = parseJson(source);
if (!isTable(table)) throw new Error('contract/filter.json is no table');
const now = Date.parse(table.now);
const events = Object.entries(table.events).map(([name, wire]) => ({ name, event: decodeEvent(wire) }));

describe('a query wants what the server says it wants', () => {
  it.each(table.queries)('%s', (query, expected) => {
    const tokens = parseFilter(query, now);
    expect(tokens.filter((token) => token.problem !== undefined)).toEqual([]);
    const terms = termsOf(tokens);
    expect(events.filter(({ event }) => event !== undefined && wants(event, terms, now)).map(({ name }) => name)).toEqual(expected);
  });
});

describe('memory finds what the server finds', () => {
  const store = new EventStore(64, 65_536);
  for (const { event } of events) if (event) store.insert(event);
  // Without a folder of its own an event belongs to its session's project here: the column shows it.
  const known = table.queries.filter(([query]) => !query.includes('project:'));
  it.each(known)('%s', (line, expected) => {
    const query = new Query(store, new Filter(store, termsOf(parseFilter(`raw:1 ${line}`, now))));
    while (!query.step(0, () => 0, now));
    const found = Array.from({ length: query.length }, (_, index) => query.at(index));
    expect(events.filter(({ event }) => event !== undefined && found.includes(event.seq)).map(({ name }) => name)).toEqual(expected);
  });
});
