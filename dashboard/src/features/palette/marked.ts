// A text cut where typed words are found in it, so that they can be underlined.

export interface Piece {
  text: string;
  hit: boolean;
}

/** `words` in lower case. */
export function pieces(text: string, words: readonly string[]): Piece[] {
  const lower = text.toLowerCase();
  if (lower.length !== text.length) return [{ text, hit: false }];
  const found: Piece[] = [];
  for (let at = 0; at < text.length; ) {
    const hits = words.map((word) => ({ from: lower.indexOf(word, at), length: word.length })).filter(({ from }) => from >= 0).sort((a, b) => a.from - b.from || b.length - a.length);
    const [hit] = hits;
    if (!hit) {
      found.push({ text: text.slice(at), hit: false });
      break;
    }
    if (hit.from > at) found.push({ text: text.slice(at, hit.from), hit: false });
    found.push({ text: text.slice(hit.from, hit.from + hit.length), hit: true });
    at = hit.from + hit.length;
  }
  return found;
}
