// What a client calls itself, in few words.

const BROWSERS: readonly [RegExp, string][] = [[/Edg\/(\d+)/, 'Edge'], [/OPR\/(\d+)/, 'Opera'], [/Firefox\/(\d+)/, 'Firefox'], [/(?:Headless)?Chrome\/(\d+)/, 'Chromium'], [/Version\/(\d+).* Safari\//, 'Safari']];

/** `Firefox 128`, `python-requests/2.32`, or nothing. */
export function agentName(userAgent: string): string {
  for (const [pattern, name] of BROWSERS) {
    const version = pattern.exec(userAgent)?.[1];
    if (version !== undefined) return `${name} ${version}`;
  }
  return userAgent.split(' ')[0] ?? '';
}
