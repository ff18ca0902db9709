// Makes ids that look like Claude Code's and are the same in every run.

const LETTERS = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const HEX = '0123456789abcdef';

export class Ids {
  #state = 0x5eed;

  /** A number from 0 up to the limit, by mulberry32. */
  below(limit) {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  /** A version 4 UUID; `start` gives its first eight digits. */
  uuid(start = this.#of(HEX, 8)) {
    return `${start}-${this.#of(HEX, 4)}-4${this.#of(HEX, 3)}-${'89ab'[this.below(4)]}${this.#of(HEX, 3)}-${this.#of(HEX, 12)}`;
  }

  toolUse() {
    return `toolu_01${this.#of(LETTERS, 22)}`;
  }

  agent() {
    return `a${this.#of(HEX, 16)}`;
  }

  task() {
    return `b${this.#of('abcdefghijklmnopqrstuvwxyz0123456789', 8)}`;
  }

  #of(letters, count) {
    return Array.from({ length: count }, () => letters[this.below(letters.length)]).join('');
  }
}
