// What the network may have sent: anything. These take the value that is wanted out of it, or a harmless one.

/** Longer one-line texts are cut: a row never shows more, and a hostile summary cannot fill memory. */
const LINE_CHARS_MAX = 400;
/** Names (tools, agents, namespaces) beyond this are not names. */
const NAME_CHARS_MAX = 120;

export type Loose = { readonly [key: string]: unknown };

export function isObject(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function object(value: unknown): Loose {
  return isObject(value) ? value : {};
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function text(value: unknown, max = LINE_CHARS_MAX): string {
  return typeof value === 'string' ? (value.length > max ? value.slice(0, max) : value) : '';
}

export function name(value: unknown): string {
  return line(text(value, NAME_CHARS_MAX));
}

export function count(value: unknown): number {
  return optionalNumber(value) ?? 0;
}

export function optionalNumber(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** A sequence number: a positive safe integer, else 0. */
export function seqOf(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}

export function time(value: unknown): number {
  const parsed = typeof value === 'string' ? Date.parse(value) : NaN;
  return Number.isFinite(parsed) ? parsed : 0;
}

export function counts(value: unknown): Record<string, number> {
  const result: Record<string, number> = {};
  for (const [key, entry] of Object.entries(object(value)).slice(0, 2000)) result[name(key)] = count(entry);
  return result;
}

/** One line of plain text: control and direction-changing characters become spaces or visible marks. */
export function line(value: string): string {
  // eslint-disable-next-line no-control-regex
  return /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/.test(value)
    ? value.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').replace(/[\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
    : value;
}

export function parseJson(source: string): unknown {
  try {
    const value: unknown = JSON.parse(source);
    return value;
  } catch {
    return undefined;
  }
}
