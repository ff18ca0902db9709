// The usual time of each tool, so that a row can say that a call was slow here.

const SAMPLES = 256;
const SAMPLES_MIN = 20;

export class ToolTimes {
  readonly #tools = new Map<number, { times: Float64Array; count: number; p95: number; at: number }>();

  add(tool: number, ms: number): void {
    let kept = this.#tools.get(tool);
    if (!kept) {
      kept = { times: new Float64Array(SAMPLES), count: 0, p95: Infinity, at: 0 };
      this.#tools.set(tool, kept);
    }
    kept.times[kept.count % SAMPLES] = ms;
    kept.count += 1;
  }

  /** Infinity while too few calls are known to call one of them slow. */
  p95(tool: number): number {
    const kept = this.#tools.get(tool);
    if (!kept || kept.count < SAMPLES_MIN) return Infinity;
    if (kept.count - kept.at >= 32 || kept.p95 === Infinity) {
      kept.p95 = quantile(kept.times.slice(0, Math.min(kept.count, SAMPLES)), 0.95);
      kept.at = kept.count;
    }
    return kept.p95;
  }
}

export function quantile(values: Float64Array, q: number): number {
  if (values.length === 0) return NaN;
  const sorted = values.slice().sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN;
}
