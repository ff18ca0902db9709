// Proves how clients are called, and that their pace is what came between two answers.
import { expect, it } from 'vitest';
import { decodeClients } from '../../contract/machine';
import { agentName, kindOf, Paces } from './clients';

const UA = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/141.0.0.0 Safari/537.36';

it('names browsers and programs in two words', () => {
  expect([UA, 'Mozilla/5.0 (X11; rv:128.0) Gecko/20100101 Firefox/128.0', 'python-requests/2.32 x', ''].map(agentName)).toEqual(['Chromium 141', 'Firefox 128', 'python-requests/2.32', '']);
});

it('tells pages, programs and raw connections apart', () => {
  expect([{ namespaces: ['/monitor'], transport: 'websocket' }, { namespaces: ['/hook', '/log'], transport: 'polling' }, { namespaces: [], transport: 'raw websocket' }, { namespaces: [], transport: 'stream' }].map(kindOf)).toEqual(['Page', 'Program', 'Raw', 'Raw']);
});

it('counts packets a second between two answers, and nothing for who is new', () => {
  const paces = new Paces();
  const answer = (...clients: object[]): NonNullable<ReturnType<typeof decodeClients>> => decodeClients({ clients }) ?? [];
  expect(paces.take(answer({ id: 'a', sent_packets: 10, received_packets: 1 }), 1000).size).toBe(0);
  const told = paces.take(answer({ id: 'a', sent_packets: 30, received_packets: 1 }, { id: 'b', sent_packets: 5 }), 3000);
  expect([told.get('a'), told.get('b')]).toEqual([{ out: 10, in: 0 }, undefined]);
  expect(paces.take(answer({ id: 'a', sent_packets: 30 }), 4000).get('a')).toEqual({ out: 0, in: undefined });
});
