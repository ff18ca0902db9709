// What the page promises, each as one sentence, against a running server.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { startProxy } from '../dev/proxy.mjs';
import { browser, connected, emit, events, filter, hook, MONITOR_URL, open, restart, rows, sessionId, unique, until } from './support.mjs';

let chrome;
before(async () => { chrome = await browser(); });
after(() => chrome.close());

test("a hook's event is on the page within a second", async () => {
  const { page, problems, close } = await open(chrome);
  await connected(page);
  const word = unique();
  const began = Date.now();
  await hook({ hook_event_name: 'PreToolUse', tool_name: 'Bash', tool_use_id: `toolu_${word}`, tool_input: { command: `echo ${word}` } });
  await until(async () => (await rows(page)).some((text) => text.includes(word)), 'the row is there', 1000);
  assert.ok(Date.now() - began < 1000);
  await hook({ hook_event_name: 'PostToolUse', tool_name: 'Bash', tool_use_id: `toolu_${word}`, tool_input: { command: `echo ${word}` }, tool_response: { stdout: word } });
  await filter(page, word);
  await until(async () => (await rows(page)).length === 1, 'start and end of a call are one row');
  assert.deepEqual(problems, []);
  await close();
});

test('search finds words in memory and in history', async () => {
  const word = unique('needle');
  await emit(`${word} first`);
  const { page, close } = await open(chrome);
  await connected(page);
  await filter(page, word);
  await until(async () => (await rows(page)).filter((text) => text.includes(word)).length === 1, 'the word in a summary');
  const deep = unique('deep');
  await emit('nothing to see', { a: { b: ['x'.repeat(2000), deep] } });
  await filter(page, deep);
  await until(async () => (await rows(page)).some((text) => text.includes('nothing to see')), 'a word that only the server finds');
  await close();
});

test('a chip and typed text are the same thing, and the address restores them', async () => {
  const word = unique('chip');
  await emit(`${word} here`);
  const { page, close } = await open(chrome);
  await connected(page);
  await page.fill('#filter', `ns:system ${word} `);
  await until(() => page.locator('.tok').count(), 'a chip');
  assert.equal(await page.locator('.tok').innerText().then((text) => text.replace(/\s*×$/, '').trim()), 'ns:system');
  await until(async () => (await rows(page)).some((text) => text.includes(word)), 'the row');
  const again = await open(chrome, new URL(page.url()).pathname + new URL(page.url()).search);
  await until(async () => (await rows(again.page)).some((text) => text.includes(word)), 'the same row from the address');
  assert.equal(await again.page.getByRole('button', { name: /^\/system/ }).getAttribute('aria-pressed'), 'true');
  await again.close();
  await close();
});

test('a filter can be typed letter by letter, and taken back the same way', async () => {
  const word = unique('typed');
  await emit(`${word} here`);
  const { page, problems, close } = await open(chrome);
  await connected(page);
  await page.keyboard.press('/');
  await page.keyboard.type(`ns:system ${word}`);
  await until(async () => (await rows(page)).some((text) => text.includes(word)), 'the row');
  const line = async () => new URL(page.url()).searchParams;
  assert.deepEqual([(await line()).get('ns'), (await line()).get('q')], ['system', word]);
  assert.equal(await page.locator('.tok').count(), 1);
  for (let letter = 0; letter < word.length + 1; letter += 1) await page.keyboard.press('Backspace');
  await page.keyboard.press('Backspace');
  assert.equal(await page.locator('#filter').inputValue(), 'ns:syste', 'the chip is text again, without its last letter');
  assert.deepEqual(problems, []);
  await close();
});

test('Escape closes the inspector', async () => {
  const word = unique('inspect');
  await emit(word);
  const { page, close } = await open(chrome);
  await connected(page);
  await filter(page, word);
  await page.locator('#events .row:not([hidden])', { hasText: word }).first().click();
  const inspector = page.getByRole('complementary', { name: 'Event details' });
  await inspector.waitFor();
  await page.getByRole('tab', { name: 'JSON' }).click();
  await until(async () => (await inspector.innerText()).includes(word), 'the JSON');
  await page.keyboard.press('Escape');
  await inspector.waitFor({ state: 'detached' });
  await close();
});

