// Promises about the page as a whole: addresses, exports, hostile content, long lists, tabs that slept. Each against a monitor of its own.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { browser, connected, filter, open, own, ownMonitor, rows, startMonitor, unique, until } from './support.mjs';

const monitor = ownMonitor();
const { json, post } = monitor;
let chrome;
before(async () => { chrome = await browser(); });
after(() => chrome.close());

const ok = { stdout: '', stderr: '', interrupted: false };

/** A session with calls, a list and a change of a file. */
async function work() {
  const id = randomUUID();
  const word = unique('work');
  const path = `/home/dev/whole/${word}.rs`;
  const send = (hook_event_name, fields = {}) => post('/api/events', { session_id: id, cwd: '/home/dev/whole', hook_event_name, ...fields });
  const call = async (tool_name, tool_input, tool_response, ended = 'PostToolUse') => {
    const tool_use_id = unique('toolu_');
    await send('PreToolUse', { tool_name, tool_input, tool_use_id });
    await send(ended, ended === 'PostToolUse' ? { tool_name, tool_input, tool_response, tool_use_id } : { tool_name, tool_input, error: 'Exit code 1', tool_use_id });
  };
  await send('UserPromptSubmit', { prompt: word });
  await call('Bash', { command: `echo ${word}` }, ok);
  await call('Bash', { command: `fail ${word}` }, undefined, 'PostToolUseFailure');
  await call('Edit', { file_path: path, old_string: 'a', new_string: 'b' }, { filePath: path, oldString: 'a', newString: 'b', originalFile: 'a', structuredPatch: [{ oldStart: 1, oldLines: 1, newStart: 1, newLines: 1, lines: ['-a', '+b'] }] });
  await call('TodoWrite', { todos: [{ content: `do ${word}`, status: 'in_progress', activeForm: `doing ${word}` }] }, { oldTodos: [], newTodos: [] });
  return { id, word, path };
}

test('every filter, selection, tab and range is restored from a cold address, and by Back', own, async () => {
  const { id, word, path } = await work();
  const [failed] = (await json(`/api/v1/events?session=${id}&kind=tool_call.failed`)).events;
  const [began] = (await json(`/api/v1/events?session=${id}&kind=tool_call.started&limit=50`)).events.filter((event) => event.tool_use_id === failed.tool_use_id);
  const from = new Date(Date.parse(began.time) - 60_000).toISOString();
  const to = new Date(Date.parse(began.time) + 60_000).toISOString();
  const address = (path_, parameters) => `${path_}?${new URLSearchParams(parameters)}`;
  const shows = {
    [address('/live', { q: `tool:Bash is:error ${word}`, ns: 'hook', from, to, e: String(began.seq) })]: async (page) => {
      await until(async () => (await rows(page)).length === 1 && (await rows(page))[0].includes(`fail ${word}`), 'the one row');
      await page.getByRole('complementary', { name: 'Event details' }).getByText(`fail ${word}`).first().waitFor();
    },
    [address(`/s/${id}`, { tab: 'transcript' })]: (page) => page.getByRole('region', { name: 'Transcript' }).getByText(`echo ${word}`).first().waitFor(),
    [address(`/s/${id}`, { from, to })]: (page) => page.getByRole('img', { name: /^4 calls of 1 agents, 1 failed/ }).waitFor(),
    [address('/work/files', { f: path })]: (page) => page.getByRole('complementary', { name: 'File details' }).getByRole('heading', { name: `${word}.rs` }).waitFor(),
    [address('/work/todos', { f: `${id} do ${word}` })]: (page) => page.getByRole('complementary', { name: 'Item details' }).getByRole('heading', { name: `do ${word}` }).waitFor(),
    [address('/usage', { from, to })]: (page) => page.getByRole('button', { name: 'Whole range' }).waitFor(),
    [address('/system', { tab: 'log' })]: (page) => page.getByRole('region', { name: 'Log' }).waitFor(),
  };
  const trip = await open(chrome, '/work/memory', {}, monitor.page);
  for (const [path_, seen] of Object.entries(shows)) {
    const { page, problems, close } = await open(chrome, path_, {}, monitor.page);
    await connected(page);
    await seen(page);
    const { pathname, searchParams } = new URL(page.url());
    assert.deepEqual([pathname, Object.fromEntries(searchParams)], [path_.split('?')[0], Object.fromEntries(new URLSearchParams(path_.split('?')[1]))], 'what was opened is what the address says');
    // Another view, and back: nothing is lost on the way.
    await page.getByRole('link', { name: /^Work/ }).first().click();
    await page.goBack();
    await seen(page);
    assert.deepEqual(problems, []);
    await close();
  }
  await trip.close();
});

