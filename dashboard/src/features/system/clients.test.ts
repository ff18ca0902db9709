// Proves that a tab finds itself among the clients, and never takes another one for somebody to send away by mistake.
import { expect, it } from 'vitest';
import type { LiveClient } from '../../contract/machine';
import type { Link } from '../../live/connection';
import { agentName, isThisTab } from './clients';

const UA = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/141.0.0.0 Safari/537.36';
const client = (change: Partial<LiveClient>): LiveClient => ({ id: 'a', name: 'Browser', transport: 'websocket', since: 10_000, namespaces: ['/monitor'], address: '', userAgent: UA, behindMs: 0, waitingBytes: 0, sentPackets: 0, droppedPackets: 0, ...change });
const link: Link = { phase: 'live', origin: '', socketId: 'x', transport: 'websocket', askedAt: 9900, connectedAt: 10_100, lostAt: 0, retryAt: 0, attempts: 0, message: '', roundTripMs: 1, skewMs: 0 };

it('names browsers and programs in two words', () => {
  expect([UA, 'Mozilla/5.0 (X11; rv:128.0) Gecko/20100101 Firefox/128.0', 'python-requests/2.32 x', ''].map(agentName)).toEqual(['Chromium 141', 'Firefox 128', 'python-requests/2.32', '']);
});

it('finds its own connection by browser, namespace and time, whatever the clocks say', () => {
  expect(isThisTab(client({}), link, UA)).toBe(true);
  expect(isThisTab(client({ since: 70_000 }), { ...link, skewMs: 60_000 }, UA)).toBe(true);
  expect(isThisTab(client({ since: 20_000 }), link, UA)).toBe(false);
  expect(isThisTab(client({ namespaces: ['/hook'] }), link, UA)).toBe(false);
  expect(isThisTab(client({ userAgent: 'curl/8' }), link, UA)).toBe(false);
  expect(isThisTab(client({}), { ...link, phase: 'lost' }, UA)).toBe(false);
});
