// What each view promises, beyond the stream of events.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browser, connected, MONITOR_URL, open, rows, session, unique, until } from './support.mjs';

let chrome;
before(async () => { chrome = await browser(); });
after(() => chrome.close());

const main = (page) => page.locator('main').innerText();

test("a session's page tells its story: prompt, calls, agents, answer", async () => {
  const { id, send, call } = session();
  const word = unique('story');
  await send('SessionStart', { source: 'startup' });
  await send('UserPromptSubmit', { prompt: `please ${word}` });
  await call('Bash', { command: `echo ${word}` }, { stdout: word, stderr: '', interrupted: false });
  const asked = await call('Agent', { description: 'Look around', prompt: 'Look at everything', subagent_type: 'Explore' });
  await send('SubagentStart', { agent_id: 'a1b2c3d4e5f6a7b8c', agent_type: 'Explore' });
  await call('Read', { file_path: '/home/dev/views/a.rs' }, { type: 'text', file: { filePath: '/home/dev/views/a.rs', content: 'x', numLines: 1, startLine: 1, totalLines: 1 } }, { agent_id: 'a1b2c3d4e5f6a7b8c', agent_type: 'Explore' });
  await send('SubagentStop', { agent_id: 'a1b2c3d4e5f6a7b8c', agent_type: 'Explore', last_assistant_message: `found ${word}` });
  await send('PostToolUse', { tool_name: 'Agent', tool_use_id: asked, tool_input: { description: 'Look around', subagent_type: 'Explore' }, tool_response: { status: 'completed', agentId: 'a1b2c3d4e5f6a7b8c', content: [{ type: 'text', text: `found ${word}` }], totalTokens: 1234, totalToolUseCount: 1, totalDurationMs: 10 } });
  await send('Stop', { last_assistant_message: `all ${word}` });

  const { page, problems, close } = await open(chrome, `/s/${id}?tab=transcript`);
  await connected(page);
  const story = page.getByRole('region', { name: 'Transcript' });
  await until(async () => (await story.count()) > 0 && (await story.innerText()).includes(`all ${word}`), 'the answer');
  const text = await story.innerText();
  for (const part of [`please ${word}`, `echo ${word}`, 'Explore']) assert.ok(text.includes(part), part);
  await page.getByRole('navigation', { name: 'Session' }).getByText('Agents').click();
  await until(async () => (await main(page)).includes(`found ${word}`), 'what the agent answered');
  assert.equal(new URL(page.url()).searchParams.get('tab'), 'agents');
  await page.getByRole('navigation', { name: 'Session' }).getByText('Timeline').click();
  await page.getByRole('img', { name: /3 calls of 2 agents, 0 failed/ }).waitFor();
  await page.getByRole('button', { name: 'As table' }).click();
  await until(async () => (await main(page)).includes(`echo ${word}`), 'the same as a table');
  assert.deepEqual(problems, []);
  await close();
});

test('zoom, pan and next error work by keys on the timeline', async () => {
  const { id, send, call } = session();
  await send('SessionStart', { source: 'startup' });
  for (let index = 0; index < 4; index += 1) await call('Bash', { command: `step ${index}` }, { stdout: '', stderr: '', interrupted: false });
  const failing = unique('toolu_');
  await send('PreToolUse', { tool_name: 'Bash', tool_use_id: failing, tool_input: { command: 'false' } });
  await send('PostToolUseFailure', { tool_name: 'Bash', tool_use_id: failing, tool_input: { command: 'false' }, error: 'Exit code 1' });
  const { page, problems, close } = await open(chrome, `/s/${id}`);
  await connected(page);
  await page.getByRole('img', { name: /5 calls of 1 agents, 1 failed/ }).waitFor();
  const shown = () => page.locator('.mini .shown').evaluate((element) => parseFloat(element.style.width));
  assert.equal(await shown(), 100);
  await page.keyboard.press('w');
  await until(async () => (await shown()) < 75, 'zoomed in');
  const left = () => page.locator('.mini .shown').evaluate((element) => parseFloat(element.style.left));
  const before = await left();
  await page.keyboard.press('d');
  await until(async () => (await left()) > before, 'panned');
  await until(() => new URL(page.url()).searchParams.has('from'), 'the part is in the address');
  const again = await open(chrome, new URL(page.url()).pathname + new URL(page.url()).search);
  await again.page.getByRole('img', { name: /5 calls of 1 agents/ }).waitFor();
  await until(async () => (await again.page.locator('.mini .shown').evaluate((element) => parseFloat(element.style.width))) < 99, 'a part from the address, not the whole');
  assert.equal(new URL(again.page.url()).search, new URL(page.url()).search);
  await again.close();
  await page.keyboard.press('0');
  await until(async () => (await shown()) === 100, 'the whole again');
  await page.keyboard.press('.');
  await until(async () => /^Bash, step 0, .*, main$/.test(await page.locator('p[role="status"].vh').innerText()), 'the first call is said');
  await page.keyboard.press('e');
  await page.getByRole('complementary', { name: 'Event details' }).getByText('Failed:').waitFor();
  assert.deepEqual(problems, []);
  await close();
});

