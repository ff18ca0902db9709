// A session in full, as the server knows it: each against a monitor of its own, with the program in MONITOR_PROGRAM.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { browser, connected, open, own, ownMonitor, unique, until, violations } from './support.mjs';

const monitor = ownMonitor();
const { json } = monitor;
let chrome;
before(async () => { chrome = await browser(); });
after(() => chrome.close());

const { post } = monitor;

/** A session with a transcript file in the monitor's home, as Claude Code writes it. */
async function conversation() {
  const id = randomUUID();
  const folder = join(monitor.home, '.claude/projects/-w-app');
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${id}.jsonl`);
  let lines = 0;
  const write = (...entries) => appendFile(path, entries.map((entry) => `${JSON.stringify({ uuid: `${id}-${(lines += 1)}`, timestamp: new Date().toISOString(), sessionId: id, ...entry })}\n`).join(''));
  const send = (hook_event_name, fields = {}) => post('/api/events', { session_id: id, cwd: monitor.home, transcript_path: path, hook_event_name, ...fields });
  const call = async (tool_name, tool_input, tool_response) => {
    const tool_use_id = unique('toolu_');
    await send('PreToolUse', { tool_name, tool_input, tool_use_id });
    if (tool_response !== undefined) await send('PostToolUse', { tool_name, tool_input, tool_response, tool_use_id });
    return tool_use_id;
  };
  const says = (content, usage = {}) => {
    const message = unique('msg_');
    return { type: 'assistant', requestId: `req_${message}`, gitBranch: 'feature/tax', message: { id: message, role: 'assistant', model: 'claude-opus-4-8', stop_reason: 'end_turn', content, usage: { input_tokens: 10, output_tokens: 20, cache_read_input_tokens: 0, cache_creation_input_tokens: 0, ...usage } } };
  };
  return { id, path, write, send, call, says, prompt: (text) => ({ type: 'user', promptSource: 'typed', message: { role: 'user', content: text } }) };
}
const ok = { stdout: '', stderr: '', interrupted: false };

test('the Timeline shows the whole session, also what is older than the tab keeps, and follows it', own, async () => {
  const { id, send, call } = await conversation();
  await send('UserPromptSubmit', { prompt: 'the first prompt' });
  for (let step = 0; step < 3; step += 1) await call('Bash', { command: `early ${step}` }, ok);
  await post('/emit', Array.from({ length: 6000 }, (_, number) => ({ namespace: 'system', event: 'filler', data: { number } })));
  const { page, problems, close } = await open(chrome, `/s/${id}?keep=4096`, {}, monitor.page);
  await connected(page);
  await page.getByRole('img', { name: /^3 calls of 1 agents, 0 failed/ }).waitFor();
  await page.getByText(/events, the whole session/).waitFor();
  const began = Date.now();
  await call('Bash', { command: 'late' }, ok);
  await page.getByRole('img', { name: /^4 calls of 1 agents, 0 failed/ }).waitFor();
  const took = Date.now() - began;
  console.log(`a call stood on the Timeline ${took} ms after its hook`);
  assert.ok(took < 2000, `${took} ms`);
  await page.getByRole('button', { name: 'As table' }).click();
  await page.getByText('early 0').first().waitFor();
  assert.deepEqual(problems, []);
  await close();
});

test('an older server without spans and transcripts is shown from the events of the tab', own, async () => {
  const { id, send, call } = await conversation();
  await send('UserPromptSubmit', { prompt: 'hello' });
  await call('Bash', { command: 'kept here' }, ok);
  const context = await chrome.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  await page.route(/\/api\/v1\/sessions\/[^/]+\/(spans|transcript)/, (route) => route.fulfill({ status: 404, contentType: 'application/json', body: JSON.stringify({ error: { code: 'no_such_path', message: 'no such path' } }) }));
  await page.goto(`${monitor.page}/s/${id}`);
  await connected(page);
  await page.getByRole('img', { name: /^1 calls of 1 agents/ }).waitFor();
  await page.getByText(/events kept in this tab/).waitFor();
  await page.getByRole('navigation', { name: 'Session' }).getByText('Transcript').click();
  await page.getByText('as hooks told them. No such path').waitFor();
  await page.getByRole('region', { name: 'Transcript' }).getByText('kept here').waitFor();
  await context.close();
});

test('the transcript shows what was said, joined with calls, loads older turns on scroll, and follows', own, async () => {
  const { id, write, send, call, says, prompt } = await conversation();
  for (let turn = 0; turn < 30; turn += 1) await write(prompt(`question ${turn}`), says([{ type: 'text', text: `answer ${turn} with \`code\` and ${'words '.repeat(120)}` }]));
  await send('UserPromptSubmit', { prompt: 'run it' });
  await write(prompt('run it'));
  const failing = unique('toolu_');
  await send('PreToolUse', { tool_name: 'Bash', tool_input: { command: 'make check' }, tool_use_id: failing });
  await send('PostToolUseFailure', { tool_name: 'Bash', tool_input: { command: 'make check' }, tool_use_id: failing, error: 'Exit code 2' });
  await write(
    says([{ type: 'thinking', thinking: 'a secret thought', signature: 'x' }, { type: 'tool_use', id: failing, name: 'Bash', input: { command: 'make check' } }]),
    { type: 'user', message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: failing, is_error: true, content: 'Exit code 2\nundefined <b>name</b>' }] } },
  );
  const { page, problems, close } = await open(chrome, `/s/${id}?tab=transcript`, {}, monitor.page);
  await connected(page);
  const story = page.getByRole('region', { name: 'Transcript' });
  await story.getByText('undefined <b>name</b>').waitFor();
  assert.equal(await story.getByText('a secret thought').count(), 0, 'thinking is off at first');
  await page.getByRole('button', { name: 'Thinking 1' }).click();
  await story.getByText('a secret thought').waitFor();
  assert.equal(await story.getByText('question 2', { exact: true }).count(), 0, 'the beginning is not loaded');
  await until(async () => {
    await story.evaluate((element) => element.scrollTo(0, 0));
    return story.getByText('question 0', { exact: true }).count();
  }, 'the first question');
  for (let turn = 0; turn < 30; turn += 1) assert.equal(await story.getByText(`question ${turn}`, { exact: true }).count(), 1, `question ${turn}, once`);
  await story.evaluate((element) => element.scrollTo(0, element.scrollHeight));
  await write(says([{ type: 'text', text: 'the very last answer' }]));
  await send('Stop', { last_assistant_message: 'the very last answer' });
  await story.getByText('the very last answer').waitFor({ timeout: 5000 });
  // Who reads further up stays there, whatever comes.
  await story.evaluate((element) => element.scrollTo(0, 900));
  const place = await story.evaluate((element) => element.scrollTop);
  for (let turn = 0; turn < 40; turn += 1) await write(says([{ type: 'text', text: `one more answer ${turn}` }]));
  await call('Bash', { command: 'meanwhile' }, ok);
  await story.getByText('one more answer 39', { exact: true }).waitFor({ state: 'attached', timeout: 5000 });
  for (let turn = 0; turn < 40; turn += 1) assert.equal(await story.getByText(`one more answer ${turn}`, { exact: true }).count(), 1, `one more answer ${turn}, though more came than one page holds`);
  assert.ok(Math.abs((await story.evaluate((element) => element.scrollTop)) - place) < 40, 'the reader is where they were');
  await story.evaluate((element) => element.scrollTo(0, element.scrollHeight));
  await story.getByRole('button', { name: /make check/ }).click();
  await page.getByRole('complementary', { name: 'Event details' }).getByText('make check').first().waitFor();
  await call('Bash', { command: 'after' }, ok);
  assert.deepEqual(problems, []);
  await close();
});

