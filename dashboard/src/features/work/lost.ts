// What of a change another one undid.
import type { Change } from '../../contract/types';

/** Lines that the earlier change had added and the later one took away again, in their order. */
export function lostLines(earlier: Change, later: Change): string[] {
  const added = earlier.whole === undefined ? earlier.hunks.flatMap(({ lines }) => lines.filter((line) => line.startsWith('+')).map((line) => line.slice(1))) : earlier.whole.split('\n');
  const candidates = added.filter((line) => line.trim() !== '');
  if (later.whole !== undefined) {
    const kept = new Set(later.whole.split('\n'));
    return candidates.filter((line) => !kept.has(line));
  }
  const gone = new Map<string, number>();
  for (const { lines } of later.hunks) {
    for (const line of lines) {
      const by = line.startsWith('-') ? 1 : line.startsWith('+') ? -1 : 0;
      if (by !== 0) gone.set(line.slice(1), (gone.get(line.slice(1)) ?? 0) + by);
    }
  }
  return candidates.filter((line) => {
    const left = gone.get(line) ?? 0;
    if (left > 0) gone.set(line, left - 1);
    return left > 0;
  });
}

/** What several changes did, one after the other. */
export function together(changes: readonly Change[]): Change {
  const written = changes.findLastIndex(({ whole }) => whole !== undefined);
  const last = changes[written];
  // Before it was written anew nothing counts.
  if (last && written === changes.length - 1) return last;
  return { callSeq: 0, created: false, whole: undefined, hunks: changes.slice(written + 1).flatMap(({ hunks }) => hunks) };
}

/** The changes of the session that overwrote another's: from the conflict on until it looked at the file again. */
export function unseen<Touched extends { seq: number; sessionId: string; changed: boolean }>(touches: readonly Touched[], conflict: { seq: number; by: string }): Touched[] {
  const own = touches.filter(({ seq, sessionId }) => sessionId === conflict.by && seq >= conflict.seq);
  const looked = own.findIndex(({ changed }) => !changed);
  return looked === -1 ? own : own.slice(0, looked);
}
