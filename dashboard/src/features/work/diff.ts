// Lines of a change as they are shown: numbered, paired for the split view, changed words marked.
import type { Change } from '../../contract/types';

export interface Line {
  kind: 'same' | 'add' | 'del' | 'head';
  old: number | undefined;
  new: number | undefined;
  text: string;
  /** The part that differs from its counterpart; undefined: all of it, or nothing to compare with. */
  mark: { from: number; to: number } | undefined;
}

/** Beyond this a browser takes long to lay lines out. */
export const LINES_MAX = 2000;

export function linesOf(change: Change): Line[] {
  if (change.whole !== undefined) return change.whole.replace(/\n$/, '').split('\n').map((text, index) => ({ kind: 'add', old: undefined, new: index + 1, text, mark: undefined }));
  const lines: Line[] = [];
  for (const hunk of change.hunks) {
    lines.push({ kind: 'head', old: undefined, new: undefined, text: `@@ ${hunk.oldStart}`, mark: undefined });
    let [before, after] = [hunk.oldStart, hunk.newStart];
    for (const entry of hunk.lines) {
      const text = entry.slice(1);
      if (entry.startsWith('+')) lines.push({ kind: 'add', old: undefined, new: after++, text, mark: undefined });
      else if (entry.startsWith('-')) lines.push({ kind: 'del', old: before++, new: undefined, text, mark: undefined });
      else if (!entry.startsWith('\\')) lines.push({ kind: 'same', old: before++, new: after++, text, mark: undefined });
    }
  }
  markWords(lines);
  return lines;
}

/** Runs of removed lines followed by as many added ones are compared line by line. */
function markWords(lines: Line[]): void {
  for (let at = 0; at < lines.length; at += 1) {
    if (lines[at]?.kind !== 'del') continue;
    let middle = at;
    while (lines[middle]?.kind === 'del') middle += 1;
    let end = middle;
    while (lines[end]?.kind === 'add') end += 1;
    if (end - middle === middle - at) for (let step = 0; step < middle - at; step += 1) compare(lines[at + step], lines[middle + step]);
    at = end - 1;
  }
}

function compare(before: Line | undefined, after: Line | undefined): void {
  if (!before || !after) return;
  const [a, b] = [before.text, after.text];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  // Lines that share nothing are not the same line changed.
  if (head + tail === 0) return;
  if (a.length > head + tail) before.mark = { from: head, to: a.length - tail };
  if (b.length > head + tail) after.mark = { from: head, to: b.length - tail };
}

/** Removed and added lines beside each other. */
export function pairsOf(lines: readonly Line[]): { left: Line | undefined; right: Line | undefined }[] {
  const pairs: { left: Line | undefined; right: Line | undefined }[] = [];
  for (let at = 0; at < lines.length; ) {
    const line = lines[at];
    if (!line || line.kind === 'same' || line.kind === 'head') {
      pairs.push({ left: line, right: line });
      at += 1;
      continue;
    }
    const removed: Line[] = [];
    const added: Line[] = [];
    for (; lines[at]?.kind === 'del'; at += 1) removed.push(...lines.slice(at, at + 1));
    for (; lines[at]?.kind === 'add'; at += 1) added.push(...lines.slice(at, at + 1));
    for (let row = 0; row < Math.max(removed.length, added.length); row += 1) pairs.push({ left: removed[row], right: added[row] });
  }
  return pairs;
}

/** A table of this many cells is compared in a few milliseconds; longer texts are compared from their ends alone. */
const CELLS_MAX = 400_000;

/** What changes between two texts, as lines of a patch. */
export function hunkOf(before: string, after: string): string[] {
  const [a, b] = [before === '' ? [] : before.split('\n'), after === '' ? [] : after.split('\n')];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  const [left, right] = [a.slice(head, a.length - tail), b.slice(head, b.length - tail)];
  const middle = left.length * right.length > CELLS_MAX ? [...left.map((line) => `-${line}`), ...right.map((line) => `+${line}`)] : compared(left, right);
  return [...a.slice(0, head).map((line) => ` ${line}`), ...middle, ...a.slice(a.length - tail).map((line) => ` ${line}`)];
}

/** By the longest common subsequence of lines. */
function compared(a: readonly string[], b: readonly string[]): string[] {
  const width = b.length + 1;
  const lengths = new Uint32Array((a.length + 1) * width);
  for (let row = a.length - 1; row >= 0; row -= 1) {
    for (let column = b.length - 1; column >= 0; column -= 1) {
      lengths[row * width + column] = a[row] === b[column] ? (lengths[(row + 1) * width + column + 1] ?? 0) + 1 : Math.max(lengths[(row + 1) * width + column] ?? 0, lengths[row * width + column + 1] ?? 0);
    }
  }
  const lines: string[] = [];
  let [row, column] = [0, 0];
  while (row < a.length || column < b.length) {
    const same = row < a.length && column < b.length && a[row] === b[column];
    if (same) lines.push(` ${a[row] ?? ''}`);
    const removes = !same && row < a.length && (column >= b.length || (lengths[(row + 1) * width + column] ?? 0) >= (lengths[row * width + column + 1] ?? 0));
    if (removes) lines.push(`-${a[row] ?? ''}`);
    else if (!same) lines.push(`+${b[column] ?? ''}`);
    if (same || removes) row += 1;
    if (same || !removes) column += 1;
  }
  return lines;
}
