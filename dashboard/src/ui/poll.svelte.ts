// Asks again and again while a view is open, and keeps the last answer when one fails.

/** An answer that took long is asked for less often, so that a view never keeps the worker busy. */
const REST_FACTOR = 10;

/** The tab is still being filled when a view opens with the page: the first answers are soon out of date. */
const FIRST_ROUNDS_MS = [250, 500, 1000, 1000];

/** `atOnce`: asks more often at first; not for what costs the server something. */
export class Poll<Value> {
  value = $state.raw<Value | undefined>(undefined);
  problem = $state('');

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
      void round();
      return () => {
        open = false;
        clearTimeout(timer);
      };
    });
  }

  async again(): Promise<void> {
    try {
      this.value = await this.ask();
      this.problem = '';
    } catch (error) {
      this.problem = error instanceof Error ? error.message : 'The server did not answer';
    }
  }
}
