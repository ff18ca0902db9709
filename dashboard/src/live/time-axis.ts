// Time on the screen's axis: long silences take little room.

export interface Silence {
  from: number;
  to: number;
  /** What all silences up to the end of this one save. */
  saved: number;
}

/** Silences of a session that are over, and until when something happened; Infinity while a call runs. */
export interface Silences {
  list: readonly Silence[];
  busyTo: number;
}

/** Longer silences are shortened to `SHOWN_MS`. */
export const IDLE_MS = 180_000;
const SHOWN_MS = 20_000;

/** Busy times as begins and ends; an end of 0 or Infinity is that of a call that runs. */
export function silencesOf(busy: readonly { from: number; to: number }[], idleMs = IDLE_MS, shownMs = SHOWN_MS): Silences {
  const list: Silence[] = [];
  let end = NaN;
  let saved = 0;
  for (const { from, to } of [...busy].sort((a, b) => a.from - b.from)) {
    if (from - end > idleMs) {
      saved += from - end - shownMs;
      list.push({ from: end, to: from, saved });
    }
    end = Number.isNaN(end) ? to : Math.max(end, to);
  }
  return { list, busyTo: Number.isNaN(end) ? Infinity : end };
}

export const NO_SILENCES: Silences = { list: [], busyTo: Infinity };

export class TimeAxis {
  readonly #breaks: readonly Silence[];

  /** The silence that lasts until now is the only one that still grows. */
  constructor({ list, busyTo }: Silences, now: number, idleMs = IDLE_MS, shownMs = SHOWN_MS) {
    const saved = (list[list.length - 1]?.saved ?? 0) + now - busyTo - shownMs;
    this.#breaks = now - busyTo > idleMs ? [...list, { from: busyTo, to: now, saved }] : list;
  }

  get breaks(): readonly { from: number; to: number }[] {
    return this.#breaks;
  }

  /** Wall time to axis time. */
  shown(time: number): number {
    let saved = 0;
    for (const gap of this.#breaks) {
      if (time >= gap.to) saved = gap.saved;
      else {
        if (time > gap.from) return gap.from - saved + ((time - gap.from) / (gap.to - gap.from)) * (gap.to - gap.from - (gap.saved - saved));
        break;
      }
    }
    return time - saved;
  }

  /** Axis time to wall time. */
  wall(shown: number): number {
    let saved = 0;
    for (const gap of this.#breaks) {
      const start = gap.from - saved;
      const length = gap.to - gap.from - (gap.saved - saved);
      if (shown < start) break;
      if (shown < start + length) return gap.from + ((shown - start) / length) * (gap.to - gap.from);
      saved = gap.saved;
    }
    return shown + saved;
  }
}