test('context, branch and an estimated cost stand in strip and header, amber from 80 % on, and what has no price is called so', own, async () => {
  const { id, write, send, says, prompt } = await conversation();
  await send('SessionStart', { source: 'startup' });
  await send('UserPromptSubmit', { prompt: 'go' });
  await write(prompt('go'), says([{ type: 'text', text: 'done' }], { cache_read_input_tokens: 850_000 }));
  const { page, problems, close } = await open(chrome, `/s/${id}`, {}, monitor.page);
  await connected(page);
  const header = page.locator('.head');
  await header.getByText(/context 85%/).waitFor();
  assert.equal(await header.getByText(/context 85%/).evaluate((element) => element.classList.contains('w-need')), true);
  const known = (await json('/api/v1/state')).sessions.find((session) => session.session_id === id);
  assert.equal(known.usage.cost_status, 'estimated');
  await header.getByText(/^\$\d+\.\d\d estimated$/).waitFor();
  await header.getByText(/on feature\/tax/).waitFor();
  await page.goto(`${monitor.page}/live`);
  await connected(page);
  const strip = page.getByRole('listitem').filter({ hasText: id.slice(0, 8) });
  assert.match(await strip.innerText(), /85%[\s\S]*≈|≈[\s\S]*85%/);
  const other = await conversation();
  await other.send('UserPromptSubmit', { prompt: 'go' });
  const unpriced = other.says([{ type: 'text', text: 'done' }]);
  unpriced.message.model = 'someone-elses-model';
  await other.write(other.prompt('go'), unpriced);
  await page.goto(`${monitor.page}/s/${other.id}`);
  await header.getByText('unpriced').waitFor();
  assert.doesNotMatch(await header.innerText(), /\$0/);
  assert.deepEqual(problems, []);
  await close();
});

