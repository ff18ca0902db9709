// Opens the page in a real browser, says `ready`, and prints every row it comes to show, a JSON line each, until killed.
import { browser, connected, open } from './support.mjs';

const chrome = await browser();
const { page, problems } = await open(chrome);
await connected(page);
await page.exposeFunction('shown', (text) => console.log(JSON.stringify({ row: text })));
await page.evaluate(() => {
  const told = new Set();
  const tell = () => {
    for (const row of document.querySelectorAll('#events .row:not([hidden])')) {
      const text = row.textContent ?? '';
      if (text.trim() === '' || told.has(text)) continue;
      told.add(text);
      void globalThis.shown(text);
    }
  };
  tell();
  new MutationObserver(tell).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
});
console.log(JSON.stringify({ ready: true }));
process.on('SIGTERM', () => {
  if (problems.length > 0) console.log(JSON.stringify({ problems }));
  void chrome.close().then(() => process.exit(0));
});
