// Paints the lanes on a canvas: plain rectangles, at most one a pixel and row.
import type { Mark, Span } from '../../live/reports';
import { clock } from '../../ui/format';
import type { Lane, TimeAxis } from './layout';

export const LANE_LABEL_PX = 130;
export const MARKS_PX = 26;
const AXIS_PX = 24;
const ROW_PX = 18;
const LANE_GAP_PX = 16;

export interface Picture {
  lanes: readonly Lane[];
  marks: readonly Mark[];
  axis: TimeAxis;
  /** Axis times of the left and right edge. */
  from: number;
  to: number;
  now: number;
  selected: number;
  utc: boolean;
  running: boolean;
}

export interface Hit {
  seq: number;
  x: number;
  y: number;
  text: string;
}

export function heightOf(lanes: readonly Lane[]): number {
  return AXIS_PX + MARKS_PX + lanes.reduce((sum, lane) => sum + lane.rowCount * ROW_PX + LANE_GAP_PX, 0) + 8;
}

type Palette = (name: string) => string;

export function draw(canvas: HTMLCanvasElement, picture: Picture, color: Palette): void {
  const ratio = devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = heightOf(picture.lanes);
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext('2d');
  if (!context) return;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const x = (time: number): number => LANE_LABEL_PX + ((picture.axis.shown(time) - picture.from) / Math.max(1, picture.to - picture.from)) * (width - LANE_LABEL_PX);
  drawAxis(context, picture, x, width, height, color);
  drawMarks(context, picture, x, width, color);
  let y = AXIS_PX + MARKS_PX;
  for (const lane of picture.lanes) {
    drawLane(context, lane, y, picture, x, width, color);
    y += lane.rowCount * ROW_PX + LANE_GAP_PX;
  }
  const now = x(picture.now);
  if (picture.running && now <= width) line(context, now, AXIS_PX - 6, height, color('--ink'));
}

function drawAxis(context: CanvasRenderingContext2D, picture: Picture, x: (time: number) => number, width: number, height: number, color: Palette): void {
  context.font = '11.5px "AH Mono", monospace';
  context.textBaseline = 'middle';
  const ticks = Math.max(2, Math.floor((width - LANE_LABEL_PX) / 130));
  for (let tick = 0; tick < ticks; tick += 1) {
    const time = picture.axis.wall(picture.from + ((picture.to - picture.from) * tick) / ticks);
    const at = x(time);
    line(context, at, 0, height, color('--line'));
    context.fillStyle = color('--ink-2');
    context.fillText(clock(time, picture.utc), at + 4, AXIS_PX / 2);
  }
  for (const gap of picture.axis.breaks) {
    const from = Math.max(LANE_LABEL_PX, x(gap.from));
    const to = x(gap.to);
    if (to < LANE_LABEL_PX || from > width) continue;
    context.fillStyle = color('--sunken');
    context.fillRect(from, AXIS_PX, to - from, height);
    if (to - from < 26) continue;
    context.fillStyle = color('--ink-3');
    context.fillText(`${Math.round((gap.to - gap.from) / 60_000)} m`, from + 4, AXIS_PX + MARKS_PX / 2);
  }
}

function drawMarks(context: CanvasRenderingContext2D, picture: Picture, x: (time: number) => number, width: number, color: Palette): void {
  context.font = '12px "AH Next", sans-serif';
  context.fillStyle = color('--ink-2');
  context.fillText('What happened', 10, AXIS_PX + MARKS_PX / 2);
  picture.marks.forEach((mark, index) => {
    const at = x(mark.time);
    if (at < LANE_LABEL_PX || at > width) return;
    const need = mark.what === 'Permission' || mark.what === 'Question';
    context.fillStyle = color(need ? '--need-edge' : '--accent');
    context.fillRect(at, AXIS_PX + 4, 2, MARKS_PX - 9);
    const next = picture.marks[index + 1];
    const room = (next ? Math.max(at, x(next.time)) : width) - at - 10;
    if (room < 40) return;
    context.fillStyle = color(need ? '--need-text' : '--ink-2');
    context.fillText(fit(`${mark.what} ${mark.label}`, room), at + 6, AXIS_PX + MARKS_PX / 2);
  });
}

