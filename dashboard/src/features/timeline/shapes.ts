// Calls as numbers ready to be painted: axis times of begin and end, and where a zoomed view has to look.
import type { Lane, TimeAxis } from './layout';

/** A lane's calls on one axis; made anew when calls or axis change, not when the view moves. */
export interface Shape {
  starts: Float64Array;
  ends: Float64Array;
  /** The latest end among a call and all before it: everything left of a view is skipped by it. */
  reach: Float64Array;
  /** Index into the palette. */
  colors: Uint8Array;
}

/** What a call is painted in: failed, asking, or its tool's kind. */
export const PALETTE = ['--fail', '--need-edge', '--t-shell', '--t-edit', '--t-read', '--t-web', '--t-task'] as const;
const TONES = { shell: 2, edit: 3, read: 4, web: 5, plain: 6 } as const;

export function shapeOf(lane: Lane, axis: TimeAxis, now: number): Shape {
  const length = lane.spans.length;
  const shape: Shape = { starts: new Float64Array(length), ends: new Float64Array(length), reach: new Float64Array(length), colors: new Uint8Array(length) };
  let reach = -Infinity;
  lane.spans.forEach((span, index) => {
    shape.starts[index] = axis.shown(span.start);
    shape.ends[index] = axis.shown(span.end || now);
    reach = Math.max(reach, shape.ends[index] ?? 0);
    shape.reach[index] = reach;
    shape.colors[index] = span.error ? 0 : span.asks ? 1 : TONES[span.tone];
  });
  return shape;
}

/** Indexes of the calls that can be seen between two axis times: `first` up to, not including, `last`. */
export function visible(shape: Shape, from: number, to: number): { first: number; last: number } {
  return { first: lowerBound(shape.reach, from), last: lowerBound(shape.starts, to) };
}

function lowerBound(values: Float64Array, at: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}
