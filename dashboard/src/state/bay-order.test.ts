// Proves the order of the bay.
import { expect, it } from 'vitest';
import { decodeSession } from '../contract/decode';
import { orderSessions } from './bay-order';

it('puts who waits longest first, then failing, stuck, working by context, idle, ended', () => {
  const wire = [
    { session_id: 'idle', state: 'idle' }, { session_id: 'low', state: 'working', context: { tokens: 40_000, window: 200_000, status: 'ok' } }, { session_id: 'full', state: 'working', context: { tokens: 180_000, window: 200_000, status: 'high' } }, { session_id: 'gone', state: 'ended' },
    { session_id: 'stuck', state: 'stuck' }, { session_id: 'late', state: 'need', state_since: '2026-01-01T00:00:09.000Z' }, { session_id: 'early', state: 'need', state_since: '2026-01-01T00:00:01.000Z' }, { session_id: 'failing', state: 'failing' },
  ];
  const sessions = wire.flatMap((entry) => decodeSession(entry) ?? []);
  expect(orderSessions(sessions).map((session) => session.sessionId)).toEqual(['early', 'late', 'failing', 'stuck', 'full', 'low', 'idle', 'gone']);
});