test('an export read back in is what was exported, event by event, and says what it is', own, async () => {
  const { id, word } = await work();
  const { page, problems, close } = await open(chrome, `/live?q=session:${id.slice(0, 8)}+raw:1`, {}, monitor.page);
  await connected(page);
  await until(async () => (await rows(page)).length >= 4, 'the rows');
  const download = page.waitForEvent('download');
  await page.keyboard.press('Control+e');
  const file = await (await download).path();
  const { meta, events } = JSON.parse(await readFile(file, 'utf8'));
  const there = (await json(`/api/v1/events?session=${id}&limit=500`)).events.sort((a, b) => a.seq - b.seq);
  assert.deepEqual(events, there, 'all of the session, starts and ends, as the server has them');
  for (const key of ['exported_at', 'tz', 'server', 'version', 'epoch', 'filter', 'range', 'count', 'truncated']) assert.ok(meta[key] !== undefined && meta[key] !== '', key);
  assert.deepEqual([meta.count, meta.truncated, meta.filter, meta.range], [events.length, false, `session:${id.slice(0, 8)} raw:1`, { from: events[0].time, to: events.at(-1).time }]);
  const lines = join(monitor.home, `${word}.ndjson`);
  await writeFile(lines, events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  const other = await startMonitor({}, lines);
  const again = (await fetch(`${other.url}/api/v1/events?session=${id}&limit=500`).then((answer) => answer.json())).events.sort((a, b) => a.seq - b.seq);
  const bare = ({ seq: _, ...event }) => event;
  assert.deepEqual(again.map(bare), events.map(bare));
  await other.stop();
  assert.deepEqual(problems, []);
  await close();
});

/** The same thousand every time. */
function fuzz(seed) {
  let state = seed;
  const next = (limit) => (state = (state * 48_271) % 2_147_483_647) % limit;
  const pieces = [
    '<script>document.title="owned"</script>', '<img src=x onerror="document.title=\'owned\'">', '"><svg onload=alert(1)>', 'javascript:alert(1)', '\u001b[31;1mred\u001b[2J', '\u001b]0;owned\u0007', '\u001b]8;;http://evil.example\u0007link\u001b]8;;\u0007',
    '\u202egnp.exe\u202c', '\u2066\u2067\u2069', '\u0000', '\ud800', '\udfff', '{{7*7}}', '${7*7}', '%s%n', '\r\n\r\n', '\u0301'.repeat(60), 'مرحبا', '漢字'.repeat(40), '👩‍👩‍👧‍👦', 'x'.repeat(5000), '__proto__', 'constructor', '../../etc/passwd', "';--", '\ufeff', '\u2028',
  ];
  const text = () => Array.from({ length: 1 + next(4) }, () => pieces[next(pieces.length)]).join(' ');
  const value = (depth) => {
    switch (depth > 4 ? next(4) : next(6)) {
      case 0: return text();
      case 1: return next(2) === 0;
      case 2: return null;
      case 3: return (next(2_000_000) - 1_000_000) / 7;
      case 4: return Array.from({ length: next(5) }, () => value(depth + 1));
      default: return Object.fromEntries(Array.from({ length: next(5) }, () => [text().slice(0, 80), value(depth + 1)]));
    }
  };
  return { next, text, value };
}

test('a thousand hostile events run nothing, move nothing, and open at once', own, async () => {
  const { next, text, value } = fuzz(20_261_120);
  const word = unique('fuzz');
  const { page, problems, close } = await open(chrome, '/live', {}, monitor.page);
  await connected(page);
  for (let batch = 0; batch < 20; batch += 1) {
    await post('/emit', Array.from({ length: 50 }, () => ({ namespace: ['system', 'log', 'hook', 'agent', 'todo', 'memory'][next(6)], event: next(3) === 0 ? text().replaceAll(/[^\x21-\x7e]/g, '').slice(0, 60) || 'x' : 'fuzz', data: { message: `${word} ${text()}`, tool_input: value(0), tool_name: text().slice(0, 40), todos: value(2), file_path: text(), anything: value(0) } })));
  }
  // What is too large or too deep may be refused; it must not be half of something here.
  const deep = `${'['.repeat(10_000)}"end"${']'.repeat(10_000)}`;
  for (const body of [`{"namespace":"system","event":"deep","data":{"message":"${word} deep","nested":${deep}}}`, JSON.stringify({ namespace: 'system', event: 'large', data: { message: `${word} large`, text: 'y'.repeat(5_000_000) } })]) await fetch(`${monitor.url}/emit`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body }).catch(() => undefined);
  // Equal words, ids and rules: each stands for itself.
  const id = randomUUID();
  const send = (hook_event_name, fields) => post('/api/events', { session_id: id, cwd: '/home/dev/whole', hook_event_name, ...fields });
  const twice = { content: `${word} twice`, status: 'in_progress', activeForm: `${word} twice` };
  for (const name of ['PreToolUse', 'PostToolUse']) await send(name, { tool_name: 'TodoWrite', tool_use_id: 'toolu_same', tool_input: { todos: [twice, twice, { ...twice, status: 'completed' }] }, ...(name === 'PostToolUse' ? { tool_response: { oldTodos: [], newTodos: [] } } : {}) });
  const rule = { type: 'addRules', rules: [{ toolName: 'Bash', ruleContent: 'x' }], behavior: 'allow', destination: 'session' };
  await send('PermissionRequest', { tool_name: 'Bash', tool_input: { command: `${word} asked` }, permission_suggestions: [rule, rule] });
  await filter(page, word);
  await until(async () => Number((await page.locator('[data-test="matches"]').innerText()).replace(/\D/g, '').slice(0, 4)) >= 1000, 'a thousand of them', 20_000);
  const took = [];
  for (let turn = 0; turn < 25; turn += 1) {
    await page.keyboard.press('Escape');
    await page.locator('#events').evaluate((grid, part) => grid.scrollTo(0, grid.scrollHeight * part), turn / 25);
    const row = page.locator('#events .row:not([hidden])').nth(5);
    await row.waitFor();
    took.push(await page.evaluate(async () => {
      const find = () => [...document.querySelectorAll('#events .row:not([hidden])')].find((candidate) => Number(candidate.dataset.seq) > 0 && candidate.getBoundingClientRect().top > 260);
      let target = find();
      while (!target) {
        await new Promise((resolve) => requestAnimationFrame(resolve));
        target = find();
      }
      const began = performance.now();
      target.click();
      while (!document.querySelector('.insp [role="tabpanel"] dl, .insp .meta')) await new Promise((resolve) => requestAnimationFrame(resolve));
      return performance.now() - began;
    }));
    for (const name of ['Input', 'JSON']) {
      await page.getByRole('tab', { name, exact: true }).click();
      assert.equal(await page.locator('.insp script, .insp img, .insp iframe, #events script, #events img').count(), 0);
    }
  }
  took.sort((a, b) => a - b);
  console.log(`hostile events opened in ${took[12].toFixed(0)} ms (p50), ${took.at(-1).toFixed(0)} ms (longest)`);
  assert.ok(took[12] <= 200, `${took[12]} ms`);
  for (const path of ['/work/todos', '/work/files', '/work/memory', '/usage', '/system', '/s/']) {
    await page.evaluate((to) => { history.pushState(null, '', to); dispatchEvent(new PopStateEvent('popstate')); }, path);
    await until(async () => (await page.locator('main [aria-busy="true"]').count()) === 0, path);
  }
  await page.evaluate((to) => { history.pushState(null, '', to); dispatchEvent(new PopStateEvent('popstate')); }, '/work/todos');
  await until(async () => (await page.locator('main button', { hasText: `${word} twice` }).count()) === 3, 'an item for each');
  await page.locator('main button', { hasText: `${word} twice` }).first().click();
  await page.getByRole('complementary', { name: 'Item details' }).getByText('item 1 of 3').waitFor();
  await page.locator(`a[href$="${id}"]`).first().click();
  await until(async () => (await page.getByRole('region', { name: 'What is asked' }).innerText()).split('allow Bash(x)').length === 3, 'both rules');
  assert.notEqual(await page.title(), 'owned');
  const width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(width <= 0, `the layout is ${width} px too wide`);
  assert.deepEqual(problems, []);
  await close();
});

