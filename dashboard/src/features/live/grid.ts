// The event list: as many row elements as fit the screen, reused; the worker is asked for what they show, once a frame.
import type { RowsMessage, WindowRequest } from '../../live/protocol';
import type { EventRow, Row } from '../../live/rows';
import { RowElement, type Look } from './row-element';
import { ScrollMap } from './scroll-map';

export interface GridHooks {
  request(request: WindowRequest): void;
  select(seq: number): void;
  /** The top of the list is on screen. */
  older(): void;
  followChanged(following: boolean, newer: number): void;
}

/** Rows asked for beyond the screen on each side. */
const MARGIN_ROWS = 10;
/** Above this many rows a second the end of the list is painted four times a second: nobody reads faster. */
const CALM_ROWS_PER_SECOND = 50;
const CALM_EVERY_MS = 250;
const OLDER_EVERY_MS = 400;

export class Grid {
  readonly #space = document.createElement('div');
  readonly #view = document.createElement('div');
  readonly #elements = new Map<number, RowElement>();
  readonly #spare: RowElement[] = [];
  #map = new ScrollMap(0, 24, 0);
  /** Pixels from the list's beginning to the top of the screen. */
  #top = 0;
  #rows: readonly Row[] = [];
  #first = 0;
  #total = 0;
  #scrollSet = 0;
  following = true;
  #selected = 0;
  #reveal = 0;
  #pausedAfter = 0;
  #lastSeq = 0;
  #newer = 0;
  #asked = false;
  #wanted = false;
  #frame = 0;
  #calm: ReturnType<typeof setTimeout> | undefined;
  #paintedAt = 0;
  #growth = { at: 0, total: 0, perSecond: 0 };
  #olderAt = 0;
  readonly #observer = new ResizeObserver(() => this.#resized());
  look: Look = { timeMode: 'local', highlights: [], now: Date.now(), starts: new Map() };

