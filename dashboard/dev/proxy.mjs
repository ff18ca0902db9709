// Stands before a monitor as a reverse proxy does, under any folder; can serve the built page from disk in place of the embedded one.
// node dev/proxy.mjs --monitor http://localhost:8765 --port 8791 [--under /monitor/] [--dist dist]
import { existsSync, readFileSync, statSync } from 'node:fs';
import http from 'node:http';
import { extname, join, normalize } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };
const VIEW = /^\/(?:(?:live|timeline|work|usage|system|s)(?:\/.*)?|claude_mpm_socketio_dashboard\.html)?$/;

/** Listens on a port (0: any free one) and resolves with its address and how to stop it. */
export async function startProxy({ monitor, port = 0, under = '/', dist = '', held }) {
  // Requests for these paths wait until they are let go.
  let release = () => undefined;
  const released = held ? new Promise((resolve) => (release = resolve)) : undefined;
  const target = new URL(monitor);
  const sockets = new Set();
  const forward = (request, path) => ({ host: target.hostname, port: target.port, method: request.method, path, headers: request.headers });
  const server = http.createServer(async (request, response) => {
    const path = inside(request.url, under);
    if (path !== undefined && held?.test(path)) await released;
    if (path === undefined) return void response.writeHead(404).end('outside');
    const file = dist === '' ? undefined : pageFile(dist, path.split('?')[0], request.headers['accept-encoding'] ?? '');
    if (file) return void http.get({ host: target.hostname, port: target.port, path: '/live', headers: { host: request.headers.host } }, (page) => {
      page.resume();
      const policy = page.headers['content-security-policy'];
      response.writeHead(200, { 'Content-Type': file.type, 'Cache-Control': 'no-cache', ...file.encoding, ...(policy ? { 'Content-Security-Policy': policy } : {}) }).end(file.bytes);
    }).on('error', () => response.writeHead(200, { 'Content-Type': file.type, ...file.encoding }).end(file.bytes));
    const up = http.request(forward(request, path), (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    up.on('error', () => (response.headersSent ? response.destroy() : response.writeHead(502).end('the monitor does not answer')));
    request.pipe(up);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('upgrade', (request, socket, head) => {
    const path = inside(request.url, under);
    if (path === undefined) return void socket.destroy();
    const up = http.request(forward(request, path));
    up.on('upgrade', (answer, upstream, first) => {
      const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}`);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`);
      if (first.length > 0) socket.write(first);
      upstream.on('error', () => socket.destroy());
      socket.on('error', () => upstream.destroy());
      upstream.on('close', () => socket.destroy());
      socket.on('close', () => upstream.destroy());
      upstream.pipe(socket).pipe(upstream);
    });
    up.on('response', () => socket.destroy());
    up.on('error', () => socket.destroy());
    if (head.length > 0) up.write(head);
    up.end();
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}${under}`,
    /** Lets requests go that were held. */
    release: () => release(),
    stop: () => new Promise((resolve) => {
      for (const socket of sockets) socket.destroy();
      server.close(resolve);
    }),
  };
}

/** The path as the monitor knows it; undefined outside of the folder. */
function inside(url, under) {
  return url.startsWith(under) ? `/${url.slice(under.length)}` : undefined;
}

function pageFile(dist, path, accepted) {
  let name = normalize(path).replace(/^(\.\.[/\\])+/, '').replace(/^\//, '');
  if (VIEW.test(path)) name = name.includes('/') ? 'deep.html' : 'index.html';
  const file = join(dist, name);
  const packed = /\bbr\b/.test(accepted) && existsSync(`${file}.br`);
  try {
    if (!statSync(file).isFile()) return undefined;
  } catch {
    return undefined;
  }
  return { type: TYPES[extname(file)] ?? 'application/octet-stream', bytes: readFileSync(packed ? `${file}.br` : file), encoding: packed ? { 'Content-Encoding': 'br' } : {} };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({ options: { monitor: { type: 'string', default: 'http://localhost:8765' }, port: { type: 'string', default: '8791' }, under: { type: 'string', default: '/' }, dist: { type: 'string', default: '' } } });
  const { url } = await startProxy({ ...values, port: Number(values.port) });
  console.log(`${values.monitor} under ${url}${values.dist === '' ? '' : `, with the page of ${values.dist}`}`);
}