test('Home and End reach the first and the last of a long list exactly, and whatever is scrolled to is painted', own, async () => {
  const word = unique('long');
  const LENGTH = 30_000;
  for (let first = 1; first <= LENGTH; first += 1000) await post('/emit', Array.from({ length: 1000 }, (_, at) => ({ namespace: 'log', event: 'line', data: { message: `${word} number ${first + at} of it` } })));
  const { page, problems, close } = await open(chrome, `/live?keep=65536&q=${word}`, {}, monitor.page);
  await connected(page);
  const grid = page.locator('#events');
  await until(async () => {
    await grid.focus();
    await page.keyboard.press('Home');
    return Number(await grid.getAttribute('aria-rowcount')) >= LENGTH;
  }, 'all of it in the tab', 60_000);
  await until(async () => {
    await page.keyboard.press('Home');
    return (await rows(page)).some((row) => row.includes(`${word} number 1 of it`));
  }, 'the first row');
  await until(async () => Math.abs(Number(await grid.getAttribute('aria-rowcount')) - LENGTH) <= 2, 'each row once, though the server had found some of them before');
  await page.keyboard.press('End');
  await until(async () => (await rows(page)).at(-1).includes(`${word} number ${LENGTH} of it`), 'the last row');
  const seeks = await page.evaluate(async () => {
    const list = document.querySelector('#events');
    const took = [];
    for (let turn = 1; turn <= 60; turn += 1) {
      list.scrollTop = (((turn * 7919) % 997) / 997) * (list.scrollHeight - list.clientHeight);
      let frames = 0;
      for (let painted = false; !painted && frames < 100; frames += 1) {
        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
        const box = list.getBoundingClientRect();
        const shown = [...list.querySelectorAll('.row:not([hidden])')].map((row) => ({ at: row.getBoundingClientRect(), said: row.textContent })).filter(({ at }) => at.bottom > box.top + 30 && at.top < box.bottom);
        const numbers = shown.map(({ said }) => Number(/number (\d+) of it/.exec(said)?.[1] ?? NaN)).sort((a, b) => a - b);
        painted = numbers.length > 10 && numbers.every((number, index) => index === 0 || number === numbers[index - 1] + 1);
      }
      took.push(frames);
    }
    return took.sort((a, b) => a - b);
  });
  console.log(`a jump in ${LENGTH} rows is whole after ${seeks[30]} frames (p50), ${seeks.at(-1)} (most)`);
  assert.ok(seeks[30] <= 2 && seeks.at(-1) < 100, `frames: ${seeks.join()}`);
  assert.deepEqual(problems, []);
  await close();
});

