// Sorts an event's payload into what went in and what came out, as text to be shown.
import { isJsonObject } from '../../contract/decode';
import type { Cut, Json, JsonObject, MonitorEvent } from '../../contract/types';
import type { Detail } from '../../live/protocol';

export interface Part {
  title: string;
  text: string;
  /** Left out on the wire; can be loaded. */
  cut: Cut | undefined;
  seq: number;
  /** Where the value stands in `data`, as a JSON pointer. */
  pointer: string;
}

const OUTPUT_KEYS = ['stdout', 'stderr', 'error', 'output', 'result', 'content', 'message', 'last_assistant_message', 'reason', 'text'];

export function outputOf(detail: Detail): Part[] {
  const event = detail.end ?? detail.event;
  const data = isJsonObject(event.data) ? event.data : {};
  const parts: Part[] = [];
  const response = data['tool_response'];
  if (response !== undefined) parts.push(...partsOf(event, response, '/tool_response', 'Response'));
  if (event.kind.startsWith('tool_call.') && data['error'] !== undefined) parts.push(...partsOf(event, data['error'], '/error', 'Error'));
  if (data['change'] !== undefined && isJsonObject(data['change'])) parts.push({ title: 'Change', text: changeText(data['change']), cut: undefined, seq: event.seq, pointer: '/change' });
  if (event.kind.startsWith('tool_call.')) return parts.filter((part) => part.text !== '' || part.cut);
  const rest = Object.entries(data).filter(([key]) => key !== 'tool_input' && key !== 'tool_response');
  for (const [key, value] of rest.sort(([a], [b]) => rank(a) - rank(b))) parts.push(...partsOf(event, value, `/${key}`, key));
  return parts.filter((part) => part.text !== '' || part.cut);
}

export function inputOf(detail: Detail): Part[] {
  const { event } = detail;
  const data = isJsonObject(event.data) ? event.data : {};
  const input = data['tool_input'];
  if (input !== undefined) return isJsonObject(input) ? Object.entries(input).flatMap(([key, value]) => partsOf(event, value, `/tool_input/${key}`, key)) : partsOf(event, input, '/tool_input', 'Input');
  const prompt = data['prompt'];
  return prompt === undefined ? [] : partsOf(event, prompt, '/prompt', 'Prompt');
}

function rank(key: string): number {
  const at = OUTPUT_KEYS.indexOf(key);
  return at === -1 ? OUTPUT_KEYS.length : at;
}

function partsOf(event: MonitorEvent, value: Json, pointer: string, title: string): Part[] {
  const cut = event.cut.find((entry) => entry.path === pointer || entry.path.startsWith(`${pointer}/`));
  if (isJsonObject(value) && OUTPUT_KEYS.some((key) => key in value)) {
    return Object.entries(value)
      .filter(([, entry]) => entry !== '' && entry !== null && entry !== false)
      .sort(([a], [b]) => rank(a) - rank(b))
      .flatMap(([key, entry]) => partsOf(event, entry, `${pointer}/${key}`, key));
  }
  return [{ title, text: valueText(value), cut, seq: event.seq, pointer }];
}

export function valueText(value: Json): string {
  if (typeof value === 'string') return value;
  if (value === null) return '';
  if (typeof value === 'object') return pretty(value);
  return String(value);
}

export function pretty(value: Json): string {
  try {
    return JSON.stringify(value, undefined, 2);
  } catch {
    return 'Too deeply nested to print';
  }
}

function changeText(change: JsonObject): string {
  return `${valueText(change['path'] ?? '')}  +${valueText(change['added'] ?? 0)} −${valueText(change['removed'] ?? 0)}`;
}
