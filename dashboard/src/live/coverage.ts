// Which sequence numbers are known to this tab: what lies between known ranges was missed and is fetched.

export interface Range {
  from: number;
  to: number;
}

export class Coverage {
  /** Sorted, disjoint, never touching. */
  #ranges: Range[] = [];

  ranges(): readonly Range[] {
    return this.#ranges;
  }

  add(from: number, to: number): void {
    if (to < from) return;
    const kept: Range[] = [];
    let merged: Range = { from, to };
    for (const range of this.#ranges) {
      if (range.to < merged.from - 1 || range.from > merged.to + 1) kept.push(range);
      else merged = { from: Math.min(range.from, merged.from), to: Math.max(range.to, merged.to) };
    }
    kept.push(merged);
    kept.sort((a, b) => a.from - b.from);
    this.#ranges = kept;
  }

  /** Takes a range out again: the server said that it left it out. */
  remove(from: number, to: number): void {
    const kept: Range[] = [];
    for (const range of this.#ranges) {
      if (range.to < from || range.from > to) {
        kept.push(range);
        continue;
      }
      if (range.from < from) kept.push({ from: range.from, to: from - 1 });
      if (range.to > to) kept.push({ from: to + 1, to: range.to });
    }
    this.#ranges = kept;
  }

  has(seq: number): boolean {
    return this.#ranges.some((range) => range.from <= seq && seq <= range.to);
  }

  /** What is not known between `from` and `to`, oldest first. */
  missing(from: number, to: number): Range[] {
    const holes: Range[] = [];
    let next = from;
    for (const range of this.#ranges) {
      if (range.to < next) continue;
      if (range.from > to) break;
      if (range.from > next) holes.push({ from: next, to: range.from - 1 });
      next = range.to + 1;
    }
    if (next <= to) holes.push({ from: next, to });
    return holes;
  }

  get low(): number | undefined {
    return this.#ranges[0]?.from;
  }

  get high(): number | undefined {
    return this.#ranges[this.#ranges.length - 1]?.to;
  }

  clear(): void {
    this.#ranges = [];
  }
}