test('a tab that was frozen has exactly what the server has soon after it is looked at again', own, async () => {
  const word = unique('slept');
  const { page, problems, close } = await open(chrome, `/live?q=${word}`, {}, monitor.page);
  await connected(page);
  await post('/emit', { namespace: 'log', event: 'line', data: { message: `${word} before` } });
  await until(async () => (await rows(page)).length === 1, 'the one before');
  const session = await page.context().newCDPSession(page);
  await session.send('Page.setWebLifecycleState', { state: 'frozen' });
  const COUNT = 5000;
  for (let first = 0; first < COUNT; first += 500) await post('/emit', Array.from({ length: 500 }, (_, at) => ({ namespace: 'log', event: 'line', data: { message: `${word} ${first + at} asleep` } })));
  await session.send('Page.setWebLifecycleState', { state: 'active' });
  const began = Date.now();
  const expected = (COUNT + 1).toLocaleString('en-US').replaceAll(',', '');
  await until(async () => (await page.locator('[data-test="matches"]').innerText()).split(/ event| row| hit| in /)[0].replace(/\D/g, '') === expected, `${expected} events`, 15_000);
  console.log(`exact ${Date.now() - began} ms after ${COUNT} events came while the tab was frozen`);
  assert.ok(Date.now() - began < 3000);
  assert.deepEqual(problems, []);
  await close();
});
