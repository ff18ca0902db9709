// Keeps the tab complete: fetches the newest history first, and after every loss exactly what was missed.
import type { Api } from './api';
import type { Gap, Hello, MonitorEvent } from '../contract/types';
import { retryDelay } from './backoff';
import { Coverage, type Range } from './coverage';

/** The first page is small, so that the first screen is there at once. */
const FIRST_PAGE = 400;
const PAGE = 5000;
/** How much history a tab loads by itself; the rest comes when someone scrolls or searches there. */
const PREFILL_EVENTS = 20_000;

export interface Hole extends Range {
  id: string;
  since: number;
  until: number;
  loaded: number;
  total: number;
  /** The server does not have these any more. */
  lost: boolean;
}

export type EventsApi = Pick<Api, 'events'>;

export class Sync {
  readonly coverage = new Coverage();
  holes: Hole[] = [];
  #filling = false;
  #stopped = false;
  #failures = 0;
  #seqFirst = 1;
  /** Newest number that the server named in a hello. */
  #tip = 0;
  #prefilled = false;
  olderLoading = false;
  /** Nothing older exists on the server. */
  atBeginning = false;

  constructor(
    private readonly api: EventsApi,
    private readonly capacity: number,
    private readonly store: (events: readonly MonitorEvent[]) => void,
    private readonly changed: () => void,
    private readonly wait: (ms: number) => Promise<void> = (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  ) {}

  /** The lowest number from which on this tab knows everything (holes apart). */
  get low(): number {
    return this.coverage.low ?? Infinity;
  }

  get filling(): boolean {
    return this.#filling;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Live events start after `hello.seqLast`; what lies between them and what we have is missing. */
  hello(hello: Hello, lostAt: number): void {
    this.#seqFirst = Math.max(1, hello.seqFirst);
    this.#tip = Math.max(this.#tip, hello.seqLast);
    if (hello.seqLast === 0) this.atBeginning = true;
    else if (this.coverage.high === undefined) void this.#prefill(hello.seqLast);
    else this.#checkTip(lostAt);
  }

  /** Everything up to the newest number the server has named must be known or on its way. */
  #checkTip(since: number): void {
    const { low } = this.coverage;
    if (low === undefined) return;
    for (const { from, to } of this.coverage.missing(low, this.#tip)) this.#miss(from, to, since);
    void this.#fill();
  }

  /** The server left these out because we were slow. */
  gap(gap: Gap): void {
    this.coverage.remove(gap.from, gap.to);
    this.#miss(gap.from, gap.to, Date.now());
    void this.#fill();
  }

  /** A live batch: its events are here; numbers between them and before them that we never saw are fetched. */
  live(events: readonly MonitorEvent[]): void {
    const seqs = events.map((event) => event.seq).filter((seq) => seq > 0).sort((a, b) => a - b);
    const [first] = seqs;
    const last = seqs[seqs.length - 1];
    if (first === undefined || last === undefined) return;
    const high = this.coverage.high;
    let from = first;
    let previous = first;
    for (const seq of seqs) {
      if (seq > previous + 1) {
        this.coverage.add(from, previous);
        this.#miss(previous + 1, seq - 1, Date.now());
        from = seq;
      }
      previous = seq;
    }
    this.coverage.add(from, last);
    if (high !== undefined && first > high + 1) this.#miss(high + 1, first - 1, Date.now());
    if (this.holes.some((hole) => !hole.lost)) void this.#fill();
  }

  /** Loads one more page of history before what is known; false when there is no room or nothing older. */
  async older(roomFor: number): Promise<boolean> {
    const { low } = this.coverage;
    if (low === undefined || low <= 1 || this.atBeginning || this.olderLoading || roomFor <= 0) return false;
    this.olderLoading = true;
    this.changed();
    try {
      return await this.#pageBefore(low, Math.min(PAGE, roomFor));
    } catch {
      return false;
    } finally {
      this.olderLoading = false;
      this.changed();
    }
  }

  async #prefill(seqLast: number): Promise<void> {
    if (this.#prefilled) return;
    this.#prefilled = true;
    this.olderLoading = true;
    const target = Math.min(PREFILL_EVENTS, this.capacity >> 1);
    let before = seqLast + 1;
    for (let loaded = 0, size = FIRST_PAGE; loaded < target && !this.#stopped; size = PAGE) {
      try {
        if (!(await this.#pageBefore(before, Math.min(size, target)))) break;
        this.#failures = 0;
        this.#checkTip(Date.now());
      } catch {
        await this.wait(retryDelay(this.#failures, Math.random()));
        this.#failures += 1;
        continue;
      }
      loaded = seqLast + 1 - this.low;
      before = this.low;
    }
    this.olderLoading = false;
    this.changed();
  }

  async #pageBefore(before: number, limit: number): Promise<boolean> {
    const page = await this.api.events({ before, limit });
    if (this.#stopped) return false;
    this.store(page.events);
    const lowest = page.events.reduce((low, event) => (event.seq > 0 && event.seq < low ? event.seq : low), before);
    const from = page.next ?? 1;
    if (page.next === undefined) this.atBeginning = true;
    this.coverage.add(Math.min(lowest, from), before - 1);
    this.changed();
    return page.next !== undefined;
  }

  #miss(from: number, to: number, since: number): void {
    const floor = Math.max(1, to - this.capacity + 1);
    const lostTo = Math.min(to, this.#seqFirst - 1);
    if (lostTo >= from) {
      this.holes.push({ id: `lost-${from}`, from, to: lostTo, since, until: Date.now(), loaded: 0, total: lostTo - from + 1, lost: true });
      this.coverage.add(from, lostTo);
    }
    const start = Math.max(from, lostTo + 1, floor);
    if (start > from && floor > from) this.coverage.add(from, floor - 1);
    if (start > to || this.holes.some((hole) => hole.from <= start && hole.to >= to)) return;
    this.holes.push({ id: `gap-${start}`, from: start, to, since, until: Date.now(), loaded: 0, total: to - start + 1, lost: false });
    this.changed();
  }

  /** Fetches the holes, oldest first, one request at a time, until none is left. */
  async #fill(): Promise<void> {
    if (this.#filling) return;
    this.#filling = true;
    try {
      for (let hole = this.#nextHole(); hole && !this.#stopped; hole = this.#nextHole()) {
        try {
          await this.#fetchHole(hole);
          this.#failures = 0;
        } catch {
          await this.wait(retryDelay(this.#failures, Math.random()));
          this.#failures += 1;
        }
      }
    } finally {
      this.#filling = false;
      this.changed();
    }
  }

  #nextHole(): Hole | undefined {
    return this.holes.find((hole) => !hole.lost);
  }

  async #fetchHole(hole: Hole): Promise<void> {
    const [missing] = this.coverage.missing(hole.from, hole.to);
    if (!missing) {
      this.holes = this.holes.filter((other) => other !== hole);
      this.changed();
      return;
    }
    const page = await this.api.events({ after: missing.from - 1, limit: Math.min(PAGE, missing.to - missing.from + 1) });
    if (this.#stopped) return;
    const wanted = page.events.filter((event) => event.seq >= missing.from && event.seq <= missing.to);
    this.store(wanted);
    const highest = page.events.reduce((high, event) => Math.max(high, event.seq), page.partial ? (page.next ?? 0) : 0);
    const reached = page.next === undefined ? missing.to : Math.max(highest, missing.from);
    this.coverage.add(missing.from, Math.min(missing.to, reached));
    hole.loaded += wanted.length;
    this.changed();
  }
}
