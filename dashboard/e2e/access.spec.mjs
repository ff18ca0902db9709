// Everyone can use the page: axe in both themes, the keyboard alone, narrow screens.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browser, connected, emit, filter, hook, MONITOR_URL, open, rows, sessionId, unique, until, violations } from './support.mjs';

let chrome;
before(async () => { chrome = await browser(); });
after(() => chrome.close());

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds no violation in the ${colorScheme} theme`, async () => {
    const word = unique('axe');
    await emit(word);
    await hook({ hook_event_name: 'UserPromptSubmit', prompt: word });
    await hook({ hook_event_name: 'PreToolUse', tool_name: 'Bash', tool_use_id: unique('toolu'), tool_input: { command: 'ls' } });
    await hook({ hook_event_name: 'PermissionRequest', tool_name: 'Bash', tool_use_id: unique('toolu'), tool_input: { command: 'git push' } });
    const edit = { tool_name: 'Edit', tool_use_id: unique('toolu'), tool_input: { file_path: '/home/dev/e2e/a.rs', old_string: 'a', new_string: 'b' } };
    await hook({ hook_event_name: 'PreToolUse', ...edit });
    await hook({ hook_event_name: 'PostToolUse', ...edit, tool_response: { filePath: '/home/dev/e2e/a.rs', oldString: 'a', newString: 'b', originalFile: 'a', structuredPatch: [{ oldStart: 1, oldLines: 1, newStart: 1, newLines: 1, lines: ['-a', '+b'] }] } });
    await hook({ hook_event_name: 'PostToolUse', tool_name: 'TodoWrite', tool_use_id: unique('toolu'), tool_input: { todos: [{ content: word, status: 'in_progress', activeForm: word }] }, tool_response: { oldTodos: [], newTodos: [] } });
    for (const viewport of [{ width: 1440, height: 900 }, { width: 390, height: 844 }]) {
      for (const path of [
        '/live', ...['', '?tab=transcript', '?tab=agents', '?tab=todos', '?tab=files', '?tab=cost'].map((tab) => `/s/${sessionId}${tab}`),
        '/work/todos', `/work/todos?f=${encodeURIComponent(`${sessionId} ${word}`)}`, '/work/files', '/work/files?f=/home/dev/e2e/a.rs', '/work/memory', '/usage', '/system', '/system?tab=settings',
      ]) {
        // The policy forbids foreign scripts, and axe is one; everything else stays as it is.
        const { page, close } = await open(chrome, path, { colorScheme, viewport, bypassCSP: true });
        await connected(page);
        await page.waitForLoadState('networkidle');
        assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), colorScheme);
        assert.deepEqual(await violations(page), [], `${path} at ${viewport.width}`);
        if (path === '/live') {
          await page.keyboard.press('?');
          await page.getByRole('dialog', { name: 'Keys' }).waitFor();
          assert.deepEqual(await violations(page), [], `keys at ${viewport.width}`);
          await page.keyboard.press('Escape');
          await page.keyboard.press('Control+k');
          await page.getByRole('dialog').waitFor();
          assert.deepEqual(await violations(page), [], `palette at ${viewport.width}`);
          await page.keyboard.press('Escape');
          if (viewport.width > 900) {
            await filter(page, word);
            await page.locator('#events .row:not([hidden])', { hasText: word }).first().click();
            await page.getByRole('complementary', { name: 'Event details' }).waitFor();
            assert.deepEqual(await violations(page), [], 'inspector');
            await page.keyboard.press('c');
            await page.getByRole('dialog', { name: 'Copy' }).getByRole('button').first().waitFor();
            assert.deepEqual(await violations(page), [], 'copy menu');
          }
        }
        await close();
      }
    }
  });
}

test('the keyboard alone finds, opens and closes an event', async () => {
  const word = unique('keyboard');
  await emit(`${word} one`);
  await emit(`${word} two`);
  const { page, close } = await open(chrome);
  await connected(page);
  await page.keyboard.press('/');
  await page.keyboard.type(word);
  await until(async () => (await rows(page)).length === 2, 'two rows');
  await page.keyboard.press('Escape');
  await page.keyboard.press('k');
  await until(async () => page.locator('.row.sel', { hasText: 'two' }).count(), 'the newest row is selected');
  await page.keyboard.press('k');
  await until(async () => page.locator('.row.sel', { hasText: 'one' }).count(), 'then the one before');
  assert.ok(await page.getByRole('complementary', { name: 'Event details' }).isVisible());
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('.row.sel').count(), 0);
  for (const [key, path] of [['5', '/system'], ['4', '/usage'], ['3', '/work/todos'], ['1', '/live']]) {
    await page.keyboard.press(key);
    await until(() => new URL(page.url()).pathname === path, `key ${key} opens ${path}`);
  }
  await close();
});

for (const [state, path, word] of [['nobody answers', '/live?port=9', 'Connection Failed'], ['nobody asked to connect', '/live?autoconnect=false', 'Not connected']]) {
  test(`axe finds no violation while ${state}`, async () => {
    for (const viewport of [{ width: 1440, height: 900 }, { width: 390, height: 844 }]) {
      const { page, close } = await open(chrome, path, { viewport, bypassCSP: true });
      await page.locator('.note').getByText(word).waitFor({ timeout: 20_000 });
      assert.deepEqual(await violations(page), [], `at ${viewport.width}`);
      await close();
    }
  });
}

test('rows keep their numbers, however the list is scrolled', async () => {
  const word = unique('numbers');
  for (let index = 0; index < 120; index += 1) await emit(`${word} ${index}`);
  const { page, close } = await open(chrome, `/live?q=${word}`);
  await connected(page);
  await until(async () => Number(await page.locator('#events').getAttribute('aria-rowcount')) === 121, '120 rows and the heading');
  const grid = page.locator('#events');
  const height = await grid.evaluate((element) => element.scrollHeight - element.clientHeight);
  for (let turn = 0; turn < 40; turn += 1) {
    await grid.evaluate((element, top) => element.scrollTo(0, top), Math.round((((turn * 7919) % 1000) / 1000) * height));
    await until(async () => {
      const shown = await page.$$eval('#events .row:not([hidden])', (elements) => elements.map((element) => ({ index: Number(element.getAttribute('aria-rowindex')), text: element.textContent })));
      // The heading is row 1, so the first event is row 2.
      return shown.length > 5 && shown.every(({ index, text }) => text.includes(`${word} ${index - 2}`));
    }, `the right numbers after turn ${turn}`);
  }
  await close();
});

test('a narrow screen shows sessions first and scrolls nowhere sideways', async () => {
  const { page, close } = await open(chrome, '/live', { viewport: { width: 320, height: 700 } });
  await page.waitForTimeout(800);
  assert.ok(await page.getByRole('main', { name: 'Sessions' }).isVisible());
  await page.getByRole('navigation', { name: 'Views, narrow screen' }).getByText('Live').click();
  await page.locator('#events').waitFor();
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
  for (const path of [`/s/${sessionId}`, `/s/${sessionId}?tab=transcript`, `/s/${sessionId}?tab=agents`, '/work/todos', '/work/files', '/work/memory', '/usage', '/system', '/system?tab=settings']) {
    await page.goto(MONITOR_URL + path);
    await connected(page);
    await page.waitForLoadState('networkidle');
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, path);
  }
  await close();
});
