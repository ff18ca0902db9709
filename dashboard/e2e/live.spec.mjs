// What the list of Live promises beyond showing each event: one row for what belongs together, the columns and filters of one's choice.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browser, connected, emit, events, filter, open, rows, session, unique, until } from './support.mjs';

let chrome;
before(async () => { chrome = await browser(); });
after(() => chrome.close());

test('a delegation is one row with its answer, and three events where they are asked for', async () => {
  const { id, send } = session();
  const [task, said] = [unique('task'), unique('answer')];
  const call = { tool_name: 'Agent', tool_use_id: unique('toolu_'), tool_input: { description: task, prompt: 'Look', subagent_type: 'qa' } };
  const agent = { agent_id: unique('a'), agent_type: 'qa' };
  await send('PreToolUse', call);
  await send('SubagentStart', agent);
  await send('SubagentStop', { ...agent, stop_hook_active: false, last_assistant_message: said });
  await send('PostToolUse', { ...call, tool_response: { status: 'completed', content: [{ type: 'text', text: said }], agentId: agent.agent_id } });
  const { page, problems, close } = await open(chrome, `/live?q=session:${id.slice(0, 8)}`);
  await connected(page);
  await until(async () => (await rows(page)).some((text) => text.includes(task) && text.includes(said)), 'the row with question and answer');
  assert.equal((await rows(page)).filter((text) => text.includes(task) || text.includes(said)).length, 1);
  await page.getByRole('button', { name: /^\/agent/ }).click();
  await until(async () => (await rows(page)).length >= 3, 'delegated, started and finished are rows of /agent');
  assert.deepEqual(problems, []);
  await close();
});

test('the same again and again is one row with a count, and none of it is lost', async () => {
  const word = unique('again');
  for (let turn = 0; turn < 14; turn += 1) await emit(word);
  const { page, problems, close } = await open(chrome, `/live?q=${word}`);
  await connected(page);
  await until(async () => (await rows(page)).some((text) => text.includes('×14')), 'one row that says ×14');
  assert.equal((await rows(page)).length, 1);
  await until(async () => /^14 events in 1 row/.test(await page.locator('[data-test="matches"]').innerText()), 'the figure counts each of them');
  await emit(word);
  await until(async () => (await rows(page)).some((text) => text.includes('×15')), 'the count grows');
  await page.getByRole('button', { name: 'Columns' }).click();
  await page.getByRole('checkbox', { name: 'Every event as a row' }).check();
  await until(async () => (await rows(page)).length === 15, 'each by itself');
  assert.deepEqual(problems, []);
  await close();
});

test('columns are chosen, a filter gets a name, and both are there again later', async () => {
  const word = unique('named');
  await emit(word);
  const { page, problems, close } = await open(chrome);
  await connected(page);
  await filter(page, word);
  await page.getByRole('button', { name: 'Columns' }).click();
  await page.getByRole('checkbox', { name: 'Event', exact: true }).check();
  await page.getByRole('checkbox', { name: 'Project' }).uncheck();
  await page.keyboard.press('Escape');
  await until(async () => (await page.locator('.grid-head').innerText()).includes('Event'), 'the column');
  await page.getByRole('button', { name: 'Views' }).click();
  await page.getByRole('textbox', { name: 'Name of this view' }).fill('Mine');
  await page.keyboard.press('Enter');
  await page.goto(new URL('/live', page.url()).href);
  await connected(page);
  assert.doesNotMatch(await page.locator('.grid-head').innerText(), /Project/);
  await page.getByRole('button', { name: 'Columns' }).click();
  await page.getByRole('button', { name: 'The usual ones' }).click();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Views' }).click();
  await page.getByRole('button', { name: 'Mine', exact: true }).click();
  await until(async () => (await rows(page)).length === 1 && (await rows(page))[0].includes(word), 'the filter is back');
  assert.match(await page.locator('.grid-head').innerText(), /Event/);
  assert.deepEqual(problems, []);
  await close();
});

test('a link to an event shows its row, however late it is loaded, and never an empty list', async () => {
  const { id, call } = session();
  const word = unique('linked');
  await call('Bash', { command: `echo ${word}` }, { stdout: '', stderr: '', interrupted: false });
  const { events: [started] } = await events(`kind=tool_call.started&session=${id}&limit=1`);
  // More than the first page of what a tab loads, and calls whose ends come before their starts.
  const other = session();
  for (let index = 0; index < 320; index += 1) await other.call('Read', { file_path: `/home/dev/views/${index}.rs` }, { type: 'text', file: { filePath: '', content: 'x', numLines: 1, startLine: 1, totalLines: 1 } });
  for (let turn = 0; turn < 4; turn += 1) {
    const { page, problems, close } = await open(chrome, `/live?e=${started.seq}`);
    await page.locator('.row.sel', { hasText: word }).waitFor({ timeout: 15_000 });
    assert.ok((await rows(page)).length > 10);
    assert.deepEqual(problems, []);
    await close();
  }
});
