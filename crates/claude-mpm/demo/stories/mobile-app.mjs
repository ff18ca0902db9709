// mobile-app: releases a beta with a build in the background, then waits for the next prompt.
import { background, bash, edit, grep, read, todo, todoWrite } from '../calls.mjs';

const ITEMS = [['Fix the badge count', 'Fixing the badge count'], ['Test on two sizes', 'Testing on two sizes'], ['Translate the new strings', 'Translating'], ['Update the store text', 'Updating the store text'], ['Check the crash reports', 'Checking crash reports'], ['Bump version and tag', 'Bumping the version'], ['Release 2.4.1 to beta', 'Releasing to beta']];
const list = (done) => ITEMS.map(([content, activeForm], index) => todo(index < done ? 'completed' : index === done ? 'in_progress' : 'pending', content, activeForm));

export function mobileApp(recording) {
  const s = recording.session({ id: '0c5ff871', project: 'mobile-app', at_ms: 3_700, pace_ms: 1_000, mode: 'bypassPermissions' });
  s.file('app.json', '{\n  "name": "Pocket",\n  "version": "2.4.0",\n  "build": 1187\n}\n');
  s.file('src/badge.ts', 'export function badge(unread: number, muted: number): number {\n  return unread - muted;\n}\n');
  s.file('CHANGELOG.md', '# Changelog\n\n## 2.4.0\n\n- Folders\n');
  const main = s.main;
  s.start();
  main.prompt('The badge can go below zero. Fix it and release 2.4.1 to beta.');
  main.does(todoWrite(s, ...list(0)));
  main.does(grep(s, 'badge\\(', 'src', ['src/badge.ts:1:export function badge(unread: number, muted: number): number {', 'src/push.ts:44:  setBadge(badge(state.unread, state.muted));']), read(s, 'src/badge.ts'));
  main.does(edit(s, 'src/badge.ts', 'return unread - muted;', 'return Math.max(0, unread - muted);'));
  main.does(bash('npm test -- badge', 'Test the badge', { took: 2_700, out: 'PASS src/badge.test.ts\n  ✓ never goes below zero (2 ms)\n\nTests: 4 passed, 4 total' }));
  main.does(todoWrite(s, ...list(5)), read(s, 'app.json'), read(s, 'CHANGELOG.md'));
  main.does(edit(s, 'app.json', '"version": "2.4.0",\n  "build": 1187', '"version": "2.4.1",\n  "build": 1188'), edit(s, 'CHANGELOG.md', '# Changelog\n', '# Changelog\n\n## 2.4.1\n\n- The badge never goes below zero\n'));
  main.does(bash('git commit -qam "Release 2.4.1" && git tag v2.4.1 && git push origin main v2.4.1', 'Commit, tag and push', { took: 1_900, out: 'To git.example:pocket/mobile-app\n   81c2e0a..f3a9d11  main -> main\n * [new tag]         v2.4.1 -> v2.4.1' }));
  const task = s.ids.task();
  main.does(background(task, 'npm run beta', 'Build and upload the beta'));
  s.background.push({ id: task, type: 'shell', status: 'running', description: 'Build and upload the beta', command: 'npm run beta' });
  main.does(todoWrite(s, ...list(6)));
  main.stop('Version 2.4.1 is tagged. The beta builds in the background; I will say when it is up.');
  main.until(24_000);
  s.background.length = 0;
  main.prompt(`<task-notification>\n<task-id>${task}</task-id>\n<status>completed</status>\n<summary>Background command "Build and upload the beta" completed (exit code 0)</summary>\n</task-notification>`);
  main.does(bash('npm run beta:status', 'Is the beta up?', { took: 820, out: 'Pocket 2.4.1 (1188): available to 212 testers' }), todoWrite(s, ...list(7)));
  main.stop('Released 2.4.1 to beta: 212 testers have it.').nobody_answers();
}
