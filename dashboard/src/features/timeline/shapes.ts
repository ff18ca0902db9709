// A lane's calls in axis times, and where a zoomed view has to look.
import type { Lane } from '../../live/lanes';
import type { TimeAxis } from '../../live/time-axis';

/** Made anew when calls or silences change, not when the view moves or time goes on. */
export interface Shape {
  starts: Float64Array;
  /** Infinity while a call runs. */
  ends: Float64Array;
  /** The latest end among a call and all before it that have ended: everything left of a view is skipped by it. */
  reach: Float64Array;
}

export function shapeOf(lane: Lane, axis: TimeAxis): Shape {
  const plain = axis.breaks.length === 0;
  const starts = plain ? lane.starts : lane.starts.map((time) => axis.shown(time));
  const ends = plain ? lane.ends : lane.ends.map((time) => axis.shown(time));
  const reach = new Float64Array(lane.count);
  let latest = -Infinity;
  for (let index = 0; index < lane.count; index += 1) {
    const end = ends[index] ?? 0;
    if (end !== Infinity && end > latest) latest = end;
    reach[index] = latest;
  }
  return { starts, ends, reach };
}

/** Indexes of the calls that can be seen between two axis times: `first` up to, not including, `last`. Calls that run are for themselves. */
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
