// Makes the pictures of the documents: every view in both themes, from a monitor that the demo has been played to.
// MONITOR_URL=http://localhost:8765 node screenshots.mjs ../../docs/images
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { browser, connected, events, MONITOR_URL, until } from './support.mjs';

const folder = process.argv[2] ?? 'pictures';
mkdirSync(folder, { recursive: true });
const PRICES = { 'claude-opus-5-5': [4, 20], 'claude-sonnet-5-5': [2, 10], 'claude-haiku-5-5': [0.1, 0.5] };

/** The demo is made of hooks, which know no cost. A request for each batch of calls, as a client with OpenTelemetry tells it. */
async function spend() {
  const state = await (await fetch(`${MONITOR_URL}/api/v1/state`)).json();
  if (state.sessions.some((session) => session.usage)) return;
  let random = 7;
  const next = (limit) => (random = (random * 48_271) % 2_147_483_647) % limit;
  const contexts = new Map();
  const { events: batches } = await events('kind=tool_batch.finished&after=0&limit=5000');
  for (const [index, batch] of batches.entries()) {
    const agent = batch.agent_type ?? '';
    const model = agent === '' ? 'claude-opus-5-5' : agent === 'research' ? 'claude-haiku-5-5' : 'claude-sonnet-5-5';
    const key = `${batch.session_id} ${batch.agent_id ?? ''}`;
    const read = contexts.get(key) ?? 18_000 + next(40_000);
    const written = 400 + next(7000);
    const output = 60 + next(1400);
    contexts.set(key, read + written);
    const [inPrice, outPrice] = PRICES[model];
    const attributes = {
      'session.id': batch.session_id, 'event.name': 'api_request', 'event.sequence': index + 1, model, input_tokens: 3 + next(900), output_tokens: output, cache_read_tokens: read, cache_creation_tokens: written,
      cost_usd: (written * inPrice * 1.25 + read * inPrice * 0.1 + output * outPrice) / 1e6 + 1e-7, duration_ms: 900 + next(8000), request_id: `req_picture_${index}`, query_source: agent === '' ? 'main' : `agent:custom:${agent}`,
    };
    const at = `${BigInt(Date.parse(batch.time) + 300) * 1_000_000n}`;
    const value = (entry) => (typeof entry === 'string' ? { stringValue: entry } : Number.isInteger(entry) ? { intValue: entry } : { doubleValue: entry });
    const record = { timeUnixNano: at, observedTimeUnixNano: at, body: { stringValue: 'claude_code.api_request' }, attributes: Object.entries(attributes).map(([name, entry]) => ({ key: name, value: value(entry) })) };
    await fetch(`${MONITOR_URL}/v1/logs`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ resourceLogs: [{ resource: { attributes: [{ key: 'service.name', value: { stringValue: 'claude-code' } }] }, scopeLogs: [{ scope: { name: 'com.anthropic.claude_code.events' }, logRecords: [record] }] }] }) });
  }
}

/** What the status line of a client would tell of its plan: as invented as the rest. */
async function limits() {
  const now = Math.floor(Date.now() / 1000);
  const resets = { five_hour: now + 2 * 3600 + 7 * 60, seven_day: now + 3 * 86_400 };
  const rate_limits = { five_hour: { used_percentage: 71, resets_at: resets.five_hour }, seven_day: { used_percentage: 41, resets_at: resets.seven_day } };
  await fetch(`${MONITOR_URL}/emit`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ namespace: 'claude', event: 'status_line', data: { rate_limits } }) });
}

await spend();
await limits();
const { sessions } = await (await fetch(`${MONITOR_URL}/api/v1/state`)).json();
const named = (project) => sessions.find((session) => session.project === project)?.session_id ?? sessions[0].session_id;
const { events: failed } = await events('kind=tool_call.failed&limit=50');
const failure = failed.find((event) => event.session_id === named('web-shop')) ?? failed[0];
const calls = await events(`kind=tool_call.started&session=${failure?.session_id}&limit=500`);
const began = calls.events.find((event) => event.tool_use_id === failure?.tool_use_id);

const { events: lists } = await events(`kind=todo.updated&session=${named('mpm-monitor')}&limit=1`);
const item = lists[0]?.data.todos.find(({ status }) => status === 'in_progress')?.content ?? '';
const waits = sessions.find((session) => session.state === 'need');
const PHONE = { width: 390, height: 844 };

const VIEWS = [
  { name: 'need', path: `/live?e=${waits?.reason?.seq ?? 0}`, ready: (page) => page.getByRole('region', { name: 'What is asked' }).waitFor() },
  { name: 'phone', path: '/live', viewport: PHONE },
  { name: 'live', path: `/live?e=${began?.seq ?? 0}` },
  { name: 'timeline', path: `/s/${named('mpm-monitor')}` },
  { name: 'transcript', path: `/s/${named('web-shop')}?tab=transcript` },
  { name: 'agents', path: `/s/${named('billing')}?tab=agents` },
  { name: 'todos', path: `/work/todos?f=${encodeURIComponent(`${named('mpm-monitor')} ${item}`)}` },
  { name: 'files', path: '/work/files?f=/home/dev/api-gateway/src/routes.rs' },
  { name: 'usage', path: '/usage' },
  { name: 'system', path: '/system' },
];

const chrome = await browser();
for (const colorScheme of ['light', 'dark']) {
  for (const { name, path, ready, viewport = { width: 1440, height: 900 } } of VIEWS) {
    const context = await chrome.newContext({ viewport, colorScheme, reducedMotion: 'reduce' });
    const page = await context.newPage();
    await page.goto(MONITOR_URL + path);
    await connected(page);
    await until(async () => (await page.locator('[aria-busy="true"]').count()) === 0, 'nothing loads any more');
    await ready?.(page);
    // Views that ask for their figures again and again have the whole store by then.
    await page.waitForTimeout(3000);
    await page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`) });
    await context.close();
  }
}
await chrome.close();
console.log(`${VIEWS.length * 2} pictures in ${folder}`);
