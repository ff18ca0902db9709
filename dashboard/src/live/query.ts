// One filter's result over the store: scanned newest first in slices, then kept up to date event by event.
import { Flag } from './ring';
import { CHUNK_ROWS } from './text-chunks';
import type { Filter } from './filter';
import type { EventStore } from './store';

/** What is known of a slot under this filter. */
const BIT_FACET = 1;
const BIT_HISTOGRAM = 2;
const BIT_RESULT = 4;
/** Counted in `errors`; its own bit, because a call's row turns into an error after it was counted. */
const BIT_ERROR = 8;
/** A row of the list if no namespace were chosen. */
const BIT_ALL = 16;
/** The same again within this time is one row with a count; later it is worth a row of its own. */
const REPEAT_MS_MAX = 60_000;

/** Rows that show the same, one after the other: one stands for all. */
interface Group {
  /** Beside the one that stands for them. */
  count: number;
  first: number;
  last: number;
}

export interface Histogram {
  from: number;
  to: number;
  events: number[];
  errors: number[];
}

export class Query {
  /** Sequence numbers, ascending, between `#left` and `#right`; twice the ring, so that it can grow on both sides. */
  readonly #results: Float64Array;
  #left: number;
  #right: number;
  readonly #bits: Uint8Array;
  readonly #extra = new Set<number>();
  /** Rows by namespace that match everything but the namespace. */
  readonly facets = new Float64Array(256);
  /** Rows whatever their namespace. */
  all = 0;
  errors = 0;
  /** Rows that another one stands for. */
  folded = 0;
  /** By slot, the row that stands for this one; 0 for a row of its own. */
  readonly #heads: Float64Array;
  readonly #groups = new Map<number, Group>();
  #nextChunk: number;
  #lowest: number;

  constructor(private readonly store: EventStore, readonly filter: Filter) {
    const { capacity } = store.ring;
    this.#results = new Float64Array(capacity * 2);
    this.#left = capacity;
    this.#right = capacity;
    this.#bits = new Uint8Array(capacity);
    this.#heads = new Float64Array(capacity);
    this.#nextChunk = Math.floor(store.ring.high / CHUNK_ROWS);
    this.#lowest = store.ring.high + 1;
  }

  get length(): number {
    return this.#right - this.#left;
  }

  get complete(): boolean {
    return this.#nextChunk < Math.floor(this.store.ring.floor / CHUNK_ROWS);
  }