test('a changed file shows its diff, and who overwrote whom', async () => {
  const [one, other] = [session(), session()];
  const path = `/home/dev/views/${unique('file')}.rs`;
  const read = (who) => who.call('Read', { file_path: path }, { type: 'text', file: { filePath: path, content: 'a', numLines: 1, startLine: 1, totalLines: 1 } });
  const edit = (who, before, after) => who.call('Edit', { file_path: path, old_string: before, new_string: after }, { filePath: path, oldString: before, newString: after, originalFile: `${before}\n`, structuredPatch: [{ oldStart: 1, oldLines: 1, newStart: 1, newLines: 1, lines: [`-${before}`, `+${after}`] }], userModified: false, replaceAll: false });
  await read(one);
  await read(other);
  await edit(one, 'let x = 1;', 'let x = 22;');
  await edit(other, 'let x = 22;', 'let y = 1;');
  const { page, problems, close } = await open(chrome, `/work/files?f=${encodeURIComponent(path)}`);
  await connected(page);
  const changes = page.getByRole('region', { name: /^Changes of file/ });
  await until(async () => (await changes.innerText()).includes('let y = 1;'), 'the newest change', 15_000);
  const text = await changes.innerText();
  assert.match(text, /Conflict: 2 sessions/);
  assert.match(text, /Lost work/);
  const details = page.getByRole('complementary', { name: 'File details' });
  await details.getByRole('heading', { name: 'Conflict: file' }).waitFor();
  await details.getByText('The line that was lost').waitFor();
  await details.getByText('let x = 22;').waitFor();
  assert.deepEqual((await details.locator('.rel b').allInnerTexts()).map((said) => said.split(' ').at(-1)), ['reads', 'reads', 'edits', 'edits'], 'who touched it, in order');
  await details.getByRole('tab', { name: 'Reads 2' }).click();
  assert.equal(await details.locator('.rel li').count(), 2);
  await page.keyboard.press('j');
  await until(async () => (await changes.innerText()).includes('let x = 22;'), 'the change before');
  await page.keyboard.press('u');
  assert.equal(await page.getByRole('button', { name: 'Split' }).getAttribute('aria-pressed'), 'true');
  assert.deepEqual(problems, []);
  await close();
});

test('todos have their state and their order', async () => {
  const { id, send, call } = session();
  const word = unique('todo');
  await send('SessionStart', { source: 'startup' });
  const list = (now) => call('TodoWrite', { todos: [{ content: `${word} first`, status: now === 0 ? 'in_progress' : 'completed', activeForm: `${word} doing first` }, { content: `${word} second`, status: now === 1 ? 'in_progress' : 'pending', activeForm: `${word} doing second` }] }, { oldTodos: [], newTodos: [] });
  await list(0);
  await list(1);
  const { page, problems, close } = await open(chrome, '/work/todos');
  await connected(page);
  await page.getByRole('textbox', { name: 'Filter todos' }).fill(word);
  await until(async () => /now\s*\n?\s*\S* doing second[\s\S]*done\s*\n?\s*\S* first/.test(await main(page)), 'now before done');
  // What an item is, how it came to be, and what was called for it.
  await call('Bash', { command: `echo ${word}` }, { stdout: '', stderr: '', interrupted: false });
  await call('TodoWrite', { todos: [{ content: `${word} first`, status: 'completed', activeForm: '' }, { content: `${word} second, better`, status: 'in_progress', activeForm: `${word} doing better` }] }, { oldTodos: [], newTodos: [] });
  await page.getByRole('button', { name: /doing better/ }).click();
  const details = page.getByRole('complementary', { name: 'Item details' });
  await details.getByText('item 2 of 2, now').waitFor();
  await until(async () => (await details.locator('.rel').first().innerText()).replaceAll(/\s+/g, ' ').match(/written as next main \S+ set to now main \S+ words changed: was “\S+ second” main/), 'its history');
  await details.getByRole('tab', { name: 'Calls' }).click();
  await details.getByText(`echo ${word}`).waitFor();
  assert.ok(new URL(page.url()).searchParams.get('f')?.endsWith('second, better'), 'the address names it');
  await page.keyboard.press('j');
  await details.getByRole('heading', { name: `${word} first` }).waitFor();
  await page.keyboard.press('Escape');
  await until(async () => (await details.count()) === 0, 'Escape closes it');
  await page.getByRole('button', { name: 'By state' }).click();
  await until(async () => (await page.locator('main tbody tr').count()) === 2, 'both in one table');
  await page.goto(`${MONITOR_URL}/s/${id}?tab=todos`);
  await until(async () => (await main(page)).includes(`${word} doing better`), "the same list on the session's page");
  assert.deepEqual(problems, []);
  await close();
});

