// Proves that terminal output becomes harmless text.
import { expect, it } from 'vitest';
import { ansi, visible } from './ansi';

const text = (source: string): string => ansi(source).map((piece) => piece.text).join('');

it('keeps colours and weight', () => {
  expect(ansi('a\u001b[1;31mb\u001b[0mc')).toEqual([{ text: 'a', classes: '' }, { text: 'b', classes: 'a-red a-bold' }, { text: 'c', classes: '' }]);
});

it('drops cursor moves, titles, links and unknown sequences', () => {
  expect(text('a\u001b[2Jb\u001b]0;title\u0007c\u001b]8;;http://x\u001b\\d\u001b[38;5;200me')).toBe('abcde');
  expect(text('\u001b]0;never ended')).toBe('');
});

it('shows control and direction characters instead of obeying them', () => {
  expect(visible('a\u0000b\u202ec\td\r\ne')).toBe('a\\u0000b\\u202ec\td\ne');
});
