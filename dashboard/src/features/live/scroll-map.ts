// Maps a scroll bar of limited height to a list of any length: small moves are exact pixels, large ones proportional.

/** Browsers clamp elements at 16 to 33 million pixels; this is safely below, and 333,333 rows of 24 px are still exact. */
export const SCROLL_PX_MAX = 8_000_000;

export class ScrollMap {
  /** Height of the whole list, which no element may have. */
  readonly full: number;
  /** Height the scrolled element gets. */
  readonly height: number;

  constructor(readonly rows: number, readonly rowPx: number, readonly viewportPx: number) {
    this.full = Math.max(rows * rowPx, viewportPx);
    this.height = Math.min(this.full, SCROLL_PX_MAX);
  }

  get exact(): boolean {
    return this.full <= SCROLL_PX_MAX;
  }

  get topMax(): number {
    return Math.max(0, this.full - this.viewportPx);
  }

  /** Pixels from the list's beginning for a position of the scroll bar. */
  toTop(scroll: number): number {
    if (this.exact) return this.clamp(scroll);
    return this.clamp((scroll / (this.height - this.viewportPx)) * this.topMax);
  }

  toScroll(top: number): number {
    if (this.exact) return this.clamp(top);
    return (this.clamp(top) / this.topMax) * (this.height - this.viewportPx);
  }

  /** The new place after the bar moved: the wheel and the arrow keys move by what the hand did, the thumb by its share. */
  moved(top: number, scrollBefore: number, scrollNow: number): number {
    const delta = scrollNow - scrollBefore;
    if (this.exact || Math.abs(delta) > this.viewportPx * 2) return this.toTop(scrollNow);
    if (scrollNow <= 0) return 0;
    if (scrollNow >= this.height - this.viewportPx - 1) return this.topMax;
    return this.clamp(top + delta);
  }

  clamp(top: number): number {
    return Math.max(0, Math.min(this.topMax, top));
  }
}
