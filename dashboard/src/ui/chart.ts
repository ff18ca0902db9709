// Shapes of charts over time, as SVG paths in units of bins.

export interface Series {
  name: string;
  color: string;
  values: readonly (number | undefined)[];
}

const STEPS = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

/** The next round number at or above. */
export function roundUp(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return (STEPS.find((step) => step * power >= value * 0.999) ?? 10) * power;
}

/** Bars of each series on top of those before it. */
export function stackedBars(series: readonly Series[], height: number, ceiling: number): string[] {
  const bottoms = new Array<number>(series[0]?.values.length ?? 0).fill(0);
  return series.map(({ values }) => values.map((value, bin) => {
    if (!value) return '';
    const from = bottoms[bin] ?? 0;
    bottoms[bin] = from + value;
    const bottom = height - (from / ceiling) * height;
    const top = Math.min(bottom - (from === 0 ? 1 : 0.5), height - ((from + value) / ceiling) * height);
    return `M${bin + 0.1} ${bottom.toFixed(2)}V${top.toFixed(2)}h.8V${bottom.toFixed(2)}z`;
  }).join(''));
}

export function area(values: readonly (number | undefined)[], height: number, ceiling: number): string {
  if (values.length === 0) return '';
  const steps = values.map((value, bin) => `H${bin}V${(height - ((value ?? 0) / ceiling) * height).toFixed(2)}H${bin + 1}`);
  return `M0 ${height}${steps.join('')}V${height}z`;
}

/** A line through the bins that have a value; nothing is invented before the first and after the last. */
export function polyline(values: readonly (number | undefined)[], height: number, ceiling: number): string {
  return values.flatMap((value, bin) => (value === undefined ? [] : [`${bin + 0.5} ${(height - Math.min(1, value / ceiling) * height).toFixed(2)}`])).map((point, index) => `${index === 0 ? 'M' : 'L'}${point}`).join('');
}
