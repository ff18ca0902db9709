// What a session waits for is shown whole, from wherever it is opened, and goes when it was answered.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { browser, connected, open, own, ownMonitor, rows, session, unique, until } from './support.mjs';

let chrome;
before(async () => { chrome = await browser(); });
after(() => chrome.close());
const monitor = ownMonitor();

const panel = (page) => page.getByRole('region', { name: 'What is asked' });

async function ask(who, tool_name, tool_input, more = {}) {
  const call = { tool_name, tool_input, tool_use_id: unique('toolu_') };
  await who.send('PreToolUse', call);
  await who.send('PermissionRequest', { ...call, permission_mode: 'default', ...more });
  return () => who.send('PostToolUse', { ...call, tool_response: { stdout: '', stderr: '', interrupted: false } });
}

test('the exact command is shown, from the strip, the row and N, and goes with the answer', async () => {
  const who = session();
  const word = unique('danger');
  await who.send('SessionStart', { source: 'startup' });
  const command = `echo ${word} \u202e&& rm -rf /\u202c ${'long '.repeat(400)} end-of-${word}`;
  const answered = await ask(who, 'Bash', { command, description: 'Harmless' });
  const { page, problems, close } = await open(chrome);
  await connected(page);
  const began = Date.now();
  await page.getByRole('link', { name: new RegExp(word) }).click();
  await panel(page).waitFor();
  console.log(`panel ${Date.now() - began} ms after the click`);
  await until(async () => (await page.locator('[data-test="exact"]').innerText()).includes(`end-of-${word}`), 'the end of the command');
  const shown = await page.locator('[data-test="exact"]').innerText();
  assert.ok(shown.includes('\\u202e&& rm -rf /\\u202c'), 'directions are escapes');
  assert.equal(shown, command.replaceAll('\u202e', '\\u202e').replaceAll('\u202c', '\\u202c'), 'nothing is left out');
  assert.match(await panel(page).innerText(), /Harmless/);
  assert.match(await page.getByRole('complementary', { name: 'Event details' }).innerText(), /Needs you \d+:\d\d:[\s\S]*wants to run a command[\s\S]*Answer in the terminal/);
  assert.equal(await page.getByRole('button', { name: /allow|deny/i }).count(), 0, 'no button answers it');
  await page.keyboard.press('Escape');
  await panel(page).waitFor({ state: 'detached' });
  await page.keyboard.press('n');
  await panel(page).waitFor();
  await page.keyboard.press('Escape');
  await until(async () => (await rows(page)).some((text) => text.includes(word)), 'the row');
  await page.locator('#events .row.need', { hasText: word }).first().click();
  await panel(page).waitFor();
  await page.getByRole('button', { name: 'Details', exact: true }).click();
  await page.getByRole('tab', { name: 'JSON' }).waitFor();
  await page.getByRole('button', { name: 'What is asked' }).click();
  await panel(page).waitFor();
  await answered();
  await panel(page).waitFor({ state: 'detached', timeout: 3000 });
  assert.deepEqual(problems, []);
  await close();
});

test('a change of a file is shown as a diff, a question with its options', async () => {
  const [one, other] = [session(), session()];
  const [added, gone] = [unique('added'), unique('gone')];
  for (const who of [one, other]) await who.send('SessionStart', { source: 'startup' });
  const done = [
    await ask(one, 'Edit', { file_path: '/home/dev/views/ci.yml', old_string: `same\n${gone}\nlast`, new_string: `same\n${added}\nlast` }),
    await ask(other, 'AskUserQuestion', { questions: [{ question: 'Keep the old routes?', header: 'Routes', multiSelect: false, options: [{ label: 'Keep them', description: 'for a year' }, { label: 'Drop them', description: 'now' }] }] }),
  ];
  const { page, problems, close } = await open(chrome, `/live?q=session:${one.id.slice(0, 8)}`);
  await connected(page);
  await page.locator(`a[href$="${one.id}"]`).click();
  await until(async () => (await panel(page).count()) > 0 && (await panel(page).innerText()).includes(added), 'the added line');
  assert.match(await panel(page).innerText(), new RegExp(`\\+1 −1[\\s\\S]*same[\\s\\S]*${gone}[\\s\\S]*${added}[\\s\\S]*last`));
  // The event is told again while it waits; what was loaded for it stays as it is.
  const seen = await page.evaluate((words) => new Promise((resolve) => {
    const told = new Set();
    let lost = false;
    const look = () => {
      const panel = document.querySelector('.insp');
      if (!panel?.textContent.includes(words) || /Loading/.test(panel.textContent)) lost = true;
      told.add(panel?.querySelector('.nx')?.textContent);
      if (lost || told.size > 4) resolve({ lost, told: told.size });
    };
    new MutationObserver(look).observe(document.querySelector('.app'), { subtree: true, childList: true, characterData: true });
  }), added);
  assert.deepEqual(seen, { lost: false, told: 5 }, 'nothing of it flickers in as many seconds');
  await page.keyboard.press('n');
  await until(async () => (await panel(page).count()) > 0 && (await panel(page).innerText()).includes('Keep the old routes?'), 'N goes on to the question');
  assert.match(await panel(page).innerText(), /Keep them\s+for a year\s+Drop them\s+now\s+Or an answer of your own/);
  for (const answer of done) await answer();
  assert.deepEqual(problems, []);
  await close();
});

