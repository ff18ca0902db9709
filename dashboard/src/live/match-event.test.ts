// Holds the page's reading of queries to the table that the server is held to.
import { describe, expect, it } from 'vitest';
import source from '../../../contract/filter.json?raw';
import { decodeEvent, parseJson } from '../contract/decode';
import { parseFilter, termsOf } from './filter-language';
import { wants } from './match-event';

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
