// Text that a person has to judge, exactly: what cannot be seen, or makes other text look different, is shown as an escape.

export interface Piece {
  text: string;
  /** It stands for a character that would not be seen. */
  escape: boolean;
}

/** Control, format, private and lone surrogate characters, all spaces but the usual one, and fillers that look like nothing; line breaks break lines. */
const UNSEEN = /(?![ \n])[\p{C}\p{Z}\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/gu;
const SHORT: Record<string, string> = { '\t': '\\t', '\r': '\\r', '\u0000': '\\0', '\u001b': '\\e' };

export function exact(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(UNSEEN)) {
    if (match.index > from) pieces.push({ text: text.slice(from, match.index), escape: false });
    pieces.push({ text: escaped(match[0]), escape: true });
    from = match.index + match[0].length;
  }
  if (from < text.length) pieces.push({ text: text.slice(from), escape: false });
  return pieces;
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return SHORT[character] ?? (code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : code <= 0xffff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\u{${code.toString(16)}}`);
}