test('Ctrl K, Ctrl E, Ctrl R and Escape do what the guide says, and Undo brings all back', async () => {
  const word = unique('keys');
  await emit(word);
  const { page, close } = await open(chrome);
  await connected(page);
  await filter(page, word);
  await until(async () => (await rows(page)).length === 1, 'one row');
  await page.keyboard.press('Control+k');
  await page.getByRole('dialog', { name: 'Search or jump' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog', { name: 'Search or jump' }).waitFor({ state: 'detached' });
  await page.keyboard.press('Control+r');
  await until(async () => (await rows(page)).length === 0, 'the view is clear');
  assert.ok((await events(`q=${word}`)).events.length > 0, 'the server keeps it');
  await page.getByRole('button', { name: 'Undo' }).click();
  await until(async () => (await rows(page)).length === 1, 'all is back');
  await close();
});

test('export holds what the filter shows with its metadata', async () => {
  const word = unique('export');
  for (let index = 0; index < 5; index += 1) await emit(`${word} ${index}`);
  await emit('not exported');
  const { page, close } = await open(chrome);
  await connected(page);
  await filter(page, word);
  await until(async () => (await rows(page)).length === 5, 'five rows');
  const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Control+e')]);
  const file = JSON.parse(await readFile(await download.path(), 'utf8'));
  assert.equal(file.meta.count, 5);
  assert.equal(file.meta.filter, word);
  for (const key of ['exported_at', 'tz', 'server', 'version', 'range', 'truncated']) assert.ok(key in file.meta, key);
  const stored = (await events(`q=${word}`)).events.reverse();
  assert.deepEqual(file.events, stored, 'the very events of the server');
  await close();
});

test('the page survives a server restart with nothing missing and nothing double', async () => {
  const word = unique('restart');
  const { page, close } = await open(chrome);
  await connected(page);
  await filter(page, word);
  for (let index = 0; index < 5; index += 1) await emit(`${word} before ${index}`);
  await until(async () => (await rows(page)).length === 5, 'what came before');
  await restart();
  await until(async () => emit(`${word} after 0`).then(() => true, () => false), 'the server is back', 30_000);
  for (let index = 1; index < 12; index += 1) await emit(`${word} after ${index}`);
  await connected(page);
  const expected = [...Array.from({ length: 5 }, (_, index) => `before ${index}`), ...Array.from({ length: 12 }, (_, index) => `after ${index}`)];
  const seen = async () => (await rows(page)).flatMap((text) => /(before|after) \d+/.exec(text)?.[0] ?? []);
  await until(async () => (await seen()).length === 17, 'all 17 are there', 20_000);
  assert.deepEqual(await seen(), expected);
  await close();
});

test('hostile content stays text', async () => {
  const word = unique('hostile');
  const { page, problems, close } = await open(chrome);
  await connected(page);
  const attacks = [
    `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`,
    `\u001b]0;owned\u0007\u001b[2J\u001b[31mred`, `\u202egnp.exe`, `nul \u0000 and \ud800 alone`, `{{constructor.constructor('document.title="owned"')()}}`, 'x'.repeat(300_000),
  ];
  for (const attack of attacks) await emit(`${word} ${attack}`, { deep: attack, html: attack });
  let nested = 'end';
  for (let level = 0; level < 100; level += 1) nested = [nested];
  await emit(`${word} nested`, { nested });
  await filter(page, word);
  // Until the filter holds, other rows are on screen.
  await until(async () => {
    const shown = await rows(page);
    return shown.length === attacks.length + 1 && shown.every((text) => text.includes(word));
  }, 'the attacks are the rows, and nothing else');
  for (const row of await page.locator('#events .row:not([hidden])').all()) {
    await row.click();
    await page.getByRole('complementary', { name: 'Event details' }).waitFor();
    await page.waitForTimeout(60);
  }
  await page.getByRole('tab', { name: 'JSON' }).click();
  await page.waitForTimeout(300);
  assert.notEqual(await page.title(), 'owned');
  assert.equal(await page.locator('#app img, #app iframe, #events script').count(), 0);
  assert.deepEqual(problems, []);
  const width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(width <= 0, `the layout is ${width} px too wide`);
  await close();
});

test('?autoconnect=false waits for a click, and the connection says its details', async () => {
  const { page, close } = await open(chrome, '/claude_mpm_socketio_dashboard.html?autoconnect=false');
  await page.getByRole('banner').getByRole('button', { name: 'Not connected' }).waitFor();
  await page.getByRole('button', { name: 'Connect', exact: true }).click();
  await connected(page);
  await page.getByRole('button', { name: /^Live/ }).first().click();
  const details = page.getByRole('dialog', { name: 'Connection' });
  await until(async () => /Socket id\s+\S{8,}/.test(await details.innerText()), 'a socket id');
  assert.match(await details.innerText(), /Transport\s+(websocket|polling)/);
  await close();
});

test('a port where nobody answers shows "Connection Failed" with the four checks', async () => {
  const { page, close } = await open(chrome, '/?port=9');
  await page.getByRole('alert').filter({ hasText: 'Connection Failed' }).waitFor({ timeout: 20_000 });
  assert.equal(await page.locator('.note.bad li').count(), 4);
  assert.match(await page.locator('.note.bad').innerText(), /:9\/health/);
  await close();
});

test('every view opens from its address and shows no error', async () => {
  await hook({ hook_event_name: 'PreToolUse', tool_name: 'Read', tool_use_id: unique('toolu'), tool_input: { file_path: '/home/dev/e2e/a.rs' } });
  for (const [path, heading] of [['/live', 'Live events'], [`/s/${sessionId}`, ''], ['/work/todos', 'Work'], ['/work/files', 'Work'], ['/usage', 'Usage'], ['/system', 'System']]) {
    const { page, problems, close } = await open(chrome, path);
    await connected(page);
    if (heading !== '') await page.getByRole('heading', { name: heading, level: 1 }).waitFor();
    await page.waitForTimeout(400);
    assert.deepEqual(problems, [], path);
    assert.equal(new URL(page.url()).pathname, path);
    await close();
  }
});

test('the page lives under whatever folder a proxy gives it', async (context) => {
  const proxy = await startProxy({ monitor: MONITOR_URL, under: '/tools/monitor/' });
  context.after(() => proxy.stop());
  const word = unique('folder');
  await emit(word);
  for (const path of ['', 'live', `s/${sessionId}`, 'work/files', 'usage', 'system']) {
    const { page, problems, close } = await open(chrome, path, {}, proxy.url);
    const outside = [];
    page.on('request', (request) => { if (!request.url().startsWith(proxy.url) && request.url().startsWith('http')) outside.push(request.url()); });
    await connected(page);
    await page.getByRole('navigation', { name: 'Views', exact: true }).getByText('Live').click();
    await filter(page, word);
    await until(async () => (await rows(page)).some((text) => text.includes(word)), `the row, from ${path}`);
    assert.match(page.url(), /\/tools\/monitor\/live\?q=/);
    assert.deepEqual(outside, [], path);
    assert.deepEqual(problems, [], path);
    await close();
  }
});

test('restart after restart, the page has exactly what the server has', async () => {
  const cycles = Number(process.env.RESTART_CYCLES ?? 3);
  const word = unique('cycles');
  const { page, close } = await open(chrome);
  await connected(page);
  await filter(page, word);
  let sent = 0;
  const say = () => emit(`${word} number ${sent}`).then(() => (sent += 1));
  for (let cycle = 0; cycle < cycles; cycle += 1) {
    await say();
    await restart();
    // The first ones fall into the time when the page has not come back.
    await until(() => say().then(() => true, () => false), 'the server is back', 30_000);
    for (let more = 0; more < 4; more += 1) await say();
  }
  await until(async () => (await page.locator('[data-test="matches"]').innerText()).startsWith(`${sent} rows`), `${sent} rows`, 30_000);
  const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Control+e')]);
  const file = JSON.parse(await readFile(await download.path(), 'utf8'));
  const stored = (await events(`q=${word}&limit=5000`)).events.reverse();
  assert.deepEqual(file.events.map(({ seq }) => seq), stored.map(({ seq }) => seq), 'nothing missing, nothing double, in order');
  assert.equal(stored.length, sent);
  await close();
});
