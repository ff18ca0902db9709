// Everyone can use the page in each of its states: axe in every view, both themes, wide and narrow.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startProxy } from '../dev/proxy.mjs';
import { browser, connected, emit, filter, MONITOR_URL, open, own, session, startMonitor, unique, until, violations } from './support.mjs';

const VIEWS = ['/live', '/s/', '/work/todos', '/work/files', '/work/memory', '/usage', '/system', '/system?tab=settings'];
const SIZES = [{ width: 1440, height: 900 }, { width: 390, height: 844 }];
const COMBINATIONS = ['light', 'dark'].flatMap((colorScheme) => SIZES.map((viewport) => ({ colorScheme, viewport, bypassCSP: true })));
const nameOf = ({ colorScheme, viewport }) => `${colorScheme}, ${viewport.width} px`;
let chrome;
before(async () => { chrome = await browser(); });
after(() => chrome.close());

/** Goes to another view as a link would, without loading the page again. */
async function go(page, path) {
  await page.evaluate((to) => {
    history.pushState(null, '', to);
    dispatchEvent(new PopStateEvent('popstate'));
  }, path);
  // What a view is made of comes when it is first asked for.
  await page.locator('main h1, main nav, main [role="group"]').first().waitFor({ state: 'attached' });
}

/** Looks at each view in each theme and size; `arrive` brings the view into the state. */
async function everywhere(root, views, arrive, begin = async () => undefined) {
  for (const options of COMBINATIONS) {
    // On a phone this shows a view, and no sessions.
    const { page, close } = await open(chrome, '/usage', options, root);
    await begin(page, options);
    for (const view of views) {
      await go(page, view);
      await arrive(page);
      assert.deepEqual(await violations(page), [], `${view}, ${nameOf(options)}`);
    }
    await close();
  }
}

test('axe finds no violation while the connection is lost', async () => {
  for (const options of COMBINATIONS) {
    const proxy = await startProxy({ monitor: MONITOR_URL, dist: process.env.MONITOR_DIST ?? '' });
    const { page, close } = await open(chrome, '/usage', options, proxy.url.replace(/\/$/, ''));
    await connected(page);
    for (const view of VIEWS) await go(page, view);
    await proxy.stop();
    await page.locator('.note').getByText(/^Connection lost/).waitFor({ timeout: 20_000 });
    for (const view of VIEWS) {
      await go(page, view);
      assert.deepEqual(await violations(page), [], `${view}, ${nameOf(options)}`);
    }
    await close();
  }
});

test('axe finds no violation while missed events load', async () => {
  for (const options of COMBINATIONS) {
    const dist = process.env.MONITOR_DIST ?? '';
    const first = await startProxy({ monitor: MONITOR_URL, dist });
    const { page, close } = await open(chrome, '/usage', options, first.url.replace(/\/$/, ''));
    await connected(page);
    await go(page, '/live');
    await page.locator('#events .row:not([hidden])').first().waitFor();
    await first.stop();
    await page.locator('.note').getByText(/^Connection lost/).waitFor({ timeout: 20_000 });
    const word = unique('missed');
    for (let index = 0; index < 30; index += 1) await emit(`${word} ${index}`);
    const second = await startProxy({ monitor: MONITOR_URL, dist, port: Number(new URL(first.url).port), held: /^\/api\/v1\/events/ });
    await page.locator('.row.d-gap').getByText(/events are loading/).waitFor({ timeout: 20_000 });
    assert.deepEqual(await violations(page), [], nameOf(options));
    second.release();
    await until(async () => (await page.locator('.row.d-gap:not([hidden])').count()) === 0, 'the gap is filled', 20_000);
    await close();
    await second.stop();
  }
});

test('axe finds no violation in what is asked, and in the details, of any view', async () => {
  const who = session();
  await who.send('SessionStart', { source: 'startup' });
  const call = { tool_name: 'Edit', tool_use_id: unique('toolu_'), tool_input: { file_path: '/home/dev/views/a.rs', old_string: 'a\nb', new_string: 'a\nc\u202e' } };
  await who.send('PreToolUse', call);
  await who.send('PermissionRequest', { ...call, permission_mode: 'default' });
  const state = await (await fetch(`${MONITOR_URL}/api/v1/state`)).json();
  const { seq } = state.sessions.find(({ session_id }) => session_id === who.id).reason;
  const at = (view, number) => `${view}${view.includes('?') ? '&' : '?'}e=${number}`;
  await everywhere(MONITOR_URL, VIEWS.map((view) => at(view === '/s/' ? `/s/${who.id}` : view, seq)), async (page) => {
    await page.getByRole('region', { name: 'What is asked' }).getByText('a.rs').waitFor();
  }, connected);
  await everywhere(MONITOR_URL, VIEWS.map((view) => at(view === '/s/' ? `/s/${who.id}` : view, seq - 1)), async (page) => {
    await page.getByRole('tab', { name: 'Output' }).waitFor();
  }, connected);
  await who.send('PostToolUse', { ...call, tool_response: {} });
});

test('axe finds no violation in the palette over any view, and in the menus of Live', async () => {
  await session().send('SessionStart', { source: 'startup' });
  await everywhere(MONITOR_URL, VIEWS, async (page) => {
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+k');
    await page.getByRole('dialog', { name: 'Search or jump' }).waitFor();
    await page.keyboard.type('se');
  }, connected);
  for (const menu of ['Columns', 'Views']) {
    await everywhere(MONITOR_URL, ['/live?q=is:error'], async (page) => {
      await page.locator('.query').getByRole('button', { name: menu }).click();
      await page.getByRole('dialog', { name: menu }).waitFor();
    }, connected);
  }
});

test('axe finds no violation where there is nothing yet', own, async () => {
  const monitor = await startMonitor();
  await everywhere(monitor.page, VIEWS, async () => undefined, connected);
  const { page, close } = await open(chrome, '/live', {}, monitor.page);
  await page.getByRole('heading', { name: 'No events yet' }).waitFor();
  await close();
  await monitor.stop();
});

test('axe finds no violation where a token is wanted, a wrong one is refused, and the right one opens the page', own, async () => {
  const token = 'a-token-for-this-test-0123456789';
  const monitor = await startMonitor({ CLAUDE_MPM_SOCKETIO_TOKEN: token });
  await everywhere(monitor.page, VIEWS, async (page) => {
    await page.getByRole('form', { name: 'Token' }).waitFor({ timeout: 20_000 });
  });
  const { page, problems, close } = await open(chrome, '/live', {}, monitor.page);
  const field = page.getByLabel(/wants a token/);
  await field.fill('wrong');
  await page.keyboard.press('Enter');
  await until(async () => (await page.getByRole('form', { name: 'Token' }).getByRole('alert').count()) > 0, 'it says that this was wrong');
  await field.fill(token);
  await page.keyboard.press('Enter');
  await connected(page);
  assert.ok(!page.url().includes(token), 'the address does not hold it');
  assert.equal(await page.evaluate(() => sessionStorage.getItem('token')), token);
  await filter(page, 'x');
  assert.deepEqual(problems, []);
  await close();
  await monitor.stop();
});
