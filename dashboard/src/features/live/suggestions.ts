// What could come next in the filter line: keys, and values that this tab has seen.
import type { Session } from '../../contract/types';
import { FILTER_KEYS, split } from '../../live/filter-language';
import type { Summary } from '../../live/protocol';

const SHOWN_MAX = 9;
const NOTES: Record<string, string> = {
  'ns:': 'namespace', 'type:': 'event, kind or its first word', 'tool:': 'tool name', 'agent:': 'agent type or id', 'session:': 'beginning of its id', 'project:': 'folder name', 'path:': 'part of a path',
  'is:': 'error, open, need, denied', 'took:': 'as in >5s', 'last:': 'as in 15m', 'from:': 'as in 14:30', 'to:': 'as in 14:45', 'raw:1': 'every event, calls not joined',
};
const VALUES: Record<string, readonly string[]> = { is: ['error', 'open', 'need', 'denied'], last: ['5m', '15m', '1h', '6h', '24h'], took: ['>1s', '>5s', '>30s'], raw: ['1'] };

export interface Suggestion {
  text: string;
  note: string;
}

export function suggest(draft: string, summary: Summary | undefined, sessions: readonly Session[]): Suggestion[] {
  const word = /\s$/.test(draft) ? '' : (split(draft).at(-1) ?? '');
  const [, minus = '', key = '', value] = /^(-?)([a-z]+):(.*)$/i.exec(word) ?? [];
  if (value === undefined) {
    const typed = word.replace(/^-/, '').toLowerCase();
    if (typed === '' && draft.trim() !== '') return [];
    return FILTER_KEYS.filter((entry) => entry.startsWith(typed) && entry !== typed).map((text) => ({ text, note: NOTES[text] ?? '' })).slice(0, 13);
  }
  return valuesOf(key.toLowerCase(), summary, sessions)
    .filter(({ text }) => text.toLowerCase().startsWith(value.toLowerCase()) && text.toLowerCase() !== value.toLowerCase())
    .slice(0, SHOWN_MAX)
    .map(({ text, note }) => ({ text: `${minus}${key}:${text}`, note }));
}

function valuesOf(key: string, summary: Summary | undefined, sessions: readonly Session[]): Suggestion[] {
  switch (key) {
    case 'ns':
      return Object.keys(summary?.namespaces ?? {}).map((name) => ({ text: name.slice(1), note: '' }));
    case 'type':
      return (summary?.types ?? []).map(({ event, count }) => ({ text: event, note: `${count}` }));
    case 'session':
      return sessions.map((session) => ({ text: session.sessionId.slice(0, 8), note: session.project }));
    case 'project':
      return [...new Set(sessions.map((session) => session.project))].map((text) => ({ text, note: '' }));
    case 'agent':
      return ['main', ...new Set(sessions.flatMap((session) => session.agents.map((agent) => agent.agentType)))].filter((text) => text !== '').map((text) => ({ text, note: '' }));
    case 'tool':
      return ['Bash', 'Read', 'Edit', 'Write', 'Grep', 'Glob', 'Task', 'WebFetch', 'WebSearch', 'TodoWrite', 'mcp__*'].map((text) => ({ text, note: '' }));
    default:
      return (VALUES[key] ?? []).map((text) => ({ text, note: '' }));
  }
}