function drawLane(context: CanvasRenderingContext2D, lane: Lane, top: number, picture: Picture, x: (time: number) => number, width: number, color: Palette): void {
  context.font = '600 13px "AH Next", sans-serif';
  context.fillStyle = color('--ink');
  context.fillText(fit(lane.name, LANE_LABEL_PX - 16), 10, top + ROW_PX / 2);
  context.save();
  context.beginPath();
  context.rect(LANE_LABEL_PX, top - 4, width, lane.rowCount * ROW_PX + LANE_GAP_PX);
  context.clip();
  const painted = new Map<number, number>();
  context.font = '11px "AH Mono", monospace';
  lane.spans.forEach((span, index) => {
    const row = lane.rows[index] ?? 0;
    const from = x(span.start);
    const to = Math.max(from + 1.5, x(span.end || picture.now));
    if (to < LANE_LABEL_PX || from > width) return;
    if (to - from < 2 && painted.get(row) === Math.floor(from) && span.seq !== picture.selected) return;
    painted.set(row, Math.floor(from));
    paintSpan(context, span, from, to, top + row * ROW_PX, picture.selected, color);
  });
  context.restore();
  line(context, 0, top + lane.rowCount * ROW_PX + LANE_GAP_PX / 2, top + lane.rowCount * ROW_PX + LANE_GAP_PX / 2 + 1, color('--line'), width);
}

function paintSpan(context: CanvasRenderingContext2D, span: Span, from: number, to: number, y: number, selected: number, color: Palette): void {
  const height = ROW_PX - 3;
  context.globalAlpha = span.end === 0 ? 0.75 : 1;
  context.fillStyle = color(span.tone === 'plain' ? '--t-task' : `--t-${span.tone}`);
  context.fillRect(from, y, to - from, height);
  context.globalAlpha = 1;
  if (span.error) {
    context.fillStyle = color('--fail');
    context.fillRect(from, y + height - 3, to - from, 3);
    context.fillRect(to - Math.min(4, to - from), y, Math.min(4, to - from), height);
  }
  if (to - from > 60) {
    context.fillStyle = color('--canvas');
    context.fillText(fit(span.label || span.what, to - from - 8), from + 4, y + height / 2 + 0.5);
  }
  if (span.seq !== selected) return;
  context.strokeStyle = color('--ink');
  context.lineWidth = 2;
  context.strokeRect(from - 1, y - 1, to - from + 2, height + 2);
}

/** What stands under the pointer. */
export function hitTest(picture: Picture, width: number, px: number, py: number): Hit | undefined {
  const time = picture.axis.wall(picture.from + ((px - LANE_LABEL_PX) / Math.max(1, width - LANE_LABEL_PX)) * (picture.to - picture.from));
  const slack = Math.abs(picture.axis.wall(picture.from + ((px + 3 - LANE_LABEL_PX) / Math.max(1, width - LANE_LABEL_PX)) * (picture.to - picture.from)) - time);
  if (px < LANE_LABEL_PX) return undefined;
  if (py >= AXIS_PX && py < AXIS_PX + MARKS_PX) {
    const mark = picture.marks.filter((entry) => Math.abs(entry.time - time) <= slack * 2).at(-1);
    return mark && { seq: mark.seq, x: px, y: py, text: `${mark.what} ${mark.label}` };
  }
  let y = AXIS_PX + MARKS_PX;
  for (const lane of picture.lanes) {
    const row = Math.floor((py - y) / ROW_PX);
    if (row >= 0 && row < lane.rowCount) {
      const at = lane.spans.findLastIndex((span, index) => lane.rows[index] === row && span.start - slack <= time && (span.end || picture.now) + slack >= time);
      const span = lane.spans[at];
      if (span) return { seq: span.seq, x: px, y: py, text: `${span.what} ${span.label}` };
    }
    y += lane.rowCount * ROW_PX + LANE_GAP_PX;
  }
  return undefined;
}

function line(context: CanvasRenderingContext2D, x: number, top: number, bottom: number, color: string, width = 1): void {
  context.fillStyle = color;
  context.fillRect(Math.round(x), top, width, bottom - top);
}

/** Text cut to a width by its usual letter width; measuring each would cost more than it gives. */
function fit(text: string, px: number): string {
  const chars = Math.floor(px / 6.7);
  return text.length <= chars ? text : chars < 3 ? '' : `${text.slice(0, chars - 1)}…`;
}
