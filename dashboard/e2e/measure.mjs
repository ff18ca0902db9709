// Measures the page in a browser against a monitor with a large store, and prints a table: the figures of docs/benchmarks.md.
// node measure.mjs write FILE     a store to import: a session of 100,000 calls in 12 lanes, and others around it
// MONITOR_URL=http://localhost:8765 node measure.mjs
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { browser, connected, MONITOR_URL, until } from './support.mjs';

const LONG = 'long0000-0000-4000-8000-000000000000';
const CALLS = 100_000;
const EVENTS = Number(process.env.EVENTS ?? 1_048_576);
const TOOLS = [['Bash', (n) => ({ command: `cargo test step${n}` })], ['Read', (n) => ({ file_path: `/home/dev/long/src/file${n % 400}.rs` })], ['Edit', (n) => ({ file_path: `/home/dev/long/src/file${n % 400}.rs` })], ['Grep', (n) => ({ pattern: `needle${n % 97}` })]];

/** One event a line, as `claude-mpm store import` reads them. */
async function write(path, events) {
  const file = createWriteStream(path);
  const began = Date.now() - 8 * 3_600_000;
  let seq = 0;
  const put = async (event) => {
    seq += 1;
    const time = new Date(began + (seq / events) * 8 * 3_600_000).toISOString();
    if (!file.write(`${JSON.stringify({ seq, time, recorded_at: time, sources: ['hook'], ...event })}\n`)) await once(file, 'drain');
  };
  const others = Array.from({ length: 8 }, () => randomUUID());
  for (let call = 0; seq < events; call += 1) {
    const inLong = call >= (events >> 1) - CALLS;
    const session_id = inLong ? LONG : others[call % others.length];
    const lane = call % 12;
    const agent = lane === 0 ? {} : { agent_id: `a${String(lane).padStart(16, '0')}`, agent_type: 'engineer' };
    const [tool_name, input] = TOOLS[call % TOOLS.length];
    const tool_input = input(call);
    const summary = Object.values(tool_input)[0];
    const common = { namespace: '/hook', session_id, ...agent, tool_name, tool_use_id: `toolu_${call}`, cwd: inLong ? '/home/dev/long' : `/home/dev/other${call % others.length}` };
    await put({ ...common, kind: 'tool_call.started', event: 'pre_tool', summary, data: { tool_input } });
    if (seq >= events) break;
    const failed = call % 83 === 0;
    await put({ ...common, kind: failed ? 'tool_call.failed' : 'tool_call.finished', event: 'post_tool', outcome: failed ? 'error' : 'ok', duration_ms: 40 + (call % 900), summary: failed ? 'exit 1' : summary, data: { tool_input, tool_response: { stdout: `checkout ${call}` } } });
  }
  file.end();
  await once(file, 'finish');
}

async function measure() {
  const chrome = await browser();
  for (const part of process.argv[2] ? [process.argv[2]] : ['timeline', 'list', 'feed']) await ({ timeline, list, feed }[part])(chrome);
  await chrome.close();
}

/** A page that notes how long each of its frames' callbacks took, and when frames came. */
async function watched(chrome, path) {
  const context = await chrome.newContext({ viewport: { width: 1600, height: 900 }, reducedMotion: 'reduce' });
  const page = await context.newPage();
  await page.addInitScript(() => {
    globalThis.callbacks = [];
    globalThis.frames = [];
    const plain = globalThis.requestAnimationFrame.bind(globalThis);
    globalThis.requestAnimationFrame = (callback) => plain((at) => {
      const before = performance.now();
      callback(at);
      globalThis.callbacks.push(performance.now() - before);
    });
    const tick = (at) => { globalThis.frames.push(at); plain(tick); };
    plain(tick);
  });
  await page.goto(MONITOR_URL + path);
  await connected(page);
  return { page, close: () => context.close() };
}

