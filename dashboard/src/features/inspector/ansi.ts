// Turns terminal colours into classes; every other control sequence is dropped. Only text nodes come out.

const COLORS = ['dim', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', ''];
// eslint-disable-next-line no-control-regex
const SEQUENCE = /\u001b\[([0-9;:?]*)([A-Za-z])|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\|$)|\u001b[PX^_][^\u001b]*(?:\u001b\\|$)|\u001b./g;

export interface Piece {
  text: string;
  classes: string;
}

export function ansi(source: string): Piece[] {
  const pieces: Piece[] = [];
  let color = '';
  let bold = false;
  let dim = false;
  let under = false;
  let at = 0;
  const push = (text: string): void => {
    if (text === '') return;
    const classes = [color && `a-${color}`, bold && 'a-bold', dim && 'a-dim', under && 'a-under'].filter(Boolean).join(' ');
    pieces.push({ text: visible(text), classes });
  };
  for (const match of source.matchAll(SEQUENCE)) {
    push(source.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[2] !== 'm') continue;
    for (const code of (match[1] || '0').split(/[;:]/).map(Number)) {
      if (code === 0) [color, bold, dim, under] = ['', false, false, false];
      else if (code === 1) bold = true;
      else if (code === 2) dim = true;
      else if (code === 4) under = true;
      else if (code === 22) [bold, dim] = [false, false];
      else if (code === 24) under = false;
      else if (code === 39) color = '';
      else if (code >= 30 && code <= 37) color = COLORS[code - 30] ?? '';
      else if (code >= 90 && code <= 97) color = COLORS[code - 90] ?? '';
      else if (code === 38 || code === 48) break;
    }
  }
  push(source.slice(at));
  return pieces;
}

/** Control and direction-changing characters are shown, not obeyed; line breaks and tabs stay. */
export function visible(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/\r\n?/g, '\n').replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
