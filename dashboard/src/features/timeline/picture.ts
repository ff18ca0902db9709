// What the timeline's canvas shows, and how times become pixels.
import type { SessionReport } from '../../live/session-report';
import type { Delegation } from '../../live/lanes';
import type { TimeAxis } from '../../live/time-axis';
import type { Shape } from './shapes';
import type { Track } from './tracks';

export const LABEL_PX = 138;

export interface Picture {
  report: SessionReport;
  tracks: readonly Track[];
  /** By lane. */
  shapes: ReadonlyMap<string, Shape>;
  /** Found once for the calls, and not with each painting. */
  delegations: readonly Delegation[];
  axis: TimeAxis;
  /** Axis times of the left and right edge. */
  from: number;
  to: number;
  now: number;
  selected: number;
  /** Calls to stand out; all when empty. */
  path: ReadonlySet<number>;
  utc: boolean;
  running: boolean;
}

export type Color = (name: string) => string;

/** A canvas and the scale of one painting. */
export class Sheet {
  readonly scale: number;
  #filled = '';

  constructor(readonly context: CanvasRenderingContext2D, readonly picture: Picture, readonly width: number, readonly height: number, readonly color: Color) {
    this.scale = (width - LABEL_PX) / Math.max(1, picture.to - picture.from);
  }

  /** Wall time to pixels. */
  x(time: number): number {
    return this.shownX(this.picture.axis.shown(time));
  }

  /** Axis time to pixels. */
  shownX(shown: number): number {
    return LABEL_PX + (shown - this.picture.from) * this.scale;
  }

  /** Telling a canvas its colour again costs more than most bars do. */
  fill(name: string): void {
    if (name === this.#filled) return;
    this.#filled = name;
    this.context.fillStyle = this.color(name);
  }

  bar(x: number, y: number, width: number, height: number): void {
    this.context.fillRect(x, y, width, height);
  }

  text(words: string, x: number, y: number, px: number): void {
    const short = fit(words, px);
    if (short !== '') this.context.fillText(short, x, y);
  }

  /** Paints inside of the plot only, so that nothing runs over the names. */
  inside(top: number, height: number, paint: () => void): void {
    this.context.save();
    this.context.beginPath();
    this.context.rect(LABEL_PX, top, this.width - LABEL_PX, height);
    this.context.clip();
    paint();
    this.context.restore();
    this.#filled = '';
  }

  hatch(x: number, y: number, width: number, height: number, name: string): void {
    const { context } = this;
    context.save();
    context.beginPath();
    context.rect(x, y, width, height);
    context.clip();
    context.strokeStyle = this.color(name);
    context.lineWidth = 3;
    context.beginPath();
    const first = Math.max(x, LABEL_PX) - height;
    for (let at = first - ((first - x) % 8); at < Math.min(x + width, this.width) + height; at += 8) {
      context.moveTo(at, y + height + 1);
      context.lineTo(at + height + 1, y);
    }
    context.stroke();
    context.lineWidth = 1;
    context.strokeRect(x + 0.5, y + 0.5, width - 1, height - 1);
    context.restore();
  }
}

/** Text cut to a width by its usual letter width; measuring each would cost more than it gives. */
export function fit(text: string, px: number): string {
  const chars = Math.floor(px / 6.7);
  return text.length <= chars ? text : chars < 3 ? '' : `${text.slice(0, chars - 1)}…`;
}