  constructor(private readonly host: HTMLElement, private rowPx: number, private readonly hooks: GridHooks) {
    this.#space.className = 'grid-space';
    this.#view.className = 'grid-view';
    this.#space.append(this.#view);
    host.append(this.#space);
    host.addEventListener('scroll', this.#scrolled, { passive: true });
    host.addEventListener('click', this.#clicked);
    document.addEventListener('selectionchange', this.#selecting);
    document.addEventListener('visibilitychange', this.#shown);
    this.#observer.observe(host);
    this.#resized();
  }

  destroy(): void {
    this.#observer.disconnect();
    document.removeEventListener('selectionchange', this.#selecting);
    document.removeEventListener('visibilitychange', this.#shown);
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#calm);
  }

  setRowHeight(rowPx: number): void {
    if (rowPx === this.rowPx) return;
    this.rowPx = rowPx;
    this.#resized();
  }

  /** The worker has something new. */
  dirty(): void {
    const busy = this.following && this.#growth.perSecond > CALM_ROWS_PER_SECOND;
    if (!busy) return this.refresh();
    this.#calm ??= setTimeout(() => {
      this.#calm = undefined;
      this.refresh();
    }, Math.max(0, CALM_EVERY_MS - (performance.now() - this.#paintedAt)));
  }

  /** Asks for the rows on screen, at most once a frame and never twice at once. */
  refresh(): void {
    this.#wanted = true;
    if (this.#frame !== 0 || this.#asked) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#wanted && !this.#asked) this.#ask();
    });
  }

  receive(message: RowsMessage): void {
    this.#asked = false;
    this.#paintedAt = performance.now();
    this.#measureGrowth(message.total);
    const rowsBefore = this.#rowAtTop();
    this.#total = message.total;
    this.#rows = message.rows;
    this.#first = message.first;
    this.#lastSeq = message.lastSeq;
    this.#map = new ScrollMap(message.total, this.rowPx, this.host.clientHeight);
    if (this.following) this.#top = this.#map.topMax;
    else this.#keepPlace(rowsBefore);
    this.#place();
    this.#render();
    if (this.#newer !== message.newer) {
      this.#newer = message.newer;
      this.hooks.followChanged(this.following, message.newer);
    }
    this.host.setAttribute('aria-rowcount', String(message.total + 1));
    if (this.#wanted || this.#isBlank()) this.refresh();
  }

  /** Do the rows that came lie elsewhere than the screen? */
  #isBlank(): boolean {
    const at = Math.floor(this.#top / this.rowPx);
    return at < this.#total && (at < this.#first || at >= this.#first + this.#rows.length);
  }

  follow(): void {
    this.#pausedAfter = 0;
    this.#newer = 0;
    this.following = true;
    this.hooks.followChanged(true, 0);
    this.refresh();
  }

  pause(): void {
    if (!this.following) return;
    this.following = false;
    this.#pausedAfter = this.#lastSeq;
    this.hooks.followChanged(false, 0);
  }

  /** Marks the event; brings it on screen when `reveal` is set and it is not there. */
  setSelected(seq: number, reveal: boolean): void {
    this.#selected = seq;
    const index = this.#indexOf(seq);
    if (reveal && seq > 0) {
      const place = index * this.rowPx;
      const inside = index >= 0 && place >= this.#top && place + this.rowPx <= this.#top + this.host.clientHeight;
      if (!inside) {
        this.pause();
        this.#reveal = seq;
        this.refresh();
      }
    }
    this.#render();
  }

  selectedRow(): EventRow | undefined {
    return this.#rows.find((row): row is EventRow => row.type === 'event' && row.seq === this.#selected);
  }

  scrollToStart(): void {
    this.pause();
    this.#top = 0;
    this.#place();
    this.refreshAt();
  }

  scrollBy(rows: number): void {
    this.pause();
    this.#top = this.#map.clamp(this.#top + rows * this.rowPx);
    this.#place();
    this.refresh();
  }

  get pageRows(): number {
    return Math.max(1, Math.floor(this.host.clientHeight / this.rowPx) - 1);
  }

  /** Timers of running calls, once a second. */
  tick(now: number): void {
    this.look = { ...this.look, now };
    for (const element of this.#elements.values()) element.tick(this.look);
  }

  restyle(look: Look): void {
    this.look = look;
    this.#render();
  }

  #ask(): void {
    this.#wanted = false;
    this.#asked = true;
    const visible = Math.ceil(this.host.clientHeight / this.rowPx) + 1;
    const count = visible + MARGIN_ROWS * 2;
    const top = Math.floor(this.#top / this.rowPx);
    const first = Math.max(0, top - MARGIN_ROWS);
    const anchor = this.#rowAtTop();
    const hold = this.#reveal > 0 ? { seq: this.#reveal, offset: Math.floor(count / 2) } : anchor ? { seq: anchor.seq, offset: anchor.index - first } : undefined;
    this.hooks.request({ first, count, hold: this.following ? undefined : hold, follow: this.following, since: this.following ? 0 : this.#pausedAfter });
  }

  /** The first event on screen, by which a paused list holds its place while others come and go around it. */
  #rowAtTop(): { seq: number; index: number; restPx: number } | undefined {
    const start = Math.floor(this.#top / this.rowPx);
    for (let index = start; index < start + 4; index += 1) {
      const row = this.#rows[index - this.#first];
      if (row?.type === 'event') return { seq: row.seq, index, restPx: this.#top - index * this.rowPx };
    }
    return undefined;
  }

  #keepPlace(before: { seq: number; restPx: number } | undefined): void {
    if (this.#reveal > 0) {
      const index = this.#firstFrom(this.#reveal);
      if (index >= 0) {
        // What is older than all that is loaded may come yet.
        if (index > 0 || this.#indexOf(this.#reveal) === 0) this.#reveal = 0;
        this.#top = this.#map.clamp(index * this.rowPx - this.host.clientHeight / 2);
        return;
      }
    }
    // That row may have become part of another one, as an end does when its start is loaded.
    const index = before ? this.#firstFrom(before.seq) : -1;
    this.#top = this.#map.clamp(index >= 0 && before ? index * this.rowPx + before.restPx : this.#top);
  }

  /** The row of this event, or of the next one: the end of a call has no row of its own. */
  #firstFrom(seq: number): number {
    const at = this.#rows.findIndex((row) => row.type === 'event' && row.seq >= seq);
    return at < 0 ? -1 : this.#first + at;
  }

  #indexOf(seq: number): number {
    const at = this.#rows.findIndex((row) => row.type === 'event' && row.seq === seq);
    return at < 0 ? -1 : this.#first + at;
  }

  /** Sets the scroll bar to where the list is, without taking that for a hand's move. */
  #place(): void {
    const height = `${Math.round(this.#map.height)}px`;
    if (this.#space.style.height !== height) this.#space.style.height = height;
    const scroll = this.#map.toScroll(this.#top);
    if (Math.abs(this.host.scrollTop - scroll) > 0.5) this.host.scrollTop = scroll;
    this.#scrollSet = this.host.scrollTop;
  }

  readonly #scrolled = (): void => {
    const scroll = this.host.scrollTop;
    if (Math.abs(scroll - this.#scrollSet) < 1) return;
    // A hand that moves the list no longer wants what the address named, which may not be loaded yet.
    this.#reveal = 0;
    this.#top = this.#map.moved(this.#top, this.#scrollSet, scroll);
    this.#scrollSet = scroll;
    const atEnd = this.#top >= this.#map.topMax - 2;
    if (atEnd && !this.following) this.follow();
    else if (!atEnd) this.pause();
    this.#render();
    this.refreshAt();
  };

  /** After a hand's move the place counts, not the row that stood there before. */
  refreshAt(): void {
    if (this.#top < this.rowPx * 4 && performance.now() - this.#olderAt > OLDER_EVERY_MS) {
      this.#olderAt = performance.now();
      this.hooks.older();
    }
    this.refresh();
  }

  readonly #clicked = (event: MouseEvent): void => {
    if (!document.getSelection()?.isCollapsed) return;
    const target = event.target instanceof Element ? event.target.closest('[data-seq]') : null;
    const seq = Number(target?.getAttribute('data-seq') ?? 0);
    if (seq > 0) this.hooks.select(seq);
  };

  readonly #selecting = (): void => {
    const selection = document.getSelection();
    if (selection && !selection.isCollapsed && this.host.contains(selection.anchorNode)) this.pause();
  };

  readonly #shown = (): void => {
    if (!document.hidden) this.refresh();
  };

  #resized(): void {
    this.#view.style.height = `${this.host.clientHeight}px`;
    this.#map = new ScrollMap(this.#total, this.rowPx, this.host.clientHeight);
    if (this.following) this.#top = this.#map.topMax;
    this.#place();
    this.refresh();
  }

  #measureGrowth(total: number): void {
    const now = performance.now();
    const passed = now - this.#growth.at;
    if (passed < 1000) return;
    this.#growth = { at: now, total, perSecond: Math.max(0, ((total - this.#growth.total) / passed) * 1000) };
  }

  #render(): void {
    const start = Math.floor(this.#top / this.rowPx);
    const end = Math.ceil((this.#top + this.host.clientHeight) / this.rowPx);
    for (const [index, element] of this.#elements) {
      if (index >= start && index <= end && this.#rows[index - this.#first]) continue;
      this.#elements.delete(index);
      element.hide();
      this.#spare.push(element);
    }
    let active = '';
    for (let index = start; index <= end; index += 1) {
      const row = this.#rows[index - this.#first];
      if (!row) continue;
      const element = this.#elements.get(index) ?? this.#take(index);
      element.show(row, index, index * this.rowPx - this.#top, this.look, this.#selected);
      if (row.type === 'event' && row.seq === this.#selected) active = element.id;
    }
    if (active === '') this.host.removeAttribute('aria-activedescendant');
    else this.host.setAttribute('aria-activedescendant', active);
  }

  #take(index: number): RowElement {
    const element = this.#spare.pop() ?? new RowElement(this.#view);
    this.#elements.set(index, element);
    return element;
  }
}