test('cost and tokens are those that the client reported, and nothing where it reported nothing', async () => {
  const { id, send } = session();
  await send('SessionStart', { source: 'startup' });
  const { page, problems, close } = await open(chrome, `/s/${id}?tab=cost`);
  await connected(page);
  await until(async () => (await main(page)).includes('Nobody told what this session costs'), 'no figure is made up');
  const at = `${Date.now()}000000`;
  const value = (entry) => (typeof entry === 'string' ? { stringValue: entry } : Number.isInteger(entry) ? { intValue: entry } : { doubleValue: entry });
  const attributes = { 'session.id': id, 'event.name': 'api_request', 'event.sequence': 1, model: 'claude-opus-4-8', input_tokens: 1200, output_tokens: 42, cache_read_tokens: 21_000, cache_creation_tokens: 300, cost_usd: 1.2345, duration_ms: 900, request_id: unique('req_'), query_source: 'main' };
  const record = { timeUnixNano: at, observedTimeUnixNano: at, body: { stringValue: 'claude_code.api_request' }, attributes: Object.entries(attributes).map(([key, entry]) => ({ key, value: value(entry) })) };
  const sent = await fetch(`${MONITOR_URL}/v1/logs`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ resourceLogs: [{ resource: { attributes: [{ key: 'service.name', value: { stringValue: 'claude-code' } }] }, scopeLogs: [{ scope: { name: 'com.anthropic.claude_code.events' }, logRecords: [record] }] }] }) });
  assert.equal(sent.status, 200);
  await until(async () => /\$1\.23[\s\S]*reported by otlp|reported by otlp[\s\S]*\$1\.23/.test(await main(page)), 'the reported cost');
  assert.match(await main(page), /22\.5 k/);
  await page.keyboard.press('4');
  await until(async () => (await page.getByRole('img', { name: /^Cost, highest/ }).count()) === 1, 'the chart of cost');
  assert.deepEqual(problems, []);
  await close();
});

test('C offers each way to copy, X takes rows like the selected one out, and I leaves only them', async () => {
  const { id, call } = session();
  const word = unique('copy');
  await call('Bash', { command: `echo ${word}` }, { stdout: word, stderr: '', interrupted: false });
  await call('Read', { file_path: `/home/dev/views/${word}` }, { type: 'text', file: { filePath: `/home/dev/views/${word}`, content: 'x', numLines: 1, startLine: 1, totalLines: 1 } });
  const { page, problems, close } = await open(chrome, `/live?q=session:${id.slice(0, 8)}`, { permissions: ['clipboard-read', 'clipboard-write'] });
  await connected(page);
  await until(async () => (await rows(page)).length >= 2, 'both calls');
  await page.locator('#events .row:not([hidden])', { hasText: `echo ${word}` }).click();
  await page.keyboard.press('c');
  const menu = page.getByRole('dialog', { name: 'Copy' });
  await menu.getByRole('button', { name: /^Command/ }).waitFor();
  await page.keyboard.press('m');
  await menu.waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `echo ${word}`);
  await page.keyboard.press('i');
  await until(async () => (await rows(page)).every((text) => text.includes('Bash')), 'only Bash');
  assert.match(new URL(page.url()).searchParams.get('q'), /tool:Bash/);
  await page.goBack();
  await until(async () => (await rows(page)).length >= 2, 'back to both');
  await page.keyboard.press('x');
  await until(async () => (await rows(page)).length > 0 && (await rows(page)).every((text) => !text.includes('Bash')), 'no Bash');
  assert.deepEqual(problems, []);
  await close();
});

