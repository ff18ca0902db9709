// Paints an agent's lane: the model's answers as ticks, calls as bars, waits hatched, delegations as elbows.
import { spanAt } from '../../live/lanes';
import type { Span } from '../../live/session-report';
import { drawDense, isDense } from './draw-dense';
import { LABEL_PX, type Sheet } from './picture';
import { visible, type Shape } from './shapes';
import { ROW_PX, type Track } from './tracks';

type LaneTrack = Extract<Track, { kind: 'lane' }>;

const BAR_PX = ROW_PX - 3;
const DIM = 0.3;

export function drawLane(sheet: Sheet, track: LaneTrack): void {
  const shape = sheet.picture.shapes.get(track.lane.key);
  if (!shape) return;
  sheet.inside(track.top, track.height, () => {
    drawRequests(sheet, track);
    drawCalls(sheet, track, shape);
    drawWaits(sheet, track, shape);
  });
}

function drawRequests(sheet: Sheet, track: LaneTrack): void {
  sheet.fill('--t-model');
  let painted = -Infinity;
  for (const { time, durationMs } of track.requests) {
    const to = sheet.x(time);
    if (to < painted + 0.5 || to > sheet.width + 2000) continue;
    const from = Math.max(painted, Math.min(to - 1.5, sheet.x(time - durationMs)));
    sheet.bar(from, track.top + 6, Math.max(1, to - from - 0.5), 5);
    painted = to;
  }
}

/** At most one bar a pixel and row; failed ones come last, so that none hides behind a good one. */
function drawCalls(sheet: Sheet, track: LaneTrack, shape: Shape): void {
  const { picture, context } = sheet;
  const { lane } = track;
  const { first, last } = visible(shape, picture.from, picture.to);
  if (isDense(sheet, last - first)) {
    drawDense(sheet, lane, shape, first, last, track.spansTop, ROW_PX, BAR_PX);
    frameSelected(sheet, track, shape);
    return;
  }
  const painted = new Float64Array(lane.rowCount).fill(-Infinity);
  const later: number[] = [];
  context.font = '11px "AH Mono", monospace';
  const one = (index: number): void => {
    const row = lane.rows[index] ?? 0;
    const to = endX(sheet, shape, index);
    // A long call keeps everything after it within reach; what ended before the view is still not seen.
    if (to < LABEL_PX) return;
    const from = sheet.shownX(shape.starts[index] ?? 0);
    if (lane.colors[index] === 0 || lane.seqs[index] === picture.selected) later.push(index);
    if (to <= (painted[row] ?? 0) + 0.6 && to - from < 1.5) return;
    painted[row] = Math.max(to, from + 1.5);
    const span = spanAt(lane, index);
    if (span) paint(sheet, span, from, to, track.spansTop + row * ROW_PX);
  };
  for (const index of lane.open) if (index < first) one(index);
  for (let index = first; index < last; index += 1) one(index);
  let lastFailed = -Infinity;
  for (const index of later) {
    const span = spanAt(lane, index);
    const from = sheet.shownX(shape.starts[index] ?? 0);
    const to = endX(sheet, shape, index);
    if (!span || (to <= lastFailed + 0.6 && span.seq !== picture.selected)) continue;
    lastFailed = to;
    frame(sheet, span, from, to, track.spansTop + (lane.rows[index] ?? 0) * ROW_PX);
  }
}

function frameSelected(sheet: Sheet, track: LaneTrack, shape: Shape): void {
  if (sheet.picture.selected === 0) return;
  const index = track.lane.seqs.indexOf(sheet.picture.selected);
  const span = spanAt(track.lane, index);
  if (span) frame(sheet, span, sheet.shownX(shape.starts[index] ?? 0), endX(sheet, shape, index), track.spansTop + (track.lane.rows[index] ?? 0) * ROW_PX);
}

/** A call that runs reaches to now. */
function endX(sheet: Sheet, shape: Shape, index: number): number {
  const end = shape.ends[index] ?? 0;
  return end === Infinity ? sheet.x(sheet.picture.now) : sheet.shownX(end);
}

