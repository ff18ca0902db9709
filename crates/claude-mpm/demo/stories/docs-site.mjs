// docs-site: drops an old API from the documentation, undoes a line of api-gateway on the way, and asks a question.
import { bash, edit, editUnread, grep, question, read, taskCreate, taskUpdate, write } from '../calls.mjs';

const MIGRATE = `# Moving from v1 to v2

v1 stays until the end of the year. Both versions can be used side by side.

| v1 | v2 |
| --- | --- |
| \`GET /v1/items\` | \`GET /v2/items\` |
| \`POST /v1/items\` | \`PUT /v2/items/{id}\` |
| \`GET /v1/ws\` | \`GET /ws\` |
`;

export function docsSite(recording) {
  const s = recording.session({ id: 'b8120e5d', project: 'docs-site', at_ms: 900, pace_ms: 1_000, mode: 'acceptEdits' });
  s.file('pages/migrate.md', MIGRATE);
  s.file('pages/api/v1.md', '# API, version 1\n\nSee [Moving from v1 to v2](/migrate).\n\n## Items\n\n`GET /v1/items` lists items, newest first.\n\n## Live updates\n\n`GET /v1/ws` opens a WebSocket.\n');
  s.file('nav.yml', 'sections:\n  - title: Guides\n    pages: [start, migrate, limits]\n  - title: API\n    pages: [api/v2, api/v1]\n');
  const pm = s.main;
  s.start('startup', ['CLAUDE.md', 'docs/STYLE.md']);
  pm.prompt('Drop the old API from the docs. The gateway in ../api-gateway decides what still exists.');
  pm.does(
    taskCreate(s, 'Read the routes of the gateway', 'What does the router still serve below /v1?', 'Reading the routes'),
    taskCreate(s, 'List pages that mention /v1', 'Pages, navigation, examples', 'Listing pages'),
    taskCreate(s, 'Decide on the old /v1 routes', 'Redirect, 410, or keep', 'Deciding on the old routes'),
    taskCreate(s, 'Rewrite the migration page', 'One table, no dates', 'Rewriting the migration page'),
    taskCreate(s, 'Check every internal link', 'With the link checker, warnings are errors', 'Checking links'),
    taskCreate(s, 'Build and compare screenshots', 'Against the last release', 'Comparing screenshots'),
  );
  pm.does(taskUpdate(s, '1', 'in_progress'));
  pm.does(read(s, '/home/dev/api-gateway/src/routes.rs'), grep(s, '"/v1', '/home/dev/api-gateway/src', ['src/routes.rs:6:        .nest("/v1", v1)', 'src/routes.rs:9:        .route("/v1/ws/resume", get(ws::resume))']));
  pm.does(taskUpdate(s, '1', 'completed'), taskUpdate(s, '2', 'in_progress'));
  pm.does(grep(s, '/v1', 'pages', ['pages/api/v1.md:3:See [Moving from v1 to v2](/migrate).', 'pages/api/v1.md:7:`GET /v1/items` lists items, newest first.', 'pages/api/v1.md:11:`GET /v1/ws` opens a WebSocket.', 'pages/migrate.md:7:| `GET /v1/items` | `GET /v2/items` |', 'pages/start.md:24:    curl $HOST/v1/items']), read(s, 'nav.yml'), read(s, 'pages/migrate.md'), read(s, 'pages/api/v1.md'));
  pm.does(editUnread(s, 'pages/start.md', 'curl $HOST/v1/items', 'curl $HOST/v2/items'));
  s.file('pages/start.md', '# Start\n\nAsk for the first items:\n\n    curl $HOST/v1/items\n\nThe answer is a list.\n');
  pm.does(read(s, 'pages/start.md'));
  pm.does(edit(s, 'pages/start.md', 'curl $HOST/v1/items', 'curl $HOST/v2/items'), edit(s, 'nav.yml', 'pages: [api/v2, api/v1]', 'pages: [api/v2]'));
  pm.does(taskUpdate(s, '2', 'completed'), taskUpdate(s, '3', 'in_progress'));
  pm.until(13_000);
  pm.does(edit(s, '/home/dev/api-gateway/src/routes.rs', '        .nest("/v1", v1)\n', ''), edit(s, '/home/dev/api-gateway/src/routes.rs', '        .route("/v1/ws/resume", get(ws::resume))\n', '        .route("/v1/*rest", any(gone))\n'));
  pm.does(bash('npm run build', 'Build the site', { took: 3_940, fails: 1, out: '> docs-site@3.2.0 build\n> vite-docs build\n\nerror: dead link in pages/migrate.md:9\n  /api/v1 is not in the navigation\n\n1 error' }));
  pm.does(write(s, 'pages/api/v1.md', '# API, version 1\n\nThis version is gone. Requests answer `410 Gone` and name the page to read: [Moving from v1 to v2](/migrate).\n'), edit(s, 'pages/migrate.md', 'v1 stays until the end of the year. Both versions can be used side by side.\n', 'v1 answers `410 Gone`. Change to v2 before you upgrade the gateway.\n'));
  pm.does(bash('npm run build', 'Build the site again', { took: 3_610, out: '> docs-site@3.2.0 build\n> vite-docs build\n\n214 pages, 0 errors, 2 warnings' }));
  pm.until(28_000);
  pm.does(question('Keep the old /v1 routes?', 'Old routes', [
    { label: 'Redirect for a year', description: 'Every /v1 page forwards to its /v2 page' },
    { label: 'Answer 410', description: 'Old links break at once, and say where to go' },
    { label: 'Keep them', description: 'No change for readers; two versions to maintain' },
  ]));
}
