// What each session did in each of its last minutes, by the kind of tool it used most: the colours of its tape.
import { Flag } from './ring';
import { toneOf, type Tone } from './rows';
import type { EventStore } from './store';
import { NO_CALL, OTHER, TAPE_MINUTES } from './tape-letters';

const MINUTE = 60_000;
const TONES: readonly Tone[] = ['plain', 'shell', 'edit', 'read', 'web'];

export class Tapes {
  readonly from: number;
  readonly #last: number;
  /** By session: a count for each minute and tone. */
  readonly #counts = new Map<number, Uint16Array>();
  readonly #tones = new Map<number, number>();

  constructor(private readonly store: EventStore, now: number) {
    this.#last = Math.floor(now / MINUTE);
    this.from = (this.#last - TAPE_MINUTES + 1) * MINUTE;
  }

  add(slot: number, time: number): void {
    const { ring } = this.store;
    if (((ring.flags[slot] ?? 0) & Flag.call) === 0) return;
    const minute = Math.floor(time / MINUTE) - this.#last + TAPE_MINUTES - 1;
    if (minute < 0 || minute >= TAPE_MINUTES) return;
    const session = ring.sessions[slot] ?? 0;
    let counts = this.#counts.get(session);
    if (!counts) {
      counts = new Uint16Array(TAPE_MINUTES * TONES.length);
      this.#counts.set(session, counts);
    }
    const place = minute * TONES.length + this.#tone(ring.tools[slot] ?? 0);
    counts[place] = (counts[place] ?? 0) + 1;
  }

  /** A letter a minute, oldest first; see `tape-letters`. */
  letters(): Record<string, string> {
    const letters: Record<string, string> = {};
    for (const [session, counts] of this.#counts) {
      let tape = '';
      for (let minute = 0; minute < TAPE_MINUTES; minute += 1) {
        const part = counts.subarray(minute * TONES.length, (minute + 1) * TONES.length);
        const most = Math.max(...part);
        tape += most === 0 ? NO_CALL : letterOf(TONES[part.lastIndexOf(most)] ?? 'plain');
      }
      letters[this.store.sessions.name(session)] = tape;
    }
    return letters;
  }

  #tone(tool: number): number {
    let tone = this.#tones.get(tool);
    if (tone === undefined) {
      tone = TONES.indexOf(toneOf(this.store.tools.name(tool)));
      this.#tones.set(tool, tone);
    }
    return tone;
  }
}

function letterOf(tone: Tone): string {
  return tone === 'plain' ? OTHER : tone.charAt(0);
}
