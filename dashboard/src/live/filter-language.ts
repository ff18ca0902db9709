// The filter language: one line of text becomes terms, and terms become that text again (chips and typed text are the same thing).

export type ColumnKey = 'ns' | 'type' | 'tool' | 'agent' | 'session' | 'project';
export type IsKey = 'error' | 'open' | 'need' | 'denied';

export type Term =
  | { kind: 'column'; key: ColumnKey; values: string[]; negated: boolean }
  | { kind: 'is'; value: IsKey; negated: boolean }
  | { kind: 'text'; text: string; style: TextStyle; negated: boolean }
  | { kind: 'regex'; source: string; negated: boolean }
  | { kind: 'took'; above: boolean; ms: number; negated: boolean }
  | { kind: 'level'; least: number; negated: boolean }
  | { kind: 'last'; ms: number }
  | { kind: 'from' | 'to'; at: number }
  | { kind: 'raw'; on: boolean };

/** All begin a token: a phrase with white space in it, a path in the names of files. */
export type TextStyle = 'word' | 'phrase' | 'path';

export interface Token {
  /** As typed. */
  source: string;
  term: Term | undefined;
  /** Why it has no meaning, in words for the person who typed it. */
  problem: string | undefined;
}

const COLUMNS: Record<string, ColumnKey> = { ns: 'ns', namespace: 'ns', type: 'type', kind: 'type', tool: 'tool', agent: 'agent', session: 'session', project: 'project' };
const IS: Record<string, IsKey> = { error: 'error', open: 'open', need: 'need', denied: 'denied' };
/** Python's levels in their order, and the other names for them. */
const LEVELS: Record<string, number> = { trace: 0, debug: 1, info: 2, warning: 3, warn: 3, error: 4, critical: 5, fatal: 5 };
const UNITS_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** Events that only repeat what a call's row says; shown with `raw:1`, or when a `type:` asks for them. */
export const ECHO_KINDS: ReadonlySet<string> = new Set(['tool_batch.finished', 'file.operated']);

/** Events that say again what another one says: shown where their own namespace is asked for. */
export const QUIET_KINDS: ReadonlySet<string> = new Set(['claude.status_changed']);

/** What the server tells because of a call, naming the call: one row stands for all of it. */
export const FOLLOWING_KINDS: ReadonlySet<string> = new Set(['agent.delegated', 'agent.started', 'agent.finished', 'todo.updated', 'test.finished', 'git.operated', 'file.operated', 'tool_call.decided']);

/** Those of them whose words the call's row adds to its own. */
export const NOTE_KINDS: ReadonlySet<string> = new Set(['test.finished', 'agent.finished']);

/** Is anything asked for by name that would stand in another row otherwise? */
export function asksForAll(terms: readonly Term[]): boolean {
  return terms.some((term) => (term.kind === 'raw' && term.on) || (term.kind === 'column' && term.key === 'type' && !term.negated));
}

export function asksForNamespace(terms: readonly Term[]): boolean {
  return terms.some((term) => term.kind === 'column' && term.key === 'ns' && !term.negated);
}

export const FILTER_KEYS: readonly string[] = ['ns:', 'type:', 'tool:', 'agent:', 'session:', 'project:', 'path:', 'is:', 'level:', 'took:', 'last:', 'from:', 'to:', 'raw:1'];

/** `now` is what `from:14:30` without a date counts from. */
export function parseFilter(line: string, now: number = Date.now()): Token[] {
  return split(line).map((source) => parseToken(source, now));
}

export function termsOf(tokens: readonly Token[]): Term[] {
  return tokens.flatMap((token) => (token.term ? [token.term] : []));
}

/** Words are cut at spaces outside of quotes and slashes; an expression ends at a slash before a space or the end. */
export function split(line: string): string[] {
  return line.match(/-?(?:[a-z]+:)?"[^"]*"?|-?\/.+?\/(?=\s|$)|\S+/gi) ?? [];
}

function parseToken(source: string, now: number): Token {
  const negated = source.length > 1 && source.startsWith('-');
  const body = negated ? source.slice(1) : source;
  if (body.length > 2 && body.startsWith('/') && body.endsWith('/')) return regexToken(source, body.slice(1, -1), negated);
  const colon = body.indexOf(':');
  const key = colon > 0 ? body.slice(0, colon).toLowerCase() : '';
  const value = unquote(body.slice(colon + 1));
  const token = key === '' ? undefined : keyToken(source, key, value, negated, now);
  if (token) return token;
  const style = body.startsWith('"') ? 'phrase' : 'word';
  const text = unquote(style === 'word' && body.length > 1 ? body.replace(/\*$/, '') : body).toLowerCase();
  return { source, term: text === '' ? undefined : { kind: 'text', text, style, negated }, problem: undefined };
}

