// Proves what is underlined.
import { expect, it } from 'vitest';
import { pieces } from './marked';

it('cuts a text where typed words are', () => {
  expect(pieces('api-Gateway', ['gate', 'api'])).toEqual([{ text: 'api', hit: true }, { text: '-', hit: false }, { text: 'Gate', hit: true }, { text: 'way', hit: false }]);
  expect(pieces('abc', [])).toEqual([{ text: 'abc', hit: false }]);
  expect(pieces('', ['a'])).toEqual([]);
});

it('prefers the longer of two words, and leaves letters alone that change their length', () => {
  expect(pieces('gateway', ['ga', 'gateway'])).toEqual([{ text: 'gateway', hit: true }]);
  expect(pieces('\u0130x', ['x'])).toEqual([{ text: '\u0130x', hit: false }]);
});
