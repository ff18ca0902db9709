// Paints a lane whose calls are closer than pixels: each row becomes one line of an image, stretched to the height of a bar.
import { PALETTE, type Lane } from '../../live/lanes';
import { LABEL_PX, type Sheet } from './picture';
import type { Shape } from './shapes';

/** From this many calls a pixel on, an image is cheaper than bars. */
const CALLS_PER_PX = 1.5;

export function isDense(sheet: Sheet, calls: number): boolean {
  return calls > CALLS_PER_PX * (sheet.width - LABEL_PX) && typeof OffscreenCanvas !== 'undefined';
}

/** One number a pixel for each row: a colour of the palette plus one, 0 where nothing is. No good call is painted over a failed one. */
export function pixelsOf(lane: Lane, shape: Shape, first: number, last: number, width: number, from: number, scale: number, now: number, isLit: ((seq: number) => boolean) | undefined): Uint8Array[] {
  const { starts, ends } = shape;
  const rows = Array.from({ length: lane.rowCount }, () => new Uint8Array(width));
  const paint = (index: number): void => {
    const row = rows[lane.rows[index] ?? 0];
    const to = Math.min(width - 1, Math.floor((Math.min(now, ends[index] ?? 0) - from) * scale));
    if (!row || to < 0) return;
    const painted = (lane.colors[index] ?? 0) + 1 + (isLit && !isLit(lane.seqs[index] ?? 0) ? PALETTE.length : 0);
    for (let x = Math.max(0, Math.floor(((starts[index] ?? 0) - from) * scale)); x <= to; x += 1) if (row[x] !== FAILED || painted === FAILED) row[x] = painted;
  };
  for (let index = first; index < last; index += 1) paint(index);
  for (const index of lane.open) if (index < first) paint(index);
  return rows;
}

const FAILED = PALETTE.indexOf('--fail') + 1;
const DIM = 0.3;

let shared: { canvas: OffscreenCanvas; ink: OffscreenCanvasRenderingContext2D } | undefined;

/** One image for all lanes: making one costs more than painting it. */
function sheetOf(width: number, height: number): typeof shared {
  if (shared && shared.canvas.width === width && shared.canvas.height >= height) return shared;
  const canvas = new OffscreenCanvas(width, height);
  const ink = canvas.getContext('2d');
  shared = ink ? { canvas, ink } : undefined;
  return shared;
}

export function drawDense(sheet: Sheet, lane: Lane, shape: Shape, first: number, last: number, top: number, rowPx: number, barPx: number): void {
  const { picture, context } = sheet;
  const width = Math.max(1, Math.floor(sheet.width - LABEL_PX));
  const { path } = picture;
  const rows = pixelsOf(lane, shape, first, last, width, picture.from, sheet.scale, picture.axis.shown(picture.now), path.size > 0 ? (seq) => path.has(seq) : undefined);
  const words = new Uint32Array(PALETTE.length * 2 + 1);
  PALETTE.forEach((name, index) => {
    words[index + 1] = rgba(sheet.color(name), 1);
    words[index + 1 + PALETTE.length] = rgba(sheet.color(name), DIM);
  });
  const image = sheetOf(width, rows.length);
  if (!image) return;
  const data = image.ink.createImageData(width, rows.length);
  const pixels = new Uint32Array(data.data.buffer);
  rows.forEach((row, at) => {
    for (let x = 0; x < width; x += 1) pixels[at * width + x] = words[row[x] ?? 0] ?? 0;
  });
  image.ink.putImageData(data, 0, 0);
  context.imageSmoothingEnabled = false;
  for (let row = 0; row < rows.length; row += 1) context.drawImage(image.canvas, 0, row, width, 1, LABEL_PX, top + row * rowPx, width, barPx);
  context.imageSmoothingEnabled = true;
}

/** `#rrggbb` as the bytes of a pixel. */
function rgba(hex: string, alpha: number): number {
  const value = Number.parseInt(hex.slice(1), 16);
  return ((Math.round(alpha * 255) << 24) | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
}