/** `undefined`: the word before the colon is none of ours, so the whole is text. */
function keyToken(source: string, key: string, value: string, negated: boolean, now: number): Token | undefined {
  const good = (term: Term): Token => ({ source, term, problem: undefined });
  const bad = (problem: string): Token => ({ source, term: undefined, problem });
  const column = COLUMNS[key];
  if (column) {
    const values = value.split(',').map((entry) => entry.trim().toLowerCase()).filter((entry) => entry !== '');
    return values.length > 0 ? good({ kind: 'column', key: column, values, negated }) : bad(`${key}: needs a value`);
  }
  switch (key) {
    case 'path': {
      const begins = value.toLowerCase().split(',').filter((path) => path !== '').map((path) => path.replace(/\*+$/, ''));
      if (begins.length === 0) return bad('path: needs a value');
      if (begins.some((path) => path === '' || path.includes('*'))) return bad('path: takes a * only at the end; write path:src/server or path:.ts');
      return good({ kind: 'text', text: begins.join(','), style: 'path', negated });
    }
    case 'is': {
      const state = IS[value.toLowerCase()];
      return state ? good({ kind: 'is', value: state, negated }) : bad('is: knows error, open, need and denied');
    }
    case 'level': {
      const least = levelRank(value);
      return least === undefined ? bad('level: knows debug, info, warning, error and critical') : good({ kind: 'level', least, negated });
    }
    case 'took': {
      const parts = /^([<>])?(.+)$/.exec(value);
      const length = parts?.[2] ?? '';
      const ms = parseDuration(/^[\d.]+$/.test(length) ? `${length}s` : length);
      return ms === undefined ? bad('took: needs a time, as in took:>5s') : good({ kind: 'took', above: parts?.[1] !== '<', ms, negated });
    }
    case 'last': {
      const ms = parseDuration(value);
      return ms === undefined ? bad('last: needs a time, as in last:15m') : good({ kind: 'last', ms });
    }
    case 'from':
    case 'to': {
      const at = parseMoment(value, now);
      return at === undefined ? bad(`${key}: needs a time, as in ${key}:14:30 or ${key}:2026-11-20T14:30:00Z`) : good({ kind: key, at });
    }
    case 'in':
      // What is withheld the server alone searches; here it narrows nothing.
      return value === 'content' ? { source, term: undefined, problem: undefined } : bad('in: knows content');
    case 'raw':
      return value === '1' || value === '0' ? good({ kind: 'raw', on: value === '1' }) : bad('raw: is 1 or 0');
    default:
      return undefined;
  }
}

/** The rank of a log line's level; `undefined` for what is none. */
export function levelRank(level: string): number | undefined {
  return LEVELS[level.toLowerCase()];
}

function regexToken(source: string, pattern: string, negated: boolean): Token {
  try {
    new RegExp(pattern, 'i');
    return { source, term: { kind: 'regex', source: pattern, negated }, problem: undefined };
  } catch {
    return { source, term: undefined, problem: 'this is no regular expression' };
  }
}

function unquote(value: string): string {
  return value.startsWith('"') ? value.slice(1, value.length > 1 && value.endsWith('"') ? -1 : undefined) : value;
}

export function parseDuration(value: string): number | undefined {
  const parts = /^(\d+(?:\.\d+)?)(ms|s|m|min|h|d)$/i.exec(value.trim());
  const unit = UNITS_MS[(parts?.[2] ?? '').toLowerCase()];
  return parts && unit !== undefined ? Number(parts[1]) * unit : undefined;
}

function parseMoment(value: string, now: number): number | undefined {
  const clock = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(value);
  if (clock) {
    const at = new Date(now);
    at.setHours(Number(clock[1]), Number(clock[2]), Number(clock[3] ?? 0), 0);
    return at.getTime();
  }
  const parsed = Date.parse(value);
  return Number.isFinite(parsed) ? parsed : undefined;
}

/** Replaces every token of a key (or takes it away, with no values): how tabs, strips and the brush edit the line. */
export function withColumn(line: string, key: string, values: readonly string[]): string {
  const rest = split(line).filter((source) => !source.toLowerCase().startsWith(`${key}:`));
  const token = values.length > 0 ? [`${key}:${values.map(quoteValue).join(',')}`] : [];
  return [...token, ...rest].join(' ');
}

export function columnValues(line: string, key: string): string[] {
  return split(line).flatMap((source) => (source.toLowerCase().startsWith(`${key}:`) ? unquote(source.slice(key.length + 1)).split(',').filter((value) => value !== '') : []));
}

export function withoutToken(line: string, token: string): string {
  const tokens = split(line);
  const at = tokens.indexOf(token);
  return tokens.filter((_, index) => index !== at).join(' ');
}

function quoteValue(value: string): string {
  return /[\s"]/.test(value) ? `"${value.replaceAll('"', '')}"` : value;
}
