// Paints the timeline on a canvas, track by track.
import { contextOf } from '../../live/requests';
import { clock } from '../../ui/format';
import { drawElbows, drawLane } from './draw-lane';
import { fit, LABEL_PX, Sheet, type Color, type Picture } from './picture';
import { AXIS_PX, heightOf, type Track } from './tracks';

const COST_BIN_PX = 12;
const TICKS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400];
/** Marks that say nothing a lane does not say better. */
const QUIET_MARKS = new Set(['notification.sent', 'permission.requested', 'memory.loaded', 'compaction.started', 'session.started']);

export function draw(canvas: HTMLCanvasElement, picture: Picture, color: Color): void {
  const ratio = devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = heightOf(picture.tracks);
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext('2d');
  if (!context) return;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.textBaseline = 'middle';
  const sheet = new Sheet(context, picture, width, height, color);
  drawAxis(sheet);
  for (const track of picture.tracks) {
    drawName(sheet, track);
    drawTrack(sheet, track);
    sheet.fill('--line');
    sheet.bar(0, track.top + track.height - 1, width, 1);
  }
  drawElbows(sheet);
  const now = sheet.x(picture.now);
  if (!picture.running || now > width + 1) return;
  sheet.fill('--ink');
  sheet.bar(Math.min(width - 2, Math.round(now)), AXIS_PX - 4, 2, height);
}

function drawTrack(sheet: Sheet, track: Track): void {
  switch (track.kind) {
    case 'context':
      return drawContext(sheet, track);
    case 'cost':
      return drawCost(sheet, track);
    case 'marks':
      return drawMarks(sheet, track);
    case 'plan':
      return drawPlan(sheet, track);
    case 'lane':
      return drawLane(sheet, track);
    case 'file':
      return drawFile(sheet, track);
  }
}

function drawName(sheet: Sheet, track: Track): void {
  const { context } = sheet;
  if (track.kind === 'file') {
    context.font = '12px "AH Mono", monospace';
    sheet.fill(track.note === '' ? '--ink' : '--ink-2');
    const changes = track.note === '' ? ` +${track.added} −${track.removed}` : '';
    const name = fit(track.name, LABEL_PX - 20 - (track.note === '' ? changes.length * 6.2 : track.note.length * 5.6));
    context.fillText(name, 10, track.top + 12);
    sheet.fill('--ink-3');
    context.font = '11px "AH Next", sans-serif';
    context.fillText(track.note === '' ? changes : ` ${track.note}`, 12 + name.length * 7.2, track.top + 12);
    return;
  }
  if (track.name === '') return;
  context.font = '650 13px "AH Next", sans-serif';
  sheet.fill('--ink');
  sheet.text(track.name, 10, track.top + 14, LABEL_PX - 16);
  context.font = '12px "AH Next", sans-serif';
  sheet.fill('--ink-2');
  sheet.text(track.note, 10, track.top + 29, LABEL_PX - 8);
}

function drawAxis(sheet: Sheet): void {
  const { picture, context, width, height } = sheet;
  context.font = '11.5px "AH Mono", monospace';
  const span = (picture.to - picture.from) / 1000;
  const step = (TICKS_S.find((seconds) => (seconds / span) * (width - LABEL_PX) > 108) ?? 86_400) * 1000;
  const left = picture.axis.wall(picture.from);
  const right = picture.axis.wall(picture.to);
  const first = Math.ceil(left / step) * step;
  for (let time = first, painted = -Infinity; time <= right && (time - first) / step < 5000; time += step) {
    const x = Math.round(sheet.x(time));
    if (x < LABEL_PX || x - painted < 96) continue;
    painted = x;
    sheet.fill('--line');
    sheet.bar(x, 4, 1, height);
    sheet.fill('--ink-2');
    if (x < width - 40) context.fillText(step < 60_000 ? clock(time, picture.utc) : clock(time, picture.utc).slice(0, 5), x + 5, AXIS_PX / 2);
  }
  for (const gap of picture.axis.breaks) {
    const from = Math.max(LABEL_PX, sheet.x(gap.from));
    const to = sheet.x(gap.to);
    if (to < LABEL_PX || from > width) continue;
    sheet.fill('--sunken');
    sheet.bar(from, AXIS_PX, to - from, height);
    if (to - from < 26) continue;
    sheet.fill('--ink-3');
    context.fillText(`${Math.round((gap.to - gap.from) / 60_000)} m`, from + 4, AXIS_PX / 2);
  }
}

