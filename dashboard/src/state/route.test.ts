// Proves that an address gives back the view it was made from.
import { expect, it } from 'vitest';
import { serverRoot } from './base';
import { autoconnect, keep, readRoute, writeRoute, type Route } from './route';

const at = (path: string) => new URL(path, 'http://127.0.0.1:8765');

it('round-trips views, filters and selections', () => {
  const routes: Route[] = [
    { view: 'live', filter: 'ns:hook,log tool:Bash is:error', event: 81234, session: '', tab: '', item: '', range: undefined },
    { view: 'live', filter: '', event: 0, session: '', tab: '', item: '', range: undefined },
    { view: 'timeline', filter: '', event: 7, session: 'c01b/d4', tab: '', item: '', range: undefined },
    { view: 'work', filter: '', event: 0, session: '', tab: 'files', item: '/home/a b/ü.rs', range: undefined },
    { view: 'timeline', filter: '', event: 0, session: 'c01b', tab: 'agents', item: '', range: { from: 1_700_000_000_000, to: 1_700_000_060_500 } },
    { view: 'usage', filter: '', event: 0, session: '', tab: '', item: '', range: undefined },
    { view: 'system', filter: '', event: 0, session: '', tab: '', item: '', range: undefined },
  ];
  for (const route of routes) expect(readRoute(at(writeRoute(route, at('/'))))).toEqual(route);
});

it('shows a range as from and to, and keeps the page\'s own parameters', () => {
  const url = writeRoute({ view: 'live', filter: 'from:2026-11-20T14:00:00Z checkout', event: 0, session: '', tab: '', item: '', range: undefined }, at('/?port=9000&x=1'));
  expect(url).toBe('/live?port=9000&q=checkout&from=2026-11-20T14%3A00%3A00Z');
  expect(readRoute(at(url)).filter).toBe('from:2026-11-20T14:00:00Z checkout');
});

it('opens Live for every other path, the documented file name too', () => {
  for (const path of ['/', '/claude_mpm_socketio_dashboard.html?port=3000&autoconnect=true', '/%E0%A4%A']) expect(readRoute(at(path)).view).toBe('live');
});

it('reads the documented parameters', () => {
  expect(serverRoot(at('/?port=9000'), '/')).toBe('http://127.0.0.1:9000');
  expect([serverRoot(at('/?port=99999'), '/'), serverRoot(at('/?port=x'), '/')]).toEqual(['http://127.0.0.1:8765', 'http://127.0.0.1:8765']);
  expect([autoconnect(at('/')), autoconnect(at('/?autoconnect=true')), autoconnect(at('/?autoconnect=false'))]).toEqual([true, true, false]);
  expect([keep(at('/'), 262_144), keep(at('/?keep=1000000'), 262_144), keep(at('/?keep=5'), 262_144)]).toEqual([262_144, 1_048_576, 4096]);
});

it('takes no range that ends before it begins', () => {
  for (const query of ['from=x&to=y', 'from=2026-01-02&to=2026-01-01', 'from=2026-01-01']) expect(readRoute(at(`/s/a?${query}`)).range).toBeUndefined();
});
