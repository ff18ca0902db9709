// Uses the page of @socket.io/admin-ui at MONITOR_URL/admin as an admin would, and prints what it shows, a JSON line each:
// who is there in /hook, then the event called as the first argument, then that the only client of /hook was sent away.
import { browser, open, until } from './support.mjs';

const [name] = process.argv.slice(2);
const say = (line) => console.log(JSON.stringify(line));
const chrome = await browser();
const { page, problems } = await open(chrome, '/admin');
page.on('requestfailed', (request) => problems.push(`request: ${request.url()}`));

await page.getByLabel('Username').fill(process.env.ADMIN_USER);
await page.getByLabel('Password').fill(process.env.ADMIN_PASSWORD);
await page.getByRole('button', { name: 'Connect' }).click();
await page.getByRole('dialog').waitFor({ state: 'hidden' });
const namespaces = await until(async () => {
  const rows = await page.getByRole('row').allInnerTexts();
  return rows.some((row) => /\/hook\s+1/.test(row)) && rows;
}, 'the figures name /hook with its client');
say({ namespaces });

await show('Sockets');
say({ sockets: await page.locator('tbody tr').allInnerTexts() });
await show('Events');
say({ watching: true });
await page.locator('tbody').getByText(name, { exact: false }).first().waitFor();
say({ events: await page.locator('tbody tr').allInnerTexts() });

await show('Sockets');
await page.locator('tbody tr button').first().click();
await page.getByText('No data available').waitFor();
say({ sent_away: true, problems });
await chrome.close();

/** Opens a view on the namespace /hook. */
async function show(view) {
  await page.getByRole('link', { name: view }).click();
  // The view before it fades away, and has rows, too.
  await until(async () => (await page.locator('main .v-breadcrumbs__item').allInnerTexts()).join() === view, view);
  await page.getByLabel('Select namespace').first().click({ force: true });
  await page.getByRole('option', { name: '/hook' }).click();
}
