// auth-lib: two short sessions that end, one as a person leaves it and one by an API error.
import { bash, edit, read } from '../calls.mjs';

export function authLib(recording) {
  leave(recording.session({ id: '41d0c2ab', project: 'auth-lib', at_ms: 4_400, mode: 'acceptEdits' }));
  breakOff(recording.session({ id: '9fe3310a', project: 'auth-lib', at_ms: 41_000, mode: 'acceptEdits' }));
}

function leave(s) {
  s.file('src/token.ts', 'export const LIFETIME_S = 3600;\n\nexport function expired(token: Token, now = Date.now()): boolean {\n  return now > token.issuedAt + LIFETIME_S;\n}\n');
  s.start();
  s.main.prompt('Tokens never expire. Why?');
  s.main.does(read(s, 'src/token.ts'));
  s.main.does(bash('npm test -- token', 'Run the token tests', { took: 2_300, fails: 1, out: 'FAIL src/token.test.ts\n  ✕ expires after an hour (4 ms)\n\nTests: 1 failed, 6 passed, 7 total' }));
  s.main.does(edit(s, 'src/token.ts', 'token.issuedAt + LIFETIME_S', 'token.issuedAt + LIFETIME_S * 1000'));
  s.main.does(bash('npm test -- token', 'Run the token tests again', { took: 2_200, out: 'PASS src/token.test.ts\n\nTests: 7 passed, 7 total' }));
  s.main.does(bash('git commit -qam "Compare milliseconds with milliseconds"', 'Commit', { took: 140 }));
  s.main.stop('Seconds were added to milliseconds. Tokens expire after an hour now, and the test proves it.');
  s.main.until(21_000);
  s.end();
}

function breakOff(s) {
  s.start();
  s.main.prompt('Write release notes for auth-lib 1.9 from the commits since v1.8.');
  s.main.does(bash('git log --oneline v1.8..', 'Commits since 1.8', { took: 90, out: '3d8f01c Compare milliseconds with milliseconds\n77aa0e2 Rotate keys without downtime\n0b19c4e Drop Node 18' }));
  s.main.does(read(s, 'src/token.ts'));
  s.main.until(52_000);
  s.main.fail('rate_limit', 'API Error: Request rejected (429) · This request would exceed the rate limit for your organization');
  s.main.until(58_000);
  s.end('other');
}
