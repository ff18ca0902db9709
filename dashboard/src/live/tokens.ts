// Where a word may begin: the rule of the server's language, for whole texts and for the lines that the ring searches.

/** Stands between the parts of a searched line: no word, no phrase and no `.` of an expression reaches over it. */
export const PART = '\r';

/** Parts of one identifier that can be searched by themselves; more are no names that a person types. */
const HUMPS_MAX = 6;

/** Tokens begin after anything that is no letter or digit, and inside `camelCase` at each capital. */
export function beginsToken(text: string, word: string): boolean {
  const folded = text.toLowerCase();
  // Folding keeps places for all but a few letters; where it does not, capitals inside words are not seen.
  const aligned = folded.length === text.length;
  const startsOdd = !isLetterOrDigit(word);
  for (let at = folded.indexOf(word); at >= 0; at = folded.indexOf(word, at + 1)) {
    if (startsOdd || isFresh(folded, at)) return true;
    if (aligned && /^\p{Uppercase}/u.test(text.slice(at, at + 2)) && /^\p{Lowercase}/u.test(lastLetter(text.slice(Math.max(0, at - 2), at)))) return true;
  }
  return false;
}

/** The same for a line of {@link searchLine}, which is folded already and names the parts of identifiers. */
export function lineHasWord(line: string, word: string): boolean {
  const startsOdd = !isLetterOrDigit(word);
  for (let at = line.indexOf(word); at >= 0; at = line.indexOf(word, at + 1)) if (startsOdd || isFresh(line, at)) return true;
  return false;
}

/** Parts of an event as one folded line: whatever begins a token in them does in it, capitals inside words too. */
export function searchLine(parts: readonly string[]): string {
  const folded = parts.map((part) => part.toLowerCase());
  const humps = parts.flatMap((part, index) => (part.length === folded[index]?.length ? humpsOf(part) : []));
  return [...folded, ...humps].join(PART);
}

/** `handleRequestBody` gives `requestbody` and `body`: what begins at a capital, as far as the identifier goes. */
function humpsOf(part: string): string[] {
  if (!/\p{Lowercase}\p{Uppercase}/u.test(part)) return [];
  const humps: string[] = [];
  for (const [word] of part.matchAll(/[\p{Alphabetic}\p{Number}]+/gu)) {
    let found = 0;
    for (const { index } of word.matchAll(/(?<=\p{Lowercase})\p{Uppercase}/gu)) {
      if (found === HUMPS_MAX) break;
      humps.push(word.slice(index).toLowerCase());
      found += 1;
    }
  }
  return humps;
}

function isFresh(folded: string, at: number): boolean {
  const before = at === 0 ? '' : lastLetter(folded.slice(Math.max(0, at - 2), at));
  return before === '' || !isLetterOrDigit(before);
}

function isLetterOrDigit(text: string): boolean {
  return /^[\p{Alphabetic}\p{Number}]/u.test(text);
}

function lastLetter(text: string): string {
  return Array.from(text).at(-1) ?? '';
}