test('a question whose answer nothing would show says "Answered?" after a while', own, async () => {
  const { id, send } = await conversation();
  const asked = { tool_name: 'WebFetch', tool_use_id: unique('toolu_'), tool_input: { url: 'https://example.com/' } };
  await send('PreToolUse', asked);
  await send('PermissionRequest', asked);
  const { page, problems, close } = await open(chrome, '/live', {}, monitor.page);
  await connected(page);
  const strip = page.getByRole('listitem').filter({ hasText: id.slice(0, 8) });
  await strip.getByText('Needs you').or(strip.getByText('Answered?')).first().waitFor();
  await strip.getByText('Answered?').waitFor({ timeout: 20_000 });
  await send('PostToolUse', { ...asked, tool_response: { result: 'x' } });
  await strip.getByText('Answered?').waitFor({ state: 'detached' });
  assert.deepEqual(problems, []);
  await close();
});

test('a file is compared with git, and the reason stands there where it cannot be', own, async () => {
  const { id, call } = await conversation();
  const git = (...words) => execFileSync('git', ['-C', monitor.home, '-c', 'user.name=a', '-c', 'user.email=a@b.c', ...words]);
  git('init', '-q');
  const path = join(monitor.home, 'totals.txt');
  await writeFile(path, 'one\ntwo\nthree\n');
  git('add', 'totals.txt');
  git('commit', '-qm', 'first');
  await writeFile(path, 'one\n2\nthree\nfour\n');
  await call('Edit', { file_path: path, old_string: 'two', new_string: '2' }, { filePath: path, oldString: 'two', newString: '2', originalFile: 'one\ntwo\nthree\n', structuredPatch: [{ oldStart: 1, oldLines: 3, newStart: 1, newLines: 3, lines: [' one', '-two', '+2', ' three'] }] });
  const gone = '/nowhere/else.txt';
  await call('Write', { file_path: gone, content: 'x' }, { type: 'create', filePath: gone, content: 'x', structuredPatch: [] });
  const { page, problems, close } = await open(chrome, `/work/files?f=${encodeURIComponent(path)}`, {}, monitor.page);
  await connected(page);
  const changes = page.getByRole('region', { name: 'Changes of totals.txt' });
  await changes.getByRole('button', { name: 'Against git' }).click();
  await changes.getByText(/^Against commit [0-9a-f]+, whoever changed it/).waitFor();
  const lines = await changes.locator('.diff tr:not(.head)').allInnerTexts();
  assert.deepEqual(lines.map((line) => line.replaceAll(/\s+/g, '')), ['11one', '2−two', '2+2', '33three', '4+four']);
  await page.goto(`${monitor.page}/work/files?f=${encodeURIComponent(gone)}`);
  await page.getByRole('region', { name: 'Changes of else.txt' }).getByRole('button', { name: 'Against git' }).click();
  await page.getByText('Git has nothing to compare with: that is no file below a folder that a session works in').waitFor();
  assert.ok(id);
  assert.deepEqual(problems, []);
  await close();
});

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds no violation in what was said, in the ${colorScheme} theme`, own, async () => {
    const { id, write, send, says, prompt } = await conversation();
    const failing = unique('toolu_');
    await send('UserPromptSubmit', { prompt: 'run it' });
    await send('PreToolUse', { tool_name: 'Bash', tool_input: { command: 'make' }, tool_use_id: failing });
    await send('PostToolUseFailure', { tool_name: 'Bash', tool_input: { command: 'make' }, tool_use_id: failing, error: 'Exit code 2' });
    await write(prompt('run it'), says([{ type: 'thinking', thinking: 'hm', signature: 'x' }, { type: 'text', text: 'See `this` and **that**.\n```\ncode\n```' }, { type: 'tool_use', id: failing, name: 'Bash', input: { command: 'make' } }]), { type: 'user', message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: failing, is_error: true, content: 'Exit code 2' }] } });
    for (const viewport of [{ width: 1440, height: 900 }, { width: 390, height: 844 }]) {
      const { page, close } = await open(chrome, `/s/${id}?tab=transcript`, { colorScheme, viewport, bypassCSP: true }, monitor.page);
      await connected(page);
      await page.getByRole('button', { name: 'Thinking 1' }).click();
      await page.getByText('Exit code 2').first().waitFor();
      assert.deepEqual(await violations(page), [], `at ${viewport.width}`);
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, `at ${viewport.width}`);
      await close();
    }
  });
}

test('a session is pinned and let go from its menu, and deleted from everywhere once the question is answered', own, async () => {
  const [kept, gone] = [await conversation(), await conversation()];
  const word = unique('erased');
  for (const one of [kept, gone]) {
    await one.send('UserPromptSubmit', { prompt: 'go' });
    await one.call('Bash', { command: `echo ${one === gone ? word : 'stays'}` }, ok);
    await one.send('Stop', {});
  }
  const { page, problems, close } = await open(chrome, `/s/${gone.id}`, {}, monitor.page);
  await connected(page);
  const [erased] = (await json(`/api/v1/events?session=${gone.id}&kind=tool_call.started`)).events;
  const other = await open(chrome, `/live?e=${erased.seq}`, {}, monitor.page);
  const details = other.page.getByRole('complementary', { name: 'Event details' });
  await details.getByText(word).first().waitFor();
  const pinned = async () => (await json('/api/v1/state')).sessions.find((session) => session.session_id === gone.id)?.pinned === true;
  const menu = page.getByRole('dialog', { name: 'Keep or delete' });
  const open_ = () => page.getByRole('button', { name: 'Keep or delete' }).click();
  await open_();
  await menu.getByRole('button', { name: 'Pin', exact: true }).click();
  await until(pinned, 'it is pinned');
  await page.locator('.head').getByText(/, pinned/).waitFor();
  await open_();
  await menu.getByRole('button', { name: 'Unpin' }).click();
  await until(async () => !(await pinned()), 'it is let go');
  await open_();
  await menu.getByRole('button', { name: 'Delete' }).click();
  await page.keyboard.press('Escape');
  assert.ok((await json(`/api/v1/events?session=${gone.id}`)).events.length > 0, 'a question is no deed');
  await menu.getByRole('button', { name: 'Delete' }).click();
  await menu.getByRole('button', { name: 'Yes, delete' }).click();
  await page.getByText('was deleted. Backups and exports made before still have it').waitFor();
  assert.deepEqual((await json(`/api/v1/events?session=${gone.id}`)).events, []);
  await until(async () => !(await details.innerText()).includes(word), 'its details are gone from another tab, too');
  await other.close();
  await until(() => new URL(page.url()).pathname === '/live', 'the page of a session that is gone is left');
  await page.fill('#filter', `session:${kept.id.slice(0, 8)}`);
  await page.locator('#events .row:not([hidden])', { hasText: 'echo stays' }).waitFor();
  await page.fill('#filter', word);
  await page.getByText('Nothing matches').or(page.getByText('No event matches')).first().waitFor();
  assert.equal(await page.getByRole('listitem').filter({ hasText: gone.id.slice(0, 8) }).count(), 0);
  assert.deepEqual(problems, []);
  await close();
});

test("Usage tells the server's sums, also of what the tab does not keep", own, async () => {
  const { send, call, write, says, prompt } = await conversation();
  await send('UserPromptSubmit', { prompt: 'go' });
  for (let step = 0; step < 7; step += 1) await call('NotebookEdit', { notebook_path: '/w/a.ipynb', new_source: String(step) }, {});
  await write(prompt('go'), says([{ type: 'text', text: 'done' }], { cache_read_input_tokens: 1_000_000 }));
  const sums = () => json(`/api/v1/stats?minutes=1&group=model&step=1h&from=${Date.now() - 86_400_000}`);
  await until(async () => ((await sums()).over_time.total.cost_usd ?? 0) > 0, 'the cost is counted');
  await post('/emit', Array.from({ length: 6000 }, (_, number) => ({ namespace: 'system', event: 'filler', data: { number } })));
  const { page, problems, close } = await open(chrome, '/usage?keep=4096', {}, monitor.page);
  await connected(page);
  await page.getByRole('button', { name: '30 d' }).click();
  await page.getByText(/of all calls that ended, last 30 d/).waitFor();
  const row = page.getByRole('row', { name: /^NotebookEdit/ });
  await row.waitFor();
  assert.match(await row.innerText(), /NotebookEdit\s+7\b/);
  const { total } = (await sums()).over_time;
  await page.getByText(`in range $${total.cost_usd.toFixed(2)}, estimated`).waitFor();
  assert.deepEqual(problems, []);
  await close();
});

test('an export of more than a tab holds is streamed by the server, all of it', own, async () => {
  const word = unique('many');
  for (let round = 0; round < 11; round += 1) await post('/emit', Array.from({ length: 10_000 }, (_, number) => ({ namespace: 'system', event: 'filler', data: { message: `${word} ${round} ${number}` } })));
  const { page, close } = await open(chrome, '/live?keep=4096', {}, monitor.page);
  await connected(page);
  await page.locator('#events .row:not([hidden])').first().waitFor();
  const before = (await json('/api/v1/events?limit=1')).seq_last;
  const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Control+e')]);
  assert.match(download.suggestedFilename(), /\.ndjson$/);
  const lines = (await readFile(await download.path(), 'utf8')).trimEnd().split('\n');
  assert.ok(lines.length >= 110_000, `${lines.length} lines`);
  assert.ok(JSON.parse(lines.at(-1)).seq >= before);
  await close();
});

test('Usage shows the limits of the plan as they were told, what is not reported as such, and how far the day has come', own, async () => {
  const { page, problems, close } = await open(chrome, '/usage', {}, monitor.page);
  await connected(page);
  const [five, week, cost] = ['5-hour limit', '7-day limit', 'Cost of today'].map((name) => page.getByRole('region', { name, exact: true }));
  await five.getByText('Not reported.').waitFor();
  await week.getByText('Not reported.').waitFor();
  assert.equal(await five.getByRole('img').count(), 0, 'no bar of what nobody told');
  const now = Math.floor(Date.now() / 1000);
  const tell = (rateLimitType, utilization, resetsAt, status = 'allowed') => post('/emit', { namespace: 'claude', event: 'rate_limit', data: { rate_limit: { status, resetsAt, rateLimitType, utilization } } });
  await tell('five_hour', 0.9, now + 3600, 'allowed_warning');
  await tell('seven_day', 0.1, now + 86_400);
  await page.reload();
  await five.getByText('90% used').waitFor();
  await five.getByText(/^Full at \d\d:\d\d/).waitFor();
  await five.getByRole('img', { name: '90% used' }).waitFor();
  await week.getByText(/^About 12%/).waitFor();
  await tell('five_hour', 0.9, now - 5, 'rejected');
  await page.reload();
  await five.getByText('It was reset').waitFor();
  await cost.getByRole('button', { name: 'Set one' }).or(cost.getByText('Nobody told of a request today')).first().waitFor();
  assert.deepEqual(problems, []);
  await close();
});
