// web-shop: a subagent fixes a rounding error, and the same test fails four times.
import { agent, bash, edit, grep, read, readMissing, todo, todoWrite } from '../calls.mjs';

const TOTALS = `import type { Line, Totals } from './types';

/** Sums a cart, with the coupon taken off before tax. */
export function totals(lines: Line[], coupon = 0): Totals {
  const net = lines.reduce((sum, line) => sum + line.price * line.count, 0);
  const reduced = net - coupon;
  const tax = Math.floor(reduced * 0.19 * 100) / 100;
  return { net: reduced, tax, gross: round(reduced + tax) };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
`;

const TEST = `import { expect, test } from 'vitest';
import { totals } from './totals';

test('adds line items', () => expect(totals([{ price: 5, count: 2 }]).net).toBe(10));

test('rounds half up', () => {
  expect(totals([{ price: 8.825, count: 1 }]).gross).toBe(10.5);
});
`;

/** The output of the one test that goes on failing. */
const failing = (seconds, received, failed = 1) => ` RUN  checkout

 ✓ CheckoutTotals > adds line items 3ms
 ✓ CheckoutTotals > applies one coupon 2ms
 × CheckoutTotals > rounds half up 11ms
   → expected ${received} to be 10.5

 FAIL  src/cart/totals.test.ts > CheckoutTotals > rounds half up
AssertionError: expected ${received} to be 10.5 // Object.is equality
  Expected: 10.50
  Received: ${received}
     at src/cart/totals.test.ts:7:56

 Test Files  1 failed (1)
      Tests  ${failed} failed | ${18 - failed} passed (18)
   Duration  ${seconds}s`;

export function webShop(recording) {
  const s = recording.session({ id: 'c01bd4e7', project: 'web-shop', at_ms: 400, pace_ms: 1_100, mode: 'acceptEdits' });
  s.file('src/cart/totals.ts', TOTALS);
  s.file('src/cart/totals.test.ts', TEST);
  s.file('src/cart/types.ts', 'export interface Line {\n  price: number;\n  count: number;\n}\n\nexport interface Totals {\n  net: number;\n  tax: number;\n  gross: number;\n}\n');
  s.file('docs/tickets/4471.md', '# 4471: receipt is one cent short\n\nOne item of 8.825 with tax should be 10.50. The receipt says 10.49.\n');
  const pm = s.main;
  s.start();
  pm.prompt('Ticket 4471: the receipt is one cent short. Find it, fix it, and run the checkout tests.');
  pm.does(todoWrite(s, ...list(0)));
  pm.does(read(s, 'docs/tickets/4471.md'), grep(s, 'Math\\.(round|floor)', 'src', ['src/cart/totals.ts:7:  const tax = Math.floor(reduced * 0.19 * 100) / 100;', 'src/cart/totals.ts:12:  return Math.round(value * 100) / 100;', 'src/shipping/zones.ts:31:  return Math.floor(weight / 500);']));
  pm.does(todoWrite(s, ...list(2)));
  pm.does(agent('engineer', 'Fix checkout rounding', 'Fix the rounding of src/cart/totals.ts so that pnpm test checkout passes. Do not change the test. Return what was wrong.', (engineer) => fixRounding(s, engineer)));
}

function list(done) {
  const items = [['Find where totals are rounded', 'Finding where totals are rounded'], ['Reproduce ticket 4471', 'Reproducing ticket 4471'], ['Fix checkout rounding', 'Fixing checkout rounding'], ['Add a property test for totals', 'Adding a property test'], ['Run the whole suite', 'Running the whole suite'], ['Update the changelog', 'Updating the changelog']];
  return items.map(([content, activeForm], index) => todo(index < done ? 'completed' : index === done ? 'in_progress' : 'pending', content, activeForm));
}

function fixRounding(s, engineer) {
  const test = (at_ms, took, received, failed) => {
    engineer.until(at_ms);
    engineer.does(bash('pnpm test checkout', 'Run the checkout tests', { took, fails: 1, out: failing((took / 1_000).toFixed(1), received, failed) }));
  };
  engineer.does(read(s, 'src/cart/totals.ts'), read(s, 'src/cart/totals.test.ts'), read(s, 'src/cart/types.ts'));
  test(5_000, 6_840, 10.49, 2);
  engineer.does(edit(s, 'src/cart/totals.ts', 'Math.floor(reduced * 0.19 * 100) / 100', 'round(reduced * 0.19)'));
  engineer.does(bash('pnpm exec tsc --noEmit', 'Check the types', { took: 2_480 }));
  test(19_000, 6_300, 10.49);
  engineer.does(readMissing(s, 'src/cart/money.ts'), grep(s, 'toFixed', 'src/cart', ['src/cart/receipt.ts:18:  return value.toFixed(2);']));
  engineer.does(bash('node -e "console.log(8.825 * 0.19, 8.825 + 1.68, Math.round(10.505 * 100))"', 'Look at the numbers', { took: 48, out: '1.67675 10.505 1050' }));
  engineer.does(edit(s, 'src/cart/totals.ts', 'return Math.round(value * 100) / 100;', 'return Math.round((value + Number.EPSILON) * 100) / 100;'));
  test(38_000, 6_020, 10.51);
  engineer.does(read(s, 'src/cart/totals.ts'));
  engineer.does(edit(s, 'src/cart/totals.ts', 'Math.round((value + Number.EPSILON) * 100) / 100', 'Number(value.toFixed(2))'), edit(s, 'src/cart/totals.ts', 'gross: round(reduced + tax)', 'gross: round(round(reduced) + tax)'));
  engineer.does(bash('git diff --stat', 'See what changed', { took: 31, out: ' src/cart/totals.ts | 6 +++---\n 1 file changed, 3 insertions(+), 3 deletions(-)' }));
  test(58_000, 6_110, 10.49);
  engineer.does(bash('git log --oneline -5 -- src/cart/totals.ts', 'Who changed the rounding last', { took: 38, out: '9c2e7a1 Take the coupon off before tax\n51d0b33 Sum in floating point\nf7780ea Totals in cents' }));
  engineer.does(bash('git show f7780ea -- src/cart/totals.ts', 'Read how it was in cents', { took: 44, out: '-  const net = lines.reduce((sum, line) => sum + line.cents * line.count, 0);\n+  const net = lines.reduce((sum, line) => sum + line.price * line.count, 0);' }));
  engineer.until(72_000);
  engineer.does(grep(s, '\\.price\\b', 'src', ['src/cart/totals.ts:5:  const net = lines.reduce((sum, line) => sum + line.price * line.count, 0);', 'src/cart/receipt.ts:9:    price: format(line.price),', 'src/catalog/load.ts:40:  price: row.cents / 100,']), read(s, 'src/cart/types.ts'));
  for (const [price, gross] of [[8.825, 10.49], [4.205, 5], [17.65, 21], [0.835, 0.99]]) {
    engineer.does(bash(`node scripts/total.mjs ${price}`, `Total of one line of ${price}`, { took: 190, out: `gross ${gross}` }));
  }
  engineer.does(bash('pnpm exec eslint src/cart', 'Lint before the next attempt', { took: 3_200 }));
}
