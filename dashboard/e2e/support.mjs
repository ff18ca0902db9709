// Starts Chromium against a running server (env MONITOR_URL) and gives the tests short verbs.
import { execFileSync, execSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { after, before } from 'node:test';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { startProxy } from '../dev/proxy.mjs';

export const MONITOR_URL = (process.env.MONITOR_URL ?? 'http://127.0.0.1:8765').replace(/\/$/, '');
const TOKEN = process.env.MONITOR_TOKEN ?? '';
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const ARGUMENTS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export async function browser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGUMENTS });
}

/** A page that collects what went wrong in it: script errors, and everything the content policy refused. */
export async function open(chrome, path = '/live', options = {}, root = MONITOR_URL) {
  const context = await chrome.newContext({ viewport: { width: 1440, height: 900 }, acceptDownloads: true, ...options });
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(`script: ${error.message}`));
  page.on('console', (message) => {
    // A source that the browser cannot read is the server's matter; what counts here is what was refused.
    if (/Content Security Policy|Trusted Type/i.test(message.text()) && !/invalid source/.test(message.text())) problems.push(`policy: ${message.text()}`);
  });
  page.on('dialog', (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  if (TOKEN !== '') await page.addInitScript((token) => sessionStorage.setItem('token', token), TOKEN);
  await page.goto(root + path);
  return { page, problems, close: () => context.close() };
}

export async function connected(page) {
  await page.getByRole('button', { name: /^Live/ }).first().waitFor({ timeout: 15_000 });
}

async function post(path, body) {
  const response = await fetch(MONITOR_URL + path, { method: 'POST', headers: { 'Content-Type': 'application/json', ...(TOKEN === '' ? {} : { Authorization: `Bearer ${TOKEN}` }) }, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return response;
}

/** Injects a custom event as document 5 describes. */
export async function emit(message, more = {}) {
  await post('/emit', { namespace: 'system', event: 'e2e', data: { message, ...more } });
}

/** Plays one hook call as Claude Code would send it. */
export async function hook(fields) {
  await post('/api/events', { session_id: sessionId, cwd: '/home/dev/e2e', transcript_path: '/home/dev/e2e.jsonl', ...fields });
}

export const sessionId = randomUUID();

/** A word that no other event holds. */
export function unique(prefix = 'word') {
  return `${prefix}${randomUUID().slice(0, 8)}`;
}

export async function events(query) {
  const response = await fetch(`${MONITOR_URL}/api/v1/events?${query}`, { headers: TOKEN === '' ? {} : { Authorization: `Bearer ${TOKEN}` } });
  return response.json();
}

/** Restarts the server: by the command in MONITOR_RESTART, or by the stand-in's own door. */
export async function restart() {
  const command = process.env.MONITOR_RESTART;
  if (command) execSync(command, { stdio: 'inherit' });
  else await fetch(`${MONITOR_URL}/dev/restart?ms=2500`);
}

/** A monitor of one's own, with a home of its own; needs the program in MONITOR_PROGRAM. MONITOR_DIST: a page in place of the embedded one. `imported`: a file that its store begins with. */
export async function startMonitor(environment = {}, imported = '') {
  const home = await mkdtemp(join(tmpdir(), 'monitor-'));
  const port = await freePort();
  const folders = { HOME: home, XDG_CONFIG_HOME: join(home, 'config'), XDG_DATA_HOME: join(home, 'data'), XDG_STATE_HOME: join(home, 'state'), XDG_RUNTIME_DIR: home };
  if (imported !== '') execFileSync(process.env.MONITOR_PROGRAM, ['store', '--port', String(port), 'import', imported], { env: { ...process.env, ...folders, ...environment }, cwd: home, stdio: 'pipe' });
  const child = spawn(process.env.MONITOR_PROGRAM, ['monitor', 'start', '--foreground', '--no-dashboard', '--port', String(port)], { env: { ...process.env, ...folders, ...environment }, stdio: 'ignore', cwd: home });
  const url = `http://localhost:${port}`;
  await until(() => fetch(`${url}/health`).then(() => true, () => false), 'the monitor answers', 20_000);
  const proxy = await startProxy({ monitor: url, dist: process.env.MONITOR_DIST ?? '' });
  const runs = [];
  return {
    url, port, home, page: proxy.url.replace(/\/$/, ''),
    /** An agent of ours under this monitor: `bash` with a script, in a terminal of the launcher's or in place of it. */
    run: (script, { method = 'subprocess', input = false } = {}) => {
      const flags = ['run', '--port', String(port), '--no-browser', '--launch-method', method, ...(input ? ['--allow-input'] : []), '--agent-command', 'bash', '--', '-c', script];
      // A launcher without a terminal has none to give to its agent: script(1) is one.
      const quoted = [process.env.MONITOR_PROGRAM, ...flags].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
      const [program, given] = input ? ['script', ['-qefc', `exec ${quoted}`, '/dev/null']] : [process.env.MONITOR_PROGRAM, flags];
      const run = spawn(program, given, { env: { ...process.env, ...folders, ...environment }, stdio: ['pipe', 'pipe', 'ignore'], cwd: home });
      run.printed = '';
      run.stdout.on('data', (text) => (run.printed += text));
      runs.push(run);
      return run;
    },
    stop: async () => {
      for (const run of runs) if (run.exitCode === null && run.signalCode === null) run.kill('SIGKILL');
      await proxy.stop();
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** A test that needs the program is skipped where nobody names it, and never by a machine that is to run them all. */
export const own = { skip: process.env.MONITOR_PROGRAM || process.env.CI ? false : 'needs the program in MONITOR_PROGRAM' };

/** The monitor of a file's tests, there from the first test to the last. */
export function ownMonitor(environment = {}) {
  const shared = {};
  before(async () => {
    if (own.skip) return;
    if (!process.env.MONITOR_PROGRAM) throw new Error('CI has to name the program in MONITOR_PROGRAM');
    Object.assign(shared, await startMonitor(environment));
  });
  after(() => shared.stop?.());
  shared.post = async (path, body) => {
    const answer = await fetch(shared.url + path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
  };
  shared.json = (path) => fetch(shared.url + path).then((answer) => answer.json());
  return shared;
}

async function freePort() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** What axe finds wrong, once nothing fades any more: half-way, every colour is paler than it will be. */
export async function violations(page) {
  await page.evaluate(() => Promise.all(document.getAnimations()
    .filter((animation) => animation.effect?.getComputedTiming().iterations !== Infinity)
    .map((animation) => animation.finished.catch(() => undefined))));
  await page.evaluate(AXE);
  const result = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return result.violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.target.join(' ')).join(' | ')}`);
}

/** Text of the rows on screen, in their order. */
export async function rows(page) {
  return page.$$eval('#events .row:not([hidden])', (elements) => elements
    .map((element) => ({ y: Number(/translateY\((.*)px\)/.exec(element.style.transform)?.[1] ?? 0), text: element.textContent }))
    .sort((a, b) => a.y - b.y)
    .map(({ text }) => text));
}

export async function until(test, what, ms = 10_000) {
  const end = Date.now() + ms;
  let last;
  while (Date.now() < end) {
    last = await test();
    if (last) return last;
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  throw new Error(`not within ${ms} ms: ${what}`);
}

/** Types into the filter, replacing what is there. */
export async function filter(page, line) {
  await page.keyboard.press('Escape');
  await page.fill('#filter', line);
  await page.waitForTimeout(120);
}

/** A session of its own for a test: short verbs for what a client would send. */
export function session() {
  const id = randomUUID();
  const send = (hook_event_name, fields = {}) => hook({ session_id: id, cwd: '/home/dev/views', hook_event_name, ...fields });
  const call = async (tool_name, tool_input, tool_response, more = {}) => {
    const tool_use_id = unique('toolu_');
    await send('PreToolUse', { tool_name, tool_input, tool_use_id, ...more });
    if (tool_response !== undefined) await send('PostToolUse', { tool_name, tool_input, tool_response, tool_use_id, ...more });
    return tool_use_id;
  };
  return { id, send, call };
}
