// What a client calls itself in few words, and which of them this tab is.
import type { LiveClient } from '../../contract/machine';
import type { Link } from '../../live/connection';

const BROWSERS: readonly [RegExp, string][] = [[/Edg\/(\d+)/, 'Edge'], [/OPR\/(\d+)/, 'Opera'], [/Firefox\/(\d+)/, 'Firefox'], [/(?:Headless)?Chrome\/(\d+)/, 'Chromium'], [/Version\/(\d+).* Safari\//, 'Safari']];

/** `Firefox 128`, `python-requests/2.32`, or nothing. */
export function agentName(userAgent: string): string {
  for (const [pattern, name] of BROWSERS) {
    const version = pattern.exec(userAgent)?.[1];
    if (version !== undefined) return `${name} ${version}`;
  }
  return userAgent.split(' ')[0] ?? '';
}

/** Either clock may be off by less than this, and a connection takes a while. */
const SLACK_MS = 500;

/**
 * The server gives connections names that nobody can speak for them by, so a tab finds itself by what both know: the browser,
 * the namespace, and when it connected. Another tab that connected in the same moment is taken for it, too: better one client
 * that cannot be sent away than one that sends itself.
 */
export function isThisTab(client: LiveClient, link: Link | undefined, userAgent: string): boolean {
  if (!link || link.phase !== 'live' || !client.namespaces.includes('/monitor') || client.userAgent !== userAgent.slice(0, client.userAgent.length) || client.userAgent === '') return false;
  const skew = link.skewMs ?? 0;
  return client.since >= link.askedAt + skew - SLACK_MS && client.since <= link.connectedAt + skew + SLACK_MS;
}