test('a session that needs a person is told to one who looks elsewhere, once, and only when they asked for it', async () => {
  const waiting = session();
  const [first, second] = [unique('first'), unique('second')];
  await waiting.send('SessionStart', { source: 'startup' });
  const { page, close } = await open(chrome, 'about:blank', {}, '');
  await page.addInitScript(() => {
    globalThis.notes = [];
    globalThis.Notification = class {
      static permission = 'granted';
      constructor(title, { body }) { globalThis.notes.push(`${title}: ${body}`); }
      close() {}
    };
    Object.defineProperty(document, 'hidden', { get: () => true });
  });
  const notes = () => page.evaluate(() => globalThis.notes);
  const ask = async (command) => {
    const call = { tool_name: 'Bash', tool_use_id: unique('toolu_'), tool_input: { command } };
    await waiting.send('PreToolUse', call);
    await waiting.send('PermissionRequest', call);
    return () => waiting.send('PostToolUse', { ...call, tool_response: { stdout: '', stderr: '', interrupted: false } });
  };
  await page.goto(`${MONITOR_URL}/live`);
  await connected(page);
  const answered = await ask(first);
  await page.getByRole('link', { name: new RegExp(first) }).waitFor();
  assert.deepEqual(await notes(), [], 'nobody asked for them');
  await page.evaluate(() => localStorage.setItem('notify', 'on'));
  await page.reload();
  await page.getByRole('link', { name: new RegExp(first) }).waitFor();
  await answered();
  await page.getByRole('link', { name: new RegExp(first) }).waitFor({ state: 'detached' });
  const began = Date.now();
  await ask(second);
  await until(async () => (await notes()).length > 0, 'a notification');
  console.log(`notified ${Date.now() - began} ms after the hook was sent`);
  await page.getByRole('link', { name: new RegExp(second) }).waitFor();
  assert.deepEqual((await notes()).map((note) => note.replace(/^.*?: /, '')), [`Asks: ${second}`]);
  await close();
});

test('settings last: theme, times, height of rows', async () => {
  const { page, problems, close } = await open(chrome, '/system?tab=settings');
  await connected(page);
  await page.getByRole('button', { name: 'Roomy' }).click();
  await page.getByRole('button', { name: 'UTC', exact: true }).click();
  await page.getByRole('button', { name: 'Dark' }).click();
  await page.goto(`${MONITOR_URL}/live`);
  await connected(page);
  assert.deepEqual(await page.evaluate(() => ({ ...document.documentElement.dataset })), { theme: 'dark', density: 'roomy' });
  await until(async () => (await rows(page)).length > 1, 'rows');
  assert.equal(await page.locator('#events .row:not([hidden])').first().evaluate((row) => row.getBoundingClientRect().height), 30);
  await page.getByText('Time, UTC').waitFor();
  assert.deepEqual(problems, []);
  await close();
});


test('the first screen costs at most 150 KB, and nothing comes from another host', async () => {
  const context = await chrome.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  const sizes = [];
  const elsewhere = [];
  page.on('response', (response) => {
    const { pathname, origin } = new URL(response.url());
    if (origin !== new URL(MONITOR_URL).origin) elsewhere.push(response.url());
    if (pathname === '/live' || pathname.startsWith('/assets/')) sizes.push(response.request().sizes().then(({ responseBodySize }) => ({ pathname, responseBodySize })));
  });
  await page.goto(`${MONITOR_URL}/live`);
  await connected(page);
  await page.waitForLoadState('networkidle');
  const all = await Promise.all(sizes);
  const sum = (part) => all.filter(part).reduce((total, { responseBodySize }) => total + responseBodySize, 0) / 1024;
  // A worker's script is no response of the page's.
  all.push(...await page.evaluate(() => performance.getEntriesByType('resource').filter(({ name }) => name.includes('/worker-')).map(({ encodedBodySize }) => ({ pathname: '/worker.js', responseBodySize: encodedBodySize }))));
  const first = sum(() => true);
  const scripts = sum(({ pathname }) => pathname.endsWith('.js') && !pathname.includes('worker'));
  console.log(`first screen ${first.toFixed(1)} KiB, scripts of the page itself ${scripts.toFixed(1)} KiB`);
  assert.ok(all.some(({ pathname, responseBodySize }) => pathname === '/worker.js' && responseBodySize > 10_000) && all.length >= 7, 'page, styles, scripts, worker and fonts were counted');
  assert.ok(first <= 150, `${first} KiB`);
  assert.ok(scripts <= 80, `${scripts} KiB`);
  assert.deepEqual(elsewhere, []);
  await context.close();
});

test('times are those of the reader, whatever their zone', async () => {
  const { id, call } = session();
  await call('Bash', { command: unique('zone') }, { stdout: '', stderr: '', interrupted: false });
  const clocks = [];
  for (const [timezoneId, head] of [['Asia/Kathmandu', 'Time, UTC+5:45'], ['UTC', 'Time, UTC']]) {
    const { page, close } = await open(chrome, `/live?q=session:${id.slice(0, 8)}`, { timezoneId });
    await connected(page);
    await page.getByText(head, { exact: true }).waitFor();
    await until(async () => (await rows(page)).length > 0, 'the row');
    const [hours, minutes] = (await page.locator('#events .row:not([hidden]) .t').first().innerText()).split(':').map(Number);
    clocks.push(hours * 60 + minutes);
    await close();
  }
  assert.equal((clocks[0] - clocks[1] + 1440) % 1440, 5 * 60 + 45);
});
