// What the page shows of the monitor itself, and what it may do: each against a monitor of its own, with the program in MONITOR_PROGRAM.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browser, connected, open, own, ownMonitor, until, violations } from './support.mjs';

const monitor = ownMonitor();
const { json } = monitor;
let chrome;
before(async () => { chrome = await browser(); });
after(() => chrome.close());

const state = async (launchId) => (await json('/api/v1/state')).sessions.find((session) => session.launch_id === launchId)?.state;
const listed = () => until(async () => (await json('/api/v1/runs')).runs.find((run) => run.session_id), 'a run with its session');

test('each client stands in System with how far behind it is, and another one can be sent away, asked once, this tab never', own, async () => {
  const other = await open(chrome, '/live', {}, monitor.page);
  await connected(other.page);
  const [first] = (await json('/api/v1/clients')).clients;
  const { page, problems, close } = await open(chrome, '/system', {}, monitor.page);
  await connected(page);
  const panel = page.getByRole('region', { name: /^Clients/ });
  await panel.getByRole('cell', { name: /this tab/ }).waitFor();
  await until(async () => (await panel.getByRole('row').count()) === 3, 'two clients and the heading');
  assert.match(await panel.getByRole('row').nth(1).innerText(), /this tab/);
  // What the server says of the other one is what stands in its row.
  const stands = panel.getByRole('row').nth(2);
  await until(async () => {
    const { round_trip_ms, waiting_packets, received_packets, sent_packets, subscriptions } = (await json('/api/v1/clients')).clients.find(({ id }) => id === first.id) ?? {};
    if (round_trip_ms === undefined) return false;
    const [cells, titles] = [await stands.locator('td').allInnerTexts(), await stands.locator('td').evaluateAll((found) => found.map(({ title }) => title))];
    const trip = round_trip_ms < 10 ? `${round_trip_ms.toFixed(1)} ms` : `${Math.round(round_trip_ms)} ms`;
    return cells[5] === trip && titles[3].includes(`${subscriptions} subscription`) && titles[6].startsWith(`${sent_packets.toLocaleString('en-US').replaceAll(',', '\u2009')} packet`) && titles[6].includes(`, ${received_packets} from it`) && titles[7].startsWith(`${waiting_packets} packet`);
  }, 'its round trip, its packets and its subscriptions', 60_000);
  const button = panel.getByRole('button', { name: /^Disconnect/ });
  assert.equal(await button.count(), 1, 'this tab has no such button');
  await button.click();
  await panel.getByRole('group', { name: 'Disconnect it?' }).getByRole('button', { name: 'No' }).click();
  assert.equal((await json('/api/v1/clients')).clients.length, 2, 'a question is no deed');
  await button.click();
  await page.keyboard.press('Enter');
  await page.getByText('was disconnected. It may come back').waitFor();
  await until(async () => !(await json('/api/v1/clients')).clients.some(({ id }) => id === first.id), 'it is gone');
  assert.deepEqual(problems, []);
  await other.close();
  await close();
});

test('the doctor says what to fix before what to know, and looks again when asked', own, async () => {
  const { page, problems, close } = await open(chrome, '/system', {}, monitor.page);
  await connected(page);
  const doctor = page.getByRole('region', { name: /^Doctor/ });
  const { checks } = await json('/api/v1/doctor');
  const broken = checks.filter((check) => check.state === 'broken').length;
  assert.ok(broken > 0, 'a home without hooks has something to fix');
  await doctor.getByRole('heading', { name: `Doctor: ${broken} to fix` }).waitFor();
  const titles = await doctor.getByRole('heading', { level: 3 }).allInnerTexts();
  assert.deepEqual(titles.map((title) => title.split(':')[0]), [...titles.map((title) => title.split(':')[0])].sort(), 'Fix before Know');
  await doctor.getByText('claude-mpm hooks install', { exact: true }).waitFor();
  const asked = page.waitForResponse((answer) => answer.url().endsWith('/api/v1/doctor')).catch(() => undefined);
  const time = doctor.getByText(/^\d+ checks, /);
  const before = await time.innerText();
  await until(async () => {
    if (await doctor.getByRole('button', { name: 'Check again' }).count()) await doctor.getByRole('button', { name: 'Check again' }).click();
    return (await time.innerText()) !== before;
  }, 'a later time');
  void asked;
  assert.deepEqual(problems, []);
  await close();
});

test("the store's days, other monitors and the log are those that the server has", own, async () => {
  const { page, problems, close } = await open(chrome, '/system', {}, monitor.page);
  await connected(page);
  const store = page.getByRole('region', { name: /^Store/ });
  await store.getByRole('img', { name: 'Size of 1 day, highest' }).waitFor();
  await store.getByText('nothing', { exact: true }).waitFor();
  await page.getByRole('heading', { name: 'Monitors on this machine' }).waitFor();
  const { lines } = await json('/api/v1/log?tail=8');
  const last = /[A-Z]+\s+(.*)$/.exec(lines[0])[1];
  await page.getByText(last).first().waitFor();
  await page.getByRole('link', { name: 'Log', exact: true }).click();
  await page.getByRole('region', { name: 'Log' }).getByText(last).waitFor();
  assert.equal(new URL(page.url()).searchParams.get('tab'), 'log');
  await page.getByLabel('Find in the log').fill('no line has this word');
  await page.getByText('No line has this.').waitFor();
  assert.deepEqual(problems, []);
  await close();
});

