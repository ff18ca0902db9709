// The order of the bay: the most urgent session first.
import { SESSION_STATES, type Session } from '../contract/types';

const RANK = new Map(SESSION_STATES.map((state, index) => [state, index]));

/** Within a state: who waits longest, works with the fullest context, or was heard last. */
export function orderSessions(sessions: readonly Session[]): Session[] {
  return [...sessions].sort((a, b) => (RANK.get(a.state) ?? 9) - (RANK.get(b.state) ?? 9) || within(a, b) || (a.sessionId < b.sessionId ? -1 : 1));
}

function fullness({ context }: Session): number {
  return context ? context.tokens / context.window : 0;
}

function within(a: Session, b: Session): number {
  switch (a.state) {
    case 'need':
    case 'failing':
    case 'stuck':
      return a.stateSince - b.stateSince;
    case 'working':
      return fullness(b) - fullness(a) || a.startedAt - b.startedAt;
    case 'idle':
    case 'ended':
      return b.lastEventAt - a.lastEventAt;
  }
}
