// How a file differs from what git has of it, as `GET /api/v1/files/diff` tells it.
import { isObject, name, text } from './loose';
import type { Hunk } from './types';

export interface GitDiff {
  /** The commit. */
  against: string;
  hunks: Hunk[];
  isNew: boolean;
  isDeleted: boolean;
  isBinary: boolean;
  /** It is longer than is told. */
  cut: boolean;
}

const DIFF_CHARS_MAX = 8 << 20;

export function decodeGitDiff(value: unknown): GitDiff | undefined {
  if (!isObject(value) || typeof value['diff'] !== 'string') return undefined;
  return {
    against: name(value['against']), hunks: hunksOf(text(value['diff'], DIFF_CHARS_MAX)), isNew: value['is_new'] === true, isDeleted: value['is_deleted'] === true, isBinary: value['is_binary'] === true, cut: value['cut'] === true,
  };
}

/** The pieces of a unified diff. */
export function hunksOf(diff: string): Hunk[] {
  const hunks: Hunk[] = [];
  for (const entry of diff.replace(/\n$/, '').split('\n')) {
    const head = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/.exec(entry);
    if (head) hunks.push({ oldStart: Number(head[1]), newStart: Number(head[2]), lines: [] });
    else hunks[hunks.length - 1]?.lines.push(entry);
  }
  return hunks;
}
