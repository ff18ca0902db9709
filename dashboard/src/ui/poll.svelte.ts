// Asks again and again while a view is open, and keeps the last answer when one fails.
import { reasonOf } from '../contract/reason';
import { untrack } from 'svelte';

/** An answer that took long is asked for less often, so that a view never keeps the worker busy. */
const REST_FACTOR = 10;

/** The tab is still being filled when a view opens with the page: the first answers are soon out of date. */
const FIRST_ROUNDS_MS = [250, 500, 1000, 1000];

/** `atOnce`: asks more often at first; not for what costs the server something. */
export class Poll<Value> {
  value = $state.raw<Value | undefined>(undefined);
  problem = $state('');
  #asked = 0;

  constructor(private readonly ask: () => Promise<Value>, everyMs: number, private readonly atOnce = true) {
    $effect(() => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      let open = true;
      let rounds = 0;
      const round = async (): Promise<void> => {
        const began = performance.now();
        if (!document.hidden) await this.again();
        const first = this.atOnce ? FIRST_ROUNDS_MS[rounds++] : undefined;
        const rest = first === undefined ? (performance.now() - began) * REST_FACTOR : 0;
        if (open) timer = setTimeout(() => void round(), Math.max(Math.min(everyMs, first ?? everyMs), rest));
      };
      // What is asked for may read state; it must not begin the rounds anew whenever that changes.
      untrack(() => void round());
      // Nobody looks at a page that is hidden; who comes back sees what is now.
      const seen = (): void => { if (!document.hidden) void this.again(); };
      document.addEventListener('visibilitychange', seen);
      return () => {
        open = false;
        clearTimeout(timer);
        document.removeEventListener('visibilitychange', seen);
      };
    });
  }

  /** Asks at once again when what is asked for changes; the first time is that of the rounds. */
  follow(what: () => unknown): this {
    let first = true;
    $effect(() => {
      what();
      if (!first) untrack(() => void this.again());
      first = false;
    });
    return this;
  }

  /** An answer to what was asked before something newer is dropped. */
  async again(): Promise<void> {
    const number = (this.#asked += 1);
    try {
      const value = await this.ask();
      if (number !== this.#asked) return;
      this.value = value;
      this.problem = '';
    } catch (error) {
      if (number !== this.#asked) return;
      this.problem = reasonOf(error);
    }
  }
}
