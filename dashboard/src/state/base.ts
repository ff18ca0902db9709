// Under which path the page is served: a proxy may put the whole monitor below a folder of its own.

/** The path of the folder that holds the page, with a slash at both ends, from the address of one of its scripts. */
export function baseOf(script: string): string {
  const folder = /^(.*\/)assets\/[^/]+$/.exec(new URL(script).pathname)?.[1];
  return folder ?? '/';
}

/** A path of the page as a link: `path` begins with a slash. */
export function under(base: string, path: string): string {
  return base + path.slice(1);
}

/** What stands below the folder, with its slash; a path elsewhere is taken as it is. */
export function within(base: string, path: string): string {
  return path.startsWith(base) ? `/${path.slice(base.length)}` : path;
}

/** The server this page talks to, without a slash at its end: its own, or `?port=` on the same host, which no proxy hides. */
export function serverRoot(url: URL, base: string): string {
  const port = Number(url.searchParams.get('port') ?? 0);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return url.origin + base.slice(0, -1);
  return `${url.protocol}//${url.hostname}:${port}`;
}

/** Of the page that runs here. */
export const BASE = baseOf(import.meta.url);
