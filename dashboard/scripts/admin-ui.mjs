// Puts the built page of @socket.io/admin-ui beside ours, below `admin/`, with nothing in it that is fetched from elsewhere:
// its icons become a small style sheet instead of a font from another host, and the fonts are those of the system.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as icons from '@mdi/js';

const out = join(process.env.CLAUDE_MPM_DASHBOARD_OUT || 'dist', 'admin');
const root = dirname(dirname(createRequire(import.meta.url).resolve('@socket.io/admin-ui')));
const dist = join(root, 'ui/dist');

mkdirSync(out, { recursive: true });
cpSync(dist, out, { recursive: true, filter: (path) => !path.endsWith('.map') });
cpSync(join(root, 'LICENSE'), join(out, 'LICENSE.txt'));
writeFileSync(join(out, 'css/icons.css'), styleOfIcons());
writeFileSync(join(out, 'js/address.js'), addressOfThisServer());

const html = readFileSync(join(dist, 'index.html'), 'utf8')
  .replace(/<link rel="stylesheet" href="https:[^"]*">/g, '')
  .replace('</head>', '<link href="css/icons.css" rel="stylesheet"></head>')
  .replace('<script ', '<script src="js/address.js"></script><script ');
if (/https?:/.test(html) || !html.includes('js/address.js')) throw new Error('the page of @socket.io/admin-ui is not the one that this script knows');
writeFileSync(join(out, 'index.html'), html);

/** A rule for each icon whose name stands in the page's code, drawn as a mask in the colour of the text. */
function styleOfIcons() {
  const code = scripts().map((name) => readFileSync(join(dist, name), 'utf8')).join('');
  const names = [...new Set(code.match(/\bmdi-[a-z0-9-]+\b/g))].sort();
  const rules = names.map((name) => {
    const path = icons[name.replace(/-(.)/g, (_, letter) => letter.toUpperCase())];
    if (path === undefined) throw new Error(`@mdi/js has no icon called ${name}`);
    const svg = `%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E%3Cpath d='${path}'/%3E%3C/svg%3E`;
    return `.${name}::before { --icon: url("data:image/svg+xml,${svg}"); }`;
  });
  return `/* Icons of Material Design Icons, Apache-2.0. */
.mdi::before {
  content: "";
  display: inline-block;
  width: 1em;
  height: 1em;
  background-color: currentcolor;
  -webkit-mask: var(--icon) center / contain no-repeat;
  mask: var(--icon) center / contain no-repeat;
}
${rules.join('\n')}
`;
}

function scripts() {
  return [...readFileSync(join(dist, 'index.html'), 'utf8').matchAll(/<script src="([^"]+)"/g)].map((found) => found[1]);
}

/** Fills in the server that sent the page, where the user has not said another one; a proxy may have put it below a path. */
function addressOfThisServer() {
  return `// The page of @socket.io/admin-ui asks which server to look at; most want the one that it came from.
if (!localStorage.getItem('server_url')) {
  localStorage.setItem('server_url', location.origin);
  localStorage.setItem('path', location.pathname.replace(/\\/admin\\/.*$/, '') + '/socket.io');
}
`;
}