const sorted = (values) => [...values].sort((a, b) => a - b);
const quantile = (values, part) => sorted(values)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? NaN;
const figures = (values) => `p50 ${quantile(values, 0.5).toFixed(1)}, p99 ${quantile(values, 0.99).toFixed(1)}, longest ${Math.max(...values).toFixed(1)} ms (${values.length})`;
const say = (what, result) => console.log(`${what.padEnd(46)} ${result}`);

/** Memory fills, page by page, while its beginning is looked at. */
async function fill(page, events) {
  await until(async () => {
    await page.keyboard.press('Home');
    const kept = Number(/([\d\s]+) kept/.exec(await page.locator('.foot').innerText())?.[1].replace(/\D/g, '') ?? 0);
    return kept >= events;
  }, `${events} events in the tab`, 240_000);
}

async function timeline(chrome) {
  const { page, close } = await watched(chrome, '/live?keep=262144');
  await fill(page, CALLS * 2);
  await page.evaluate((path) => {
    history.pushState(null, '', path);
    dispatchEvent(new PopStateEvent('popstate'));
  }, `/s/${LONG}?keep=262144`);
  const picture = page.getByRole('img', { name: /calls of 12 agents/ });
  await until(async () => /^100\D?000 calls/.test(((await picture.count()) > 0 && (await picture.getAttribute('aria-label'))) || ''), 'all 100,000 calls', 60_000);
  await page.evaluate(() => { globalThis.frames.length = 0; });
  await page.waitForTimeout(5000);
  const still = await page.evaluate(() => globalThis.frames.slice(1).map((at, index) => at - globalThis.frames[index]));
  say('frames while a session of 100,000 calls is open', figures(still));
  for (const [what, zooms] of [['all of it', 0], ['a tenth', 7], ['a hundredth', 13], ['a thousandth', 20]]) {
    await page.keyboard.press('0');
    for (let turn = 0; turn < zooms; turn += 1) await page.keyboard.press('w');
    await page.keyboard.press('.');
    await page.getByRole('complementary', { name: 'Event details' }).waitFor();
    await page.waitForTimeout(500);
    await page.evaluate(() => { globalThis.callbacks.length = 0; });
    for (let turn = 0; turn < 120; turn += 1) {
      await page.keyboard.press(turn % 40 < 20 ? 'a' : 'd');
      // At the whole there is nowhere to go: there the selection moves.
      if (zooms === 0) await page.keyboard.press('.');
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
    }
    const drawn = (await page.evaluate(() => globalThis.callbacks)).filter((ms) => ms > 0.2);
    say(`drawing 100,000 calls, ${what}`, figures(drawn));
  }
  await close();
}

