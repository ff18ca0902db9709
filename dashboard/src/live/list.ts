// The list as it stands on screen: history from the server, dividers, and the query's rows, under one index.
import type { HistorySearch } from './history';
import type { Query } from './query';
import { rowOf, type DividerRow, type Row } from './rows';
import type { EventStore } from './store';

export class ListView {
  readonly #dividers: { row: DividerRow; index: number }[];
  readonly #older: readonly Row[];

  /** `dividers` need not be sorted. Cheap to build: one a window. */
  constructor(private readonly store: EventStore, private readonly query: Query, history: HistorySearch | undefined, dividers: readonly DividerRow[]) {
    const older = history?.rows ?? [];
    this.#older = older;
    const placed = dividers.map((row) => ({ row, at: query.lowerBound(row.before) })).sort((a, b) => a.at - b.at || a.row.before - b.row.before);
    this.#dividers = placed.map(({ row, at }, order) => ({ row, index: older.length + at + order }));
  }

  get length(): number {
    return this.#older.length + this.#dividers.length + this.query.length;
  }

  rows(first: number, count: number): Row[] {
    const rows: Row[] = [];
    const last = Math.min(this.length, first + count);
    for (let index = Math.max(0, first); index < last; index += 1) {
      const row = this.#row(index);
      if (row) rows.push(row);
    }
    return rows;
  }

  /** Where the event stands; the place of the next newer one when it is not in the list. */
  indexOf(seq: number): number {
    const [oldestKept] = [this.query.at(0)];
    if (this.#older.length > 0 && (oldestKept === 0 || seq < oldestKept)) {
      const older = this.#older.findIndex((row) => row.type === 'event' && row.seq >= seq);
      if (older !== -1) return older;
    }
    const at = this.query.lowerBound(this.query.headOf(seq));
    let index = this.#older.length + at;
    for (const divider of this.#dividers) if (divider.index <= index) index += 1;
    return index;
  }

  seqAt(index: number): number {
    const row = this.#row(index);
    return row?.type === 'event' ? row.seq : 0;
  }

  #row(index: number): Row | undefined {
    if (index < this.#older.length) return this.#older[index];
    let before = this.#older.length;
    for (const divider of this.#dividers) {
      if (divider.index === index) return divider.row;
      if (divider.index < index) before += 1;
    }
    const seq = this.query.at(index - before);
    const row = rowOf(this.store, seq, this.query.filter.raw);
    const { times, last } = this.query.repeatsOf(seq);
    if (!row || times === 1) return row;
    const { ring } = this.store;
    return { ...row, times, time: ring.times[ring.slot(last)] ?? row.time, tookMs: ring.duration(ring.slot(last)) };
  }
}
