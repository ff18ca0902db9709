// What the address bar says, and how it is written: everything that can be shared is in it.
import { columnValues, split, withColumn } from '../live/filter-language';
import { BASE, under, within } from './base';

export type View = 'live' | 'timeline' | 'work' | 'usage' | 'system';

export interface Route {
  view: View;
  /** The filter line, namespaces and range included. */
  filter: string;
  /** Selected event; 0 for none. */
  event: number;
  /** Session of the Timeline. */
  session: string;
  /** Tab within a view. */
  tab: string;
  /** What is chosen within a tab: a file's path, or a session with the words of an item of its list. */
  item: string;
  /** The shown part of time on Timeline and Usage, in milliseconds; undefined: all of it. */
  range: { from: number; to: number } | undefined;
}

/** Parameters of the page itself, kept through every navigation. */
const KEPT = ['port', 'autoconnect', 'keep'];
const RANGE_KEYS = ['from', 'to'];

export function readRoute(url: URL, base: string = BASE): Route {
  const [first = '', second = ''] = within(base, url.pathname).split('/').filter((part) => part !== '').map(decode);
  const parameters = url.searchParams;
  let filter = parameters.get('q') ?? '';
  const namespaces = parameters.get('ns')?.split(',').filter((name) => name !== '') ?? [];
  for (const key of RANGE_KEYS) {
    const value = viewOf(first) === 'live' ? parameters.get(key) : null;
    if (value) filter = withColumn(filter, key, [value]);
  }
  if (namespaces.length > 0) filter = withColumn(filter, 'ns', namespaces);
  const event = Number(parameters.get('e') ?? 0);
  return {
    view: viewOf(first),
    filter,
    event: Number.isSafeInteger(event) && event > 0 ? event : 0,
    session: first === 's' ? second : '',
    tab: first === 'work' ? second || 'todos' : (parameters.get('tab') ?? ''),
    item: parameters.get('f') ?? '',
    range: first === 's' || first === 'usage' ? rangeOf(parameters.get('from'), parameters.get('to')) : undefined,
  };
}

export function writeRoute(route: Route, current: URL, base: string = BASE): string {
  const parameters = new URLSearchParams();
  for (const key of KEPT) {
    const value = current.searchParams.get(key);
    if (value !== null) parameters.set(key, value);
  }
  if (route.view === 'live') {
    const rest = split(route.filter).filter((token) => !/^(ns|from|to):/i.test(token)).join(' ');
    if (rest !== '') parameters.set('q', rest);
    for (const key of ['ns', ...RANGE_KEYS]) {
      const values = columnValues(route.filter, key);
      if (values.length > 0) parameters.set(key, values.join(','));
    }
  }
  if (route.tab !== '' && (route.view === 'timeline' || route.view === 'system')) parameters.set('tab', route.tab);
  if (route.item !== '' && (route.view === 'timeline' || route.view === 'work')) parameters.set('f', route.item);
  if (route.range && (route.view === 'timeline' || route.view === 'usage')) {
    parameters.set('from', iso(route.range.from));
    parameters.set('to', iso(route.range.to));
  }
  if (route.event > 0) parameters.set('e', String(route.event));
  const query = parameters.toString();
  return under(base, pathOf(route)) + (query === '' ? '' : `?${query}`);
}

function pathOf(route: Route): string {
  switch (route.view) {
    case 'timeline':
      return route.session === '' ? '/s/' : `/s/${encodeURIComponent(route.session)}`;
    case 'work':
      return `/work/${encodeURIComponent(route.tab || 'todos')}`;
    case 'live':
    case 'usage':
    case 'system':
      return `/${route.view}`;
  }
}

function rangeOf(from: string | null, to: string | null): Route['range'] {
  const range = { from: Date.parse(from ?? ''), to: Date.parse(to ?? '') };
  return range.to > range.from ? range : undefined;
}

function iso(at: number): string {
  return new Date(Math.round(at)).toISOString();
}

function viewOf(first: string): View {
  if (first === 's' || first === 'timeline') return 'timeline';
  return first === 'work' || first === 'usage' || first === 'system' ? first : 'live';
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** `?autoconnect=false` waits for a click. */
export function autoconnect(url: URL): boolean {
  return !/^(false|0|no)$/i.test(url.searchParams.get('autoconnect') ?? 'true');
}

/** `?keep=1048576`: how many events this tab keeps; a power of two between 4,096 and 1,048,576. */
export function keep(url: URL, standard: number): number {
  const wanted = Number(url.searchParams.get('keep') ?? standard);
  if (!Number.isFinite(wanted)) return standard;
  return 2 ** Math.round(Math.log2(Math.min(1_048_576, Math.max(4096, wanted))));
}
