// Picks the words of an event's payload that full-text search in memory looks at.
import type { Json } from '../contract/types';

/** Long payloads are searched whole by the server; here only their beginning counts, to bound memory. */
const WORDS_CHARS_MAX = 360;
const VALUE_CHARS_MAX = 160;
const DEPTH_MAX = 6;

/** Strings and numbers, each a part of its own. */
export function searchWords(data: Json): string[] {
  const words: string[] = [];
  let room = WORDS_CHARS_MAX;
  const walk = (value: Json, depth: number): void => {
    if (room <= 0 || depth > DEPTH_MAX || value === null) return;
    if (typeof value === 'string' || typeof value === 'number') {
      const word = String(value).slice(0, Math.min(VALUE_CHARS_MAX, room));
      words.push(word);
      room -= word.length + 1;
    } else if (Array.isArray(value)) {
      for (const entry of value) walk(entry, depth + 1);
    } else if (typeof value === 'object') {
      for (const key in value) walk(value[key] ?? null, depth + 1);
    }
  };
  walk(data, 0);
  // eslint-disable-next-line no-control-regex
  return words.map((word) => word.replace(/[\u0000-\u001f]+/g, ' '));
}
