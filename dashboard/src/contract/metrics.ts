// The server's `/metrics`: the text format of Prometheus, as far as the page shows it.

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
/** A server that says more than this is not ours. */
const SAMPLES_MAX = 5000;

export function parseMetrics(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const source of text.split('\n')) {
    const [, name, labels = '', number = ''] = LINE.exec(source) ?? [];
    const value = Number(number);
    if (name === undefined || !Number.isFinite(value) || samples.length >= SAMPLES_MAX) continue;
    const found: Record<string, string> = {};
    for (const [, key = '', quoted = ''] of labels.matchAll(LABEL)) found[key] = quoted.replace(/\\(.)/g, (_, letter: string) => (letter === 'n' ? ' ' : letter)).slice(0, 120);
    samples.push({ name, labels: found, value });
  }
  return samples;
}

/** The sum of a metric; undefined when the server does not tell it. */
export function total(samples: readonly Sample[], name: string): number | undefined {
  const found = samples.filter((sample) => sample.name === name);
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
}

/** A metric's values by one of its labels. */
export function byLabel(samples: readonly Sample[], name: string, label: string): Map<string, number> {
  return new Map(samples.filter((sample) => sample.name === name).map((sample) => [sample.labels[label] ?? '', sample.value]));
}
