// Proves that hostile or broken input becomes safe values or nothing.
import { describe, expect, it } from 'vitest';
import transcribed from '../../../contract/session/transcribed.json';
import { decodeEvent, decodeEventPage, decodeGap, decodeHello, decodeSession, line } from './decode';
import { decodeStore } from './machine';

const event = {
  seq: 7, time: '2026-11-20T14:31:07.950Z', recorded_at: '2026-11-20T14:31:07.953Z', kind: 'tool_call.finished', namespace: '/hook', event: 'post_tool',
  session_id: 's1', tool_name: 'Bash', tool_use_id: 't1', outcome: 'ok', duration_ms: 12, summary: 'ls', sources: ['hook'], data: { a: 1 },
};

describe('decodeEvent', () => {
  it('keeps what the contract names', () => {
    expect(decodeEvent(event)).toMatchObject({ seq: 7, time: Date.parse('2026-11-20T14:31:07.950Z'), toolName: 'Bash', outcome: 'ok', durationMs: 12, agentId: '' });
  });

  it('refuses what is no event', () => {
    for (const broken of [null, 3, 'x', [], {}, { kind: 'a' }, { kind: 5, namespace: '/hook' }]) expect(decodeEvent(broken)).toBeUndefined();
  });

  it('calls an event without a usable seq not stored', () => {
    for (const seq of [undefined, -1, 1.5, '7', NaN, 2 ** 60]) expect(decodeEvent({ ...event, seq })?.seq).toBe(0);
  });

  it('drops an outcome nobody knows and a time nobody can read', () => {
    expect(decodeEvent({ ...event, outcome: 'fine', time: 'yesterday' })).toMatchObject({ outcome: '', time: 0 });
  });

  it('makes one safe line of a summary', () => {
    expect(decodeEvent({ ...event, summary: 'a\nb\u0000\u001b[31mc\u202ed' })?.summary).toBe('a b [31mc\ufffdd');
    expect(decodeEvent({ ...event, summary: 'x'.repeat(5_000_000) })?.summary.length).toBe(400);
  });

  it('takes a namespace with or without its slash', () => {
    expect(decodeEvent({ ...event, namespace: 'hook' })?.namespace).toBe('/hook');
  });
});

describe('other messages', () => {
  it('skips broken events of a page', () => {
    expect(decodeEventPage({ events: [event, 1, {}], next: 6, seq_last: 9 })).toMatchObject({ events: [{ seq: 7 }], next: 6, seqLast: 9, partial: false });
    expect(decodeEventPage({ events: {} })).toBeUndefined();
  });

  it('reads an unknown session state as idle', () => {
    expect(decodeSession({ session_id: 's', state: 'dancing' })).toMatchObject({ state: 'idle', project: 'unknown', usage: undefined });
  });

  it('wants an epoch and a possible gap', () => {
    expect(decodeHello({ instance: 'i' })).toBeUndefined();
    expect(decodeGap({ from: 5, to: 4 })).toBeUndefined();
    expect(decodeGap({ from: 5, to: 5, reason: 'slow' })).toEqual({ from: 5, to: 5, reason: 'slow' });
  });

  it('shows direction marks instead of obeying them', () => {
    expect(line('abc\u202exyz')).toBe('abc\ufffdxyz');
    expect(line('plain')).toBe('plain');
  });

  it('tells apart the files of one day of the store', () => {
    expect(decodeStore({ days: [{ name: 'events-2026-11-27.db' }, { name: '2026-11-27-2' }, { name: 'other' }] })?.days.map(({ day }) => day)).toEqual(['2026-11-27', '2026-11-27-2', 'other']);
  });

  it('takes context, branch and an estimate from a session as the contract has it, and never a price that nobody knows', () => {
    expect(decodeSession(transcribed)).toMatchObject({ branch: 'main', context: { tokens: 165_300, window: 1_000_000, status: 'ok' }, usage: { costUsd: 0.05406, costStatus: 'estimated', unpriced: [] } });
    const unpriced = decodeSession({ session_id: 's', usage: { source: 'transcript', cost_status: 'unpriced', unpriced: ['new-model'] } });
    expect(unpriced?.usage).toMatchObject({ costUsd: undefined, costStatus: 'unpriced', unpriced: ['new-model'] });
    expect(decodeSession({ session_id: 's', need: { kind: 'permission', seq: 4, answered: 'unsure', open: 2 } })?.need).toMatchObject({ unsure: true, open: 2, seq: 4 });
  });
});