async function list(chrome) {
  const { page, close } = await watched(chrome, '/live?keep=1048576');
  await fill(page, EVENTS);
  await page.keyboard.press('End');
  const count = EVENTS.toLocaleString('en-US');
  const first = [];
  const whole = [];
  const keys = [];
  for (const word of ['needle12', 'step777', 'file399.rs', 'is:error', 'tool:Edit', 'checkout 4242', 'tool:Grep exit']) {
    await page.fill('#filter', '');
    await page.waitForTimeout(1500);
    const took = await page.evaluate(async (line) => {
      const input = document.querySelector('#filter');
      const shown = () => [...document.querySelectorAll('#events .row:not([hidden])')].map((row) => row.textContent).join();
      const before = shown();
      const began = performance.now();
      input.value = line;
      input.dispatchEvent(new InputEvent('input', { bubbles: true }));
      let [first, whole, said] = [0, 0, undefined];
      // What is told after the count has stood still is no part of the search.
      while (performance.now() - began < 2500) {
        await new Promise((resolve) => requestAnimationFrame(resolve));
        if (first === 0 && shown() !== before) first = performance.now() - began;
        const words = document.querySelector('[data-test="matches"]')?.textContent?.replace(/, \d+ older.*/, '');
        if (words !== said) [said, whole] = [words, performance.now() - began];
      }
      return { first, whole };
    }, word);
    if (took.first > 0) first.push(took.first);
    whole.push(took.whole);
  }
  say(`search in ${count}, first rows`, figures(first));
  say(`search in ${count}, complete and told`, figures(whole));
  await page.fill('#filter', '');
  await page.waitForTimeout(2000);
  for (const letter of 'checkout 4242') {
    keys.push(await page.evaluate(async (key) => {
      const input = document.querySelector('#filter');
      const began = performance.now();
      input.value += key;
      input.dispatchEvent(new InputEvent('input', { bubbles: true }));
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      return performance.now() - began;
    }, letter));
  }
  say('a letter typed, to the next frame', figures(keys));
  if ((await page.inputValue('#filter')) !== 'checkout 4242') throw new Error('a letter was lost');
  await page.fill('#filter', '');
  await page.waitForTimeout(2000);
  const seeks = await page.evaluate(async () => {
    const grid = document.querySelector('#events');
    const took = [];
    for (let turn = 0; turn < 100; turn += 1) {
      const began = performance.now();
      grid.scrollTop = ((turn * 7919) % 1000) / 1000 * (grid.scrollHeight - grid.clientHeight);
      const wanted = grid.scrollTop;
      for (;;) {
        await new Promise((resolve) => requestAnimationFrame(resolve));
        const rows = [...document.querySelectorAll('#events .row:not([hidden])')].filter((row) => row.dataset.seq);
        if (rows.length > 10 && Math.abs(grid.scrollTop - wanted) < 50) break;
        if (performance.now() - began > 2000) break;
      }
      took.push(performance.now() - began);
    }
    return took;
  });
  say(`a jump to anywhere in ${count}, rows painted`, figures(seeks));
  const heap = await page.evaluate(() => performance.memory.usedJSHeapSize / 1024 / 1024);
  say('heap of the page itself, DOM nodes', `${heap.toFixed(1)} MiB, ${await page.evaluate(() => document.querySelectorAll('*').length)}`);
  await close();
}

/** Looks at Live, as it comes, while so many events a second are stored. */
async function feed(chrome) {
  for (const perSecond of [1000, 5000]) {
    const { page, close } = await watched(chrome, '/live');
    await page.evaluate(() => {
      globalThis.long = [];
      new PerformanceObserver((list) => globalThis.long.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' });
      globalThis.frames.length = 0;
    });
    const seconds = 20;
    const began = Date.now();
    let sent = 0;
    const post = (count) => fetch(`${MONITOR_URL}/emit`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(Array.from({ length: count }, (_, at) => ({ namespace: 'log', event: 'line', data: { message: `line ${sent + at} of the feed` } }))) });
    while (Date.now() - began < seconds * 1000) {
      const due = Math.min(1000, Math.floor(((Date.now() - began) / 1000) * perSecond) - sent);
      if (due > 0) {
        await post(due);
        sent += due;
      } else await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const took = Date.now() - began;
    const { frames, long, heap } = await page.evaluate(() => ({ frames: globalThis.frames.slice(1).map((at, index) => at - globalThis.frames[index]), long: globalThis.long, heap: performance.memory.usedJSHeapSize / 1024 / 1024 }));
    say(`frames at ${Math.round(sent / (took / 1000)).toLocaleString('en-US')} events a second, ${seconds} s`, figures(frames));
    say('  tasks of the page longer than 100 ms, heap', `${long.filter((ms) => ms > 100).length}, ${heap.toFixed(1)} MiB`);
    const last = `line ${sent - 1} of the feed`;
    const from = Date.now();
    await until(async () => (await page.locator('#events').innerText()).includes(last), 'the last one on screen', 60_000);
    say('  the last of them on screen after', `${Date.now() - from} ms`);
    await close();
  }
}

if (process.argv[2] === 'write') await write(process.argv[3], EVENTS);
else await measure();
