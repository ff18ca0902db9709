// Proves that a client's long name becomes a short one.
import { expect, it } from 'vitest';
import { agentName } from './clients';

const UA = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/141.0.0.0 Safari/537.36';

it('names browsers and programs in two words', () => {
  expect([UA, 'Mozilla/5.0 (X11; rv:128.0) Gecko/20100101 Firefox/128.0', 'python-requests/2.32 x', ''].map(agentName)).toEqual(['Chromium 141', 'Firefox 128', 'python-requests/2.32', '']);
});
