// How many events, and how many errors, came in the last minutes: one bucket a second, no list of events.

const SECONDS = 300;

export class Rates {
  readonly #seconds = new Float64Array(SECONDS);
  readonly #events = new Uint32Array(SECONDS);
  readonly #errors = new Uint32Array(SECONDS);

  add(time: number, error: boolean): void {
    const second = Math.floor(time / 1000);
    const place = second % SECONDS;
    const kept = this.#seconds[place] ?? 0;
    if (kept > second || place < 0) return;
    if (kept < second) {
      this.#seconds[place] = second;
      this.#events[place] = 0;
      this.#errors[place] = 0;
    }
    this.#events[place] = (this.#events[place] ?? 0) + 1;
    if (error) this.#errors[place] = (this.#errors[place] ?? 0) + 1;
  }

  clear(): void {
    this.#seconds.fill(0);
  }

  /** Sums of the `seconds` before `now` (at most 300). */
  sum(now: number, seconds: number): { events: number; errors: number } {
    const newest = Math.floor(now / 1000);
    let events = 0;
    let errors = 0;
    for (let place = 0; place < SECONDS; place += 1) {
      const second = this.#seconds[place] ?? 0;
      if (second <= newest - seconds || second > newest + 5) continue;
      events += this.#events[place] ?? 0;
      errors += this.#errors[place] ?? 0;
    }
    return { events, errors };
  }
}
