// Changes texts as the Edit tool does, and tells the change as one hunk of a structured patch.

const CONTEXT_LINES = 3;

/** Replaces the only place of `from`; anything else is a mistake in a story. */
export function change(text, from, to) {
  if (text.split(from).length !== 2) throw new Error(`not exactly once in the file: ${from}`);
  return text.replace(from, () => to);
}

/** What differs between two texts, as one hunk with its context. */
export function hunk(before, after) {
  const old = lines(before);
  const now = lines(after);
  let same = 0;
  while (same < old.length && same < now.length && old[same] === now[same]) same += 1;
  let tail = 0;
  while (tail < old.length - same && tail < now.length - same && old.at(-1 - tail) === now.at(-1 - tail)) tail += 1;
  const start = Math.max(0, same - CONTEXT_LINES);
  const above = old.slice(start, same);
  const removed = old.slice(same, old.length - tail);
  const added = now.slice(same, now.length - tail);
  const below = old.slice(old.length - tail, old.length - tail + CONTEXT_LINES);
  return {
    oldStart: start + 1,
    oldLines: above.length + removed.length + below.length,
    newStart: start + 1,
    newLines: above.length + added.length + below.length,
    lines: [...above.map((line) => ` ${line}`), ...removed.map((line) => `-${line}`), ...added.map((line) => `+${line}`), ...below.map((line) => ` ${line}`)],
  };
}

function lines(text) {
  return text.replace(/\n$/, '').split('\n');
}