function paint(sheet: Sheet, span: Span, from: number, to: number, y: number): void {
  const { context, picture } = sheet;
  const width = Math.max(1.5, to - from);
  const dim = picture.path.size > 0 && !picture.path.has(span.seq);
  context.globalAlpha = dim ? DIM : 1;
  if (span.asks) sheet.hatch(from, y, width, BAR_PX, '--need-edge');
  else {
    sheet.fill(span.tone === 'plain' ? '--t-task' : `--t-${span.tone}`);
    sheet.bar(from, y, width, BAR_PX);
    if (span.end === 0) openEnd(sheet, to, y);
  }
  const left = Math.max(from, LABEL_PX);
  if (to - left > 44) {
    sheet.fill(span.asks ? '--need-text' : '--canvas');
    if (span.asks) backing(sheet, span.label, left + 3, y, to - left - 8);
    sheet.text(span.label || span.what, left + 4, y + BAR_PX / 2 + 0.5, to - left - 9);
  }
  context.globalAlpha = 1;
}

/** Letters on hatching are read only on a ground of their own. */
function backing(sheet: Sheet, words: string, x: number, y: number, px: number): void {
  sheet.fill('--surface');
  sheet.bar(x, y + 2, Math.min(px, words.length * 6.7 + 4), BAR_PX - 4);
  sheet.fill('--need-text');
}

function openEnd(sheet: Sheet, to: number, y: number): void {
  sheet.fill('--surface');
  for (let notch = 0; notch < 3; notch += 1) sheet.bar(to - 3, y + notch * 5 + 1, 3, 2.5);
}

function frame(sheet: Sheet, span: Span, from: number, to: number, y: number): void {
  const { context, picture } = sheet;
  const width = Math.max(2, to - from);
  if (span.error) {
    context.globalAlpha = picture.path.size > 0 && !picture.path.has(span.seq) ? DIM : 1;
    sheet.fill('--fail');
    if (width > 7) {
      context.strokeStyle = sheet.color('--fail');
      context.lineWidth = 2;
      context.strokeRect(from + 1, y + 1, width - 2, BAR_PX - 2);
      sheet.bar(to - 4, y, 4, BAR_PX);
    } else sheet.bar(from, y, width, BAR_PX);
    context.globalAlpha = 1;
  }
  if (span.seq !== picture.selected) return;
  context.strokeStyle = sheet.color('--accent');
  context.lineWidth = 2;
  context.strokeRect(from - 2, y - 2, width + 4, BAR_PX + 4);
}

/** Over the call that waits: from the question to its answer, or to now. */
function drawWaits(sheet: Sheet, track: LaneTrack, shape: Shape): void {
  const { picture } = sheet;
  for (const { wait, index } of track.waits) {
    const from = sheet.x(wait.from);
    const to = Math.max(from + 3, sheet.x(wait.to || picture.now));
    if (to < 0 || from > sheet.width) continue;
    const y = track.spansTop + (index >= 0 ? (track.lane.rows[index] ?? 0) : 0) * ROW_PX;
    const until = wait.to === 0 && index >= 0 ? endX(sheet, shape, index) : to;
    sheet.fill('--need-bg');
    sheet.bar(from, y, Math.max(to, until) - from, BAR_PX);
    sheet.hatch(from, y, Math.max(to, until) - from, BAR_PX, '--need-edge');
    const room = to - Math.max(from, LABEL_PX);
    if (room < 60) continue;
    const words = wait.to === 0 ? `waits: ${wait.label}` : wait.label;
    backing(sheet, words.slice(0, Math.floor((room - 12) / 6.7)), Math.max(from, LABEL_PX) + 3, y, room - 8);
    sheet.text(words, Math.max(from, LABEL_PX) + 5, y + BAR_PX / 2 + 0.5, room - 12);
  }
}

/** From the call that asked for an agent down to the agent's lane. */
export function drawElbows(sheet: Sheet): void {
  const { picture, context } = sheet;
  const lanes = new Map(picture.tracks.flatMap((track) => (track.kind === 'lane' ? [[track.lane.key, track] as const] : [])));
  context.strokeStyle = sheet.color('--line-2');
  context.lineWidth = 1;
  for (const { life, parent: from, index, child: to } of picture.delegations) {
    const [parent, child] = [lanes.get(from), lanes.get(to)];
    if (!child || !parent) continue;
    const x = Math.round(sheet.x(parent.lane.starts[index] ?? 0)) + 2.5;
    if (x < LABEL_PX || x > sheet.width) continue;
    context.beginPath();
    context.moveTo(x, parent.spansTop + (parent.lane.rows[index] ?? 0) * ROW_PX + BAR_PX);
    context.lineTo(x, child.spansTop + 7);
    context.lineTo(Math.max(x, Math.min(x + 8, sheet.x(life.startedAt) + 6)), child.spansTop + 7);
    context.stroke();
  }
}
