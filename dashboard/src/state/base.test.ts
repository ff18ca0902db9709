// Proves that the page finds itself, its server and its links wherever a proxy has put it.
import { expect, it } from 'vitest';
import { socketAddress } from '../live/address';
import { baseOf, serverRoot, under, within } from './base';
import { readRoute, writeRoute } from './route';

const HOST = 'https://tools.example';

it('finds its folder from where its script came from', () => {
  expect(baseOf(`${HOST}/assets/index-1a2b.js`)).toBe('/');
  expect(baseOf(`${HOST}/monitor/assets/index-1a2b.js`)).toBe('/monitor/');
  expect(baseOf(`${HOST}/a/b%20c/assets/index-1a2b.js?v=1`)).toBe('/a/b%20c/');
});

it('is not misled by folders that are called like parts of the page', () => {
  expect(baseOf(`${HOST}/assets/assets/index.js`)).toBe('/assets/');
  expect(baseOf(`${HOST}/work/live/assets/index.js`)).toBe('/work/live/');
  expect(baseOf('http://localhost:5173/src/state/base.ts')).toBe('/');
});

it('links below its folder, and reads paths below it', () => {
  for (const base of ['/', '/monitor/', '/work/live/']) {
    expect(within(base, under(base, '/work/files'))).toBe('/work/files');
    expect(within(base, base)).toBe('/');
  }
  expect(under('/monitor/', '/s/')).toBe('/monitor/s/');
});

it('asks its own server below the folder, and another port at its root', () => {
  expect(serverRoot(new URL(`${HOST}/live`), '/')).toBe(HOST);
  expect(serverRoot(new URL(`${HOST}/monitor/live`), '/monitor/')).toBe(`${HOST}/monitor`);
  expect(serverRoot(new URL(`${HOST}/monitor/live?port=9000`), '/monitor/')).toBe(`${HOST}:9000`);
});

it('gives Socket.IO its path below the folder', () => {
  expect(socketAddress(HOST)).toEqual({ origin: HOST, path: '/socket.io/' });
  expect(socketAddress(`${HOST}/monitor`)).toEqual({ origin: HOST, path: '/monitor/socket.io/' });
  expect(socketAddress('http://127.0.0.1:9000')).toEqual({ origin: 'http://127.0.0.1:9000', path: '/socket.io/' });
});

it('round-trips every view below a folder', () => {
  const base = '/work/';
  for (const path of ['/work/live?q=checkout', '/work/s/c01b?e=7', '/work/work/files', '/work/system']) {
    const url = new URL(path, HOST);
    expect(writeRoute(readRoute(url, base), url, base)).toBe(path);
  }
});