/** A monitor whose only question is older than anything that a tab of `?keep=4096` has. */
async function longAgo() {
  const id = randomUUID();
  const told = (hook_event_name, fields = {}) => monitor.post('/api/events', { session_id: id, cwd: '/home/dev/old', transcript_path: '/home/dev/old.jsonl', hook_event_name, ...fields });
  const call = { tool_name: 'Bash', tool_input: { command: `echo ${id}` }, tool_use_id: unique('toolu_') };
  await told('SessionStart', { source: 'startup' });
  await told('PreToolUse', call);
  await told('PermissionRequest', call);
  for (let batch = 0; batch < 6; batch += 1) await monitor.post('/emit', Array.from({ length: 1000 }, (_, at) => ({ namespace: 'system', event: 'e2e', data: { message: `later ${batch} ${at}` } })));
  const asked = await until(async () => (await monitor.json('/api/v1/state')).sessions.find((session) => session.session_id === id)?.reason, 'the question');
  return { id, seq: asked.seq, over: () => told('SessionEnd', { reason: 'exit' }) };
}

test('N opens a question that is older than what the tab keeps, also after the details were closed', own, async () => {
  const { id, seq, over } = await longAgo();
  const { page, problems, close } = await open(chrome, '/live?keep=4096', {}, monitor.page);
  await connected(page);
  await until(async () => /[1-9]/.test(await page.locator('.foot').innerText()), 'the tab is filled');
  const asked = async () => (await panel(page).count()) > 0 && (await panel(page).innerText()).includes(id);
  for (const closed of ['', ']', 'Space', 'Escape']) {
    if (closed !== '') {
      await page.evaluate(() => document.activeElement?.blur());
      await page.keyboard.press(closed);
      await panel(page).waitFor({ state: 'detached' });
    }
    await page.keyboard.press('n');
    await until(asked, `the question, after ${closed || 'nothing'}`);
    assert.equal(new URL(page.url()).searchParams.get('e'), String(seq));
  }
  await over();
  await page.keyboard.press('Escape');
  await page.getByRole('link', { name: /Needs you/ }).waitFor({ state: 'detached' });
  await page.keyboard.press('n');
  await page.getByText('No session needs attention').waitFor();
  assert.deepEqual(problems, []);
  await close();
});

test('a session that waits in silence is shown, however late the server tells what waits', own, async () => {
  const { id, over } = await longAgo();
  // The server tells a first page everything at once; a second one has to ask.
  const first = await open(chrome, '/live', {}, monitor.page);
  await connected(first.page);
  await first.page.getByRole('link', { name: new RegExp(id) }).waitFor();
  const { page, problems, close } = await open(chrome, 'about:blank', {}, '');
  let asked = 0;
  await page.route('**/api/v1/state', (route) => ((asked += 1) <= 2 ? route.fulfill({ status: 503, body: '{}' }) : route.continue()));
  await page.goto(`${monitor.page}/live?keep=4096`);
  await connected(page);
  await until(() => asked > 2, 'it asks again until it is answered');
  await page.getByRole('link', { name: new RegExp(id) }).waitFor();
  await page.keyboard.press('n');
  await until(async () => (await panel(page).count()) > 0 && (await panel(page).innerText()).includes(id), 'the question');
  await over();
  assert.deepEqual([...problems, ...first.problems], []);
  await Promise.all([close(), first.close()]);
});