function drawContext(sheet: Sheet, track: Extract<Track, { kind: 'context' }>): void {
  const { context } = sheet;
  const bottom = track.top + track.height - 4;
  const y = (tokens: number): number => bottom - (tokens / track.ceiling) * (track.height - 8);
  sheet.inside(track.top, track.height, () => {
    context.beginPath();
    track.requests.forEach((request, index) => context[index === 0 ? 'moveTo' : 'lineTo'](sheet.x(request.time), y(contextOf(request))));
    context.strokeStyle = sheet.color('--t-read');
    context.lineWidth = 1.6;
    context.stroke();
    const [first, last] = [track.requests[0], track.requests[track.requests.length - 1]];
    if (!first || !last) return;
    context.lineTo(sheet.x(last.time), bottom);
    context.lineTo(sheet.x(first.time), bottom);
    context.globalAlpha = 0.16;
    sheet.fill('--t-read');
    context.fill();
    context.globalAlpha = 1;
  });
}

/** Cost in equal parts of the shown axis. */
function drawCost(sheet: Sheet, track: Extract<Track, { kind: 'cost' }>): void {
  const bins = new Float64Array(Math.max(1, Math.ceil((sheet.width - LABEL_PX) / COST_BIN_PX)));
  for (const request of track.requests) {
    const bin = Math.floor((sheet.x(request.time) - LABEL_PX) / COST_BIN_PX);
    if (bin >= 0 && bin < bins.length) bins[bin] = (bins[bin] ?? 0) + (request.costUsd ?? 0);
  }
  const peak = Math.max(1e-9, ...bins);
  sheet.fill('--t-model');
  bins.forEach((cost, bin) => {
    const height = (cost / peak) * (track.height - 10);
    if (cost > 0) sheet.bar(LABEL_PX + bin * COST_BIN_PX + 1, track.top + track.height - 2 - Math.max(1.5, height), COST_BIN_PX - 2, Math.max(1.5, height));
  });
}

export function shownMarks(picture: Picture): Picture['report']['marks'] {
  return picture.report.marks.filter((mark) => !QUIET_MARKS.has(mark.kind));
}

function drawMarks(sheet: Sheet, track: Track): void {
  const { picture, context } = sheet;
  context.font = '12px "AH Next", sans-serif';
  const marks = shownMarks(picture);
  sheet.inside(track.top, track.height, () => marks.forEach((mark, index) => {
    const x = sheet.x(mark.time);
    if (x > sheet.width) return;
    const next = marks[index + 1];
    const room = (next ? Math.max(x, sheet.x(next.time)) : sheet.width) - Math.max(x, LABEL_PX) - 10;
    const word = mark.kind === 'prompt.submitted' ? 'You' : mark.what;
    sheet.fill(mark.kind === 'prompt.submitted' ? '--accent' : /failed/.test(mark.kind) ? '--fail' : '--ink-3');
    sheet.bar(x, track.top + 4, 2, track.height - 9);
    if (room < 24 || x + room < LABEL_PX) return;
    sheet.fill(mark.kind === 'prompt.submitted' ? '--accent' : /failed/.test(mark.kind) ? '--fail-text' : '--ink');
    context.font = '650 12px "AH Next", sans-serif';
    const shown = fit(word, room);
    context.fillText(shown, Math.max(x, LABEL_PX) + 6, track.top + 13);
    const used = context.measureText(shown).width + 5;
    context.font = '12px "AH Next", sans-serif';
    sheet.fill('--ink-2');
    sheet.text(mark.label, Math.max(x, LABEL_PX) + 6 + used, track.top + 13, room - used - 6);
  }));
}

function drawPlan(sheet: Sheet, track: Extract<Track, { kind: 'plan' }>): void {
  const { picture, context } = sheet;
  context.font = '12px "AH Next", sans-serif';
  sheet.inside(track.top, track.height, () => track.items.forEach((item, index) => {
    const row = track.rows[index] ?? -1;
    if (row < 0) return;
    const from = sheet.x(item.startedAt);
    const to = Math.max(from + 4, sheet.x(item.doneAt || picture.now));
    if (to < LABEL_PX || from > sheet.width) return;
    const y = track.top + 6 + row * 20;
    const now = item.status === 'in_progress';
    sheet.fill('--raised');
    sheet.bar(from, y, to - from, 16);
    context.strokeStyle = sheet.color(now ? '--accent' : '--line-2');
    context.lineWidth = now ? 1.5 : 1;
    context.strokeRect(from + 0.5, y + 0.5, to - from - 1, 15);
    const left = Math.max(from, LABEL_PX);
    if (to - left < 30) return;
    sheet.fill(now ? '--accent' : '--t-edit');
    context.fillText(now ? '●' : '✓', left + 4, y + 8.5);
    sheet.fill('--ink');
    sheet.text(item.content, left + 17, y + 8.5, to - left - 20);
  }));
}

function drawFile(sheet: Sheet, track: Extract<Track, { kind: 'file' }>): void {
  sheet.inside(track.top, track.height, () => {
    for (const touch of track.touches) {
      const x = sheet.x(touch.time);
      sheet.fill(touch.changed ? '--t-edit' : '--t-read');
      if (touch.changed) sheet.bar(x - 2, track.top + 5, 5, 13);
      else sheet.bar(x - 1, track.top + 8, 2, 7);
    }
  });
}
