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

/** The same in every hook, and shown elsewhere or in the JSON. */
const COMMON_KEYS = new Set(['tool_input', 'tool_response', 'transcript_path', 'permission_mode', 'effort', 'hook_event_name', 'cwd', 'session_id', 'agent_transcript_path']);

export function outputOf(detail: Detail): Part[] {
  const event = detail.end ?? detail.event;
  const data = isJsonObject(event.data) ? event.data : {};
  const parts: Part[] = [];
  const { change } = data;
  if (isJsonObject(change)) parts.push({ title: 'Change', text: changeText(change), cut: undefined, seq: event.seq, pointer: '/change' });
  const response = data['tool_response'];
  if (response !== undefined) parts.push(...partsOf(event, response, '/tool_response', 'Response'));
  if (event.kind.startsWith('tool_call.') && data['error'] !== undefined) parts.push(...partsOf(event, data['error'], '/error', 'Error'));
  if (event.kind.startsWith('tool_call.')) return parts.filter((part) => part.text !== '' || part.cut);
  // A question is about its input: that is what a person has to judge.
  if (data['tool_input'] !== undefined) parts.push(...inputOf(detail));
  const rest = Object.entries(data).filter(([key]) => !COMMON_KEYS.has(key) && key !== 'change');
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
  const cut = event.cut.find((entry) => entry.path === pointer);
  const cutWithin = event.cut.some((entry) => entry.path.startsWith(`${pointer}/`));
  if (isJsonObject(value) && (cutWithin || OUTPUT_KEYS.some((key) => key in value))) {
    return Object.entries(value)
      .filter(([, entry]) => entry !== '' && entry !== null && entry !== false)
      .sort(([a], [b]) => rank(a) - rank(b))
      .flatMap(([key, entry]) => partsOf(event, entry, `${pointer}/${key}`, key));
  }
  return [{ title, text: isLeftOut(value) ? '' : valueText(value), cut, seq: event.seq, pointer }];
}

/** What stands at the place of a body: its size and hash. */
function isLeftOut(value: Json): boolean {
  return isJsonObject(value) && typeof value['bytes'] === 'number' && typeof value['sha256'] === 'string' && Object.keys(value).length <= 3;
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