test('a running agent is interrupted and prompted from its page, and stopped when the question is answered', own, async () => {
  const run = monitor.run('trap "echo interrupted" INT; echo ready; while :; do if read -r -t 0.2 line; then echo "heard $line"; fi; done', { input: true });
  const { session_id: id, launch_id } = await listed();
  const { page, problems, close } = await open(chrome, `/s/${id}`, {}, monitor.page);
  await connected(page);
  const bar = page.getByRole('region', { name: 'Tell the agent' });
  await bar.getByRole('button', { name: 'Interrupt' }).click();
  await until(() => run.printed.includes('interrupted'), 'the agent was interrupted');
  await bar.getByText('It was interrupted.').waitFor();
  await bar.getByLabel('Prompt for the agent').fill('say hello');
  await page.keyboard.press('Control+Enter');
  await bar.getByText('The prompt was typed.').waitFor();
  await until(() => run.printed.includes('heard say hello'), 'the agent heard the prompt');
  assert.equal(await bar.getByLabel('Prompt for the agent').inputValue(), '');
  await bar.getByRole('button', { name: 'Stop' }).click();
  await page.keyboard.press('Escape');
  assert.equal(run.exitCode, null, 'a question is no deed');
  await bar.getByRole('button', { name: 'Stop' }).click();
  await bar.getByRole('button', { name: 'Yes, stop' }).click();
  await until(() => run.exitCode !== null || run.signalCode !== null, 'the agent ended');
  await until(async () => (await state(launch_id)) !== 'working', 'its session is over');
  await bar.waitFor({ state: 'detached' });
  await page.goto(`${monitor.page}/live?q=type:agent.commanded`);
  await until(async () => (await page.locator('#events .row:not([hidden])', { hasText: 'Told' }).count()) >= 3, 'what was told stands in Live');
  assert.deepEqual(problems, []);
  await close();
});

test('an agent that does not end when asked is ended by force after ten seconds, and a refusal says why', own, async () => {
  const run = monitor.run('trap "" TERM HUP; while :; do sleep 0.2; done');
  const { session_id: id } = await listed();
  const { page, problems, close } = await open(chrome, `/s/${id}`, {}, monitor.page);
  await connected(page);
  const bar = page.getByRole('region', { name: 'Tell the agent' });
  assert.equal(await bar.getByLabel('Prompt for the agent').count(), 0, 'no input was allowed');
  await bar.getByRole('button', { name: 'Stop' }).click();
  await bar.getByRole('button', { name: 'Yes, stop' }).click();
  await bar.getByRole('button', { name: 'Force' }).waitFor({ timeout: 15_000 });
  assert.equal(run.exitCode, null);
  await page.route('**/api/v1/commands', (route) => route.fulfill({ status: 409, contentType: 'application/json', body: JSON.stringify({ error: { code: 'refused', message: 'the run does not do that' } }) }));
  await bar.getByRole('button', { name: 'Interrupt' }).click();
  await bar.getByText('the run does not do that').waitFor();
  await page.unroute('**/api/v1/commands');
  await bar.getByRole('button', { name: 'Force' }).click();
  await bar.getByRole('button', { name: 'Yes, by force' }).click();
  await until(() => run.exitCode !== null || run.signalCode !== null, 'the agent was killed');
  assert.deepEqual(problems, []);
  await close();
});

test('a run in place of its launcher is interrupted and stopped, and a session that is no run is told nothing', own, async () => {
  const run = monitor.run('trap "echo interrupted" INT; echo ready; while :; do sleep 0.2; done', { method: 'exec' });
  const session = await until(async () => (await json('/api/v1/state')).sessions.find((entry) => entry.launch_method === 'exec' && entry.state !== 'ended'), 'a session of the run');
  const { page, problems, close } = await open(chrome, `/s/${session.session_id}`, {}, monitor.page);
  await connected(page);
  const bar = page.getByRole('region', { name: 'Tell the agent' });
  await bar.getByRole('button', { name: 'Interrupt' }).click();
  await until(() => run.printed.includes('interrupted'), 'the agent was interrupted');
  await bar.getByRole('button', { name: 'Stop' }).click();
  await bar.getByRole('button', { name: 'Yes, stop' }).click();
  await until(() => run.exitCode !== null || run.signalCode !== null, 'the agent ended');
  await fetch(`${monitor.url}/api/events`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ session_id: 'no-run', cwd: '/home/dev/x', hook_event_name: 'UserPromptSubmit', prompt: 'hello' }) });
  await page.goto(`${monitor.page}/s/no-run`);
  await connected(page);
  await page.getByRole('heading', { level: 1, name: /^x/ }).waitFor();
  assert.equal(await bar.count(), 0);
  assert.deepEqual(problems, []);
  await close();
});

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds no violation in the log, and beside a running agent, in the ${colorScheme} theme`, own, async () => {
    const run = monitor.run('while :; do sleep 0.2; done', { input: true });
    const { session_id: id } = await listed();
    for (const viewport of [{ width: 1440, height: 900 }, { width: 390, height: 844 }]) {
      for (const path of ['/system', '/system?tab=log', `/s/${id}`]) {
        const { page, close } = await open(chrome, path, { colorScheme, viewport, bypassCSP: true }, monitor.page);
        await connected(page);
        if (path.startsWith('/s/')) {
          await page.getByRole('region', { name: 'Tell the agent' }).getByRole('button', { name: 'Stop' }).click();
          await page.getByRole('group', { name: 'Stop the agent?' }).waitFor();
        }
        await page.waitForLoadState('networkidle');
        assert.deepEqual(await violations(page), [], `${path} at ${viewport.width}`);
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, `${path} at ${viewport.width}`);
        await close();
      }
    }
    run.kill('SIGKILL');
    await until(async () => (await json('/api/v1/runs')).runs.length === 0, 'the run is gone');
  });
}