  at(index: number): number {
    return index < 0 || index >= this.length ? 0 : (this.#results[this.#left + index] ?? 0);
  }

  /** Is the event one of the list, as a row or within one? */
  has(seq: number): boolean {
    const { ring } = this.store;
    return ring.has(seq) && ((this.#bits[ring.slot(seq)] ?? 0) & BIT_RESULT) !== 0;
  }

  /** The row in which the event is shown. */
  headOf(seq: number): number {
    const { ring } = this.store;
    return ring.has(seq) ? this.#heads[ring.slot(seq)] || seq : seq;
  }

  /** How often a row came, and the last of them. */
  repeatsOf(head: number): { times: number; last: number } {
    const group = this.#groups.get(head);
    return group ? { times: group.count + 1, last: Math.max(group.last, head) } : { times: 1, last: head };
  }

  /** Index of the first result with this number or a higher one. */
  lowerBound(seq: number): number {
    let low = this.#left;
    let high = this.#right;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#results[middle] ?? 0) < seq) low = middle + 1;
      else high = middle;
    }
    return low - this.#left;
  }

  /** Scans older chunks until the time is over; true when all are scanned. */
  step(deadline: number, clock: () => number, now: number): boolean {
    while (!this.complete) {
      this.#scanChunk(this.#nextChunk, now);
      this.#nextChunk -= 1;
      if (clock() >= deadline) break;
    }
    return this.complete;
  }

  #scanChunk(number: number, now: number): void {
    const { ring } = this.store;
    const first = Math.max(number * CHUNK_ROWS, ring.floor);
    const last = Math.min((number + 1) * CHUNK_ROWS - 1, this.#lowest - 1);
    const hits: number[] = [];
    const visit = (seq: number, textKnown: boolean): void => {
      if (seq < first || seq > last || !ring.has(seq)) return;
      if (this.#judge(seq, ring.slot(seq), now, textKnown)) hits.push(seq);
    };
    const [needle] = this.filter.texts;
    if (needle !== undefined) {
      this.store.searchChunk(number, needle, (seq) => visit(seq, false));
      if (this.#extra.size > 0) for (const seq of this.#extra) if (!hits.includes(seq)) visit(seq, true);
      if (this.#extra.size > 0) hits.sort((a, b) => a - b);
    } else {
      for (let seq = first; seq <= last; seq += 1) visit(seq, false);
    }
    for (let index = hits.length - 1; index >= 0; index -= 1) this.#pushLeft(hits[index] ?? 0);
    this.#lowest = Math.min(this.#lowest, first);
  }

  /** Sets the slot's bits and counts; true when it belongs to the result. */
  #judge(seq: number, slot: number, now: number, textKnown: boolean): boolean {
    const { filter } = this;
    if (!filter.columnsMatch(seq, slot)) return false;
    if (!textKnown && !filter.textMatches(seq) && !this.#extra.has(seq)) return false;
    const inRange = filter.inRange(slot, now);
    const quiet = filter.isQuiet(slot);
    const namespaceMatches = filter.namespaceMatches(slot, quiet);
    let bits = 0;
    if (inRange) {
      if (!quiet) {
        bits |= BIT_ALL;
        this.all += 1;
      }
      bits |= BIT_FACET;
      const namespace = this.store.ring.namespaces[slot] ?? 0;
      this.facets[namespace] = (this.facets[namespace] ?? 0) + 1;
    }
    if (namespaceMatches) bits |= BIT_HISTOGRAM;
    if (inRange && namespaceMatches) {
      bits |= BIT_RESULT;
      if (((this.store.ring.flags[slot] ?? 0) & Flag.error) !== 0) {
        bits |= BIT_ERROR;
        this.errors += 1;
      }
    }
    this.#bits[slot] = bits;
    return (bits & BIT_RESULT) !== 0;
  }

  /** An event was stored. `true` when the result changed. */
  inserted(seq: number, now: number): boolean {
    if (seq < this.#lowest && !this.complete) return false;
    return this.#place(seq, now);
  }

  /** A row may match now, or not any more. `true` when the result changed or a row of it did. */
  changed(seq: number, now: number): boolean {
    const { ring } = this.store;
    if (!ring.has(seq) || (seq < this.#lowest && !this.complete)) return false;
    const slot = ring.slot(seq);
    const was = ((this.#bits[slot] ?? 0) & BIT_RESULT) !== 0;
    this.#forget(slot);
    const is = this.#judge(seq, slot, now, false);
    const grouped = (this.#heads[slot] ?? 0) !== 0 || this.#groups.has(seq);
    if (was && (!is || grouped)) this.#leave(seq, slot);
    if (is && (!was || grouped)) this.#insert(seq);
    else if (is) this.#settle(seq);
    return was || is;
  }

  /** The server found the text in parts of this event that memory does not search. */
  addExtra(seq: number, now: number): boolean {
    if (this.#extra.has(seq)) return false;
    this.#extra.add(seq);
    const { ring } = this.store;
    if (!ring.has(seq) || ((this.#bits[ring.slot(seq)] ?? 0) & BIT_RESULT) !== 0) return false;
    return seq >= this.#lowest || this.complete ? this.#place(seq, now) : false;
  }

  /** Before a slot is given away. */
  evict(slot: number): void {
    if (((this.#bits[slot] ?? 0) & BIT_RESULT) !== 0) this.#leave(this.store.ring.seqs[slot] ?? 0, slot);
    this.#forget(slot);
  }

  /** Lets go of rows that left a moving range; true when the result changed. */
  expire(now: number): boolean {
    if (!this.filter.moves) return false;
    const { ring } = this.store;
    const from = this.filter.from(now);
    let changed = false;
    // All of them: neither history that was loaded later nor what another clock told comes in the order of time.
    for (let seq = ring.floor; seq <= ring.high; seq += 1) {
      const slot = ring.slot(seq);
      const bits = this.#bits[slot] ?? 0;
      if ((bits & ~BIT_HISTOGRAM) === 0 || (ring.times[slot] ?? 0) >= from || !ring.has(seq)) continue;
      if ((bits & BIT_RESULT) !== 0) {
        this.#leave(seq, slot);
        changed = true;
      }
      this.#forget(slot);
      this.#bits[slot] = bits & BIT_HISTOGRAM;
    }
    return changed;
  }

  histogram(from: number, to: number, bins: number): Histogram {
    const { ring } = this.store;
    const events = new Array<number>(bins).fill(0);
    const errors = new Array<number>(bins).fill(0);
    const scale = bins / Math.max(1, to - from);
    for (let slot = 0; slot < ring.capacity; slot += 1) {
      if (((this.#bits[slot] ?? 0) & BIT_HISTOGRAM) === 0) continue;
      const bin = Math.floor(((ring.times[slot] ?? 0) - from) * scale);
      if (bin < 0 || bin >= bins) continue;
      events[bin] = (events[bin] ?? 0) + 1;
      if (((ring.flags[slot] ?? 0) & Flag.error) !== 0) errors[bin] = (errors[bin] ?? 0) + 1;
    }
    return { from, to, events, errors };
  }

  #place(seq: number, now: number): boolean {
    const { ring } = this.store;
    const slot = ring.slot(seq);
    this.#forget(slot);
    if (!this.#judge(seq, slot, now, this.#extra.has(seq))) return false;
    this.#insert(seq);
    return true;
  }

  #forget(slot: number): void {
    const bits = this.#bits[slot] ?? 0;
    if (bits === 0) return;
    const { ring } = this.store;
    const namespace = ring.namespaces[slot] ?? 0;
    if ((bits & BIT_FACET) !== 0) this.facets[namespace] = Math.max(0, (this.facets[namespace] ?? 0) - 1);
    if ((bits & BIT_ALL) !== 0) this.all -= 1;
    if ((bits & BIT_ERROR) !== 0) this.errors -= 1;
    this.#bits[slot] = 0;
  }

  #pushLeft(seq: number): void {
    if (this.length > 0 && this.#fold(seq, this.#results[this.#left] ?? 0)) return;
    if (this.#left === 0) this.#recentre();
    this.#left -= 1;
    this.#results[this.#left] = seq;
  }

  #insert(seq: number): void {
    const index = this.#left + this.lowerBound(seq);
    if (index < this.#right && this.#results[index] === seq) return;
    if (index > this.#left && this.#fold(seq, this.#results[index - 1] ?? 0)) return;
    // History is loaded backwards.
    if (index < this.#right && this.#fold(seq, this.#results[index] ?? 0)) return;
    this.#enter(seq);
  }

  /** Makes it a row of its own; whichever side is shorter makes room. */
  #enter(seq: number): void {
    if (this.#right === this.#results.length || this.#left === 0) this.#recentre();
    const index = this.#left + this.lowerBound(seq);
    if (index - this.#left < this.#right - index) {
      this.#results.copyWithin(this.#left - 1, this.#left, index);
      this.#left -= 1;
      this.#results[index - 1] = seq;
      return;
    }
    this.#results.copyWithin(index + 1, index, this.#right);
    this.#results[index] = seq;
    this.#right += 1;
  }

  /** Puts a row into another one that shows the same, if that stands beside it and is not long ago. */
  #fold(seq: number, head: number): boolean {
    if (this.filter.raw || !this.store.sameRow(seq, head)) return false;
    const { ring } = this.store;
    const group = this.#groups.get(head) ?? { count: 0, first: head, last: head };
    const at = ring.times[ring.slot(seq)] ?? 0;
    const nearest = ring.times[ring.slot(seq < group.first ? group.first : group.last)] ?? 0;
    if (Math.abs(at - nearest) > REPEAT_MS_MAX) return false;
    group.count += 1;
    group.first = Math.min(group.first, seq);
    group.last = Math.max(group.last, seq);
    this.#groups.set(head, group);
    this.#heads[ring.slot(seq)] = head;
    this.folded += 1;
    return true;
  }

  /** A row that has its final look now (its call ended) may be the same as its neighbour. */
  #settle(seq: number): void {
    const index = this.#left + this.lowerBound(seq);
    const before = index > this.#left ? (this.#results[index - 1] ?? 0) : 0;
    if (this.#results[index] === seq && before > 0 && this.#fold(seq, before)) this.#remove(seq);
  }

  /** Takes an event out of the list, be it a row, within one, or the one that stands for others. */
  #leave(seq: number, slot: number): void {
    const head = this.#heads[slot] ?? 0;
    const group = this.#groups.get(head || seq);
    if (!group) return this.#remove(seq);
    this.folded -= 1;
    group.count -= 1;
    this.#heads[slot] = 0;
    if (head === 0) this.#promote(seq, group);
    else if (group.count === 0) this.#groups.delete(head);
    else if (group.first === seq) group.first = this.#nextMember(head, group, seq, 1);
    else if (group.last === seq) group.last = this.#nextMember(head, group, seq, -1);
  }

  /** Another of the group stands for it from now on: its last, which is the last to be forgotten. */
  #promote(old: number, group: Group): void {
    const { ring } = this.store;
    const members = this.#membersOf(old);
    const head = members[members.length - 1] ?? 0;
    this.#groups.delete(old);
    this.#remove(old);
    if (head === 0) return;
    for (const member of members) this.#heads[ring.slot(member)] = member === head ? 0 : head;
    this.#enter(head);
    if (group.count > 0) this.#groups.set(head, { count: group.count, first: members[0] ?? head, last: head });
  }

  /** From a member that left, the next one in a direction; found in one step as long as the oldest is forgotten first. */
  #nextMember(head: number, group: Group, from: number, by: 1 | -1): number {
    for (let seq = from + by; seq >= group.first && seq <= group.last; seq += by) if (seq === head || this.#isMember(seq, head)) return seq;
    return head;
  }

  /** Those that a row stands for, oldest first. */
  #membersOf(head: number): number[] {
    const group = this.#groups.get(head);
    const members: number[] = [];
    for (let seq = group?.first ?? 1; seq <= (group?.last ?? 0); seq += 1) if (seq !== head && this.#isMember(seq, head)) members.push(seq);
    return members;
  }

  /** Also what the ring has left behind already, until its slot is given away. */
  #isMember(seq: number, head: number): boolean {
    const { ring } = this.store;
    const slot = ring.slot(seq);
    return ring.seqs[slot] === seq && this.#heads[slot] === head;
  }

  #remove(seq: number): void {
    const index = this.#left + this.lowerBound(seq);
    if (index >= this.#right || this.#results[index] !== seq) return;
    if (index === this.#left) {
      this.#left += 1;
      return;
    }
    this.#results.copyWithin(index, index + 1, this.#right);
    this.#right -= 1;
  }

  #recentre(): void {
    const { length } = this;
    const left = (this.#results.length - length) >> 1;
    this.#results.copyWithin(left, this.#left, this.#right);
    this.#left = left;
    this.#right = left + length;
  }
}
