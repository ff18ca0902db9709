// The connection in words, for the pill, the notices and the screen reader.
import type { Link } from '../../live/connection';
import type { Summary } from '../../live/protocol';
import { count } from '../../ui/format';

/** Later than this, the tab says that it is behind. */
const BEHIND_MS = 1500;

export interface Words {
  tone: 'good' | 'warn' | 'bad' | 'off';
  word: string;
  more: string;
}

export function connectionWords(link: Link | undefined, summary: Summary | undefined, now: number): Words {
  if (!link) return { tone: 'off', word: 'Starting', more: '' };
  const wait = link.retryAt > now ? `retry in ${Math.ceil((link.retryAt - now) / 1000)} s` : 'trying';
  switch (link.phase) {
    case 'off':
      return { tone: 'off', word: 'Not connected', more: '' };
    case 'connecting':
      return { tone: 'warn', word: 'Connecting', more: '' };
    case 'token':
      return { tone: 'bad', word: 'Token needed', more: '' };
    case 'failed':
      return { tone: 'bad', word: 'Connection Failed', more: wait };
    case 'lost':
      return { tone: 'warn', word: 'Reconnecting', more: wait };
    case 'live': {
      const catching = summary?.catchingUp;
      if (catching) return { tone: 'warn', word: 'Catching up', more: `${count(catching.loaded)} of ${count(catching.total)}` };
      if (summary && summary.behindMs > BEHIND_MS) return { tone: 'warn', word: 'Live', more: `${Math.round(summary.behindMs / 1000)} s behind` };
      return { tone: 'good', word: 'Live', more: link.roundTripMs === undefined ? '' : `${link.roundTripMs < 10 ? link.roundTripMs.toFixed(1) : Math.round(link.roundTripMs)} ms` };
    }
  }
}
