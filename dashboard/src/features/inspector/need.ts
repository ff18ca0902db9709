// What a session waits for, taken from the event that asked: a command, a change of a file, questions, or anything else.
import { isJsonObject } from '../../contract/decode';
import type { Json, JsonObject, MonitorEvent } from '../../contract/types';
import { hunkOf } from '../work/diff';
import { pretty } from './payload';

export interface Question {
  header: string;
  question: string;
  several: boolean;
  options: { label: string; description: string; preview: string }[];
}

export interface FileChange {
  path: string;
  /** Lines of a patch, as tools write them. */
  hunks: string[][];
  added: number;
  removed: number;
  /** The same text is replaced wherever it stands. */
  everywhere: boolean;
}

export type Wanted =
  | { kind: 'command'; command: string }
  | { kind: 'change'; change: FileChange }
  | { kind: 'questions'; questions: Question[] }
  | { kind: 'plan'; plan: string }
  | { kind: 'other'; parts: { title: string; text: string }[] };

export interface Need {
  /** Three words at most: what it is about. */
  title: string;
  /** "wants to run a command". */
  wants: string;
  wanted: Wanted;
  /** What else was given: a person who judges the rest must see it too. */
  beside: { title: string; text: string }[];
  /** What the agent says about it; never shown in place of it. */
  says: string;
  /** Rules that the client would offer, each with where it would be kept. */
  rules: string[];
  mode: string;
}

const DESTINATIONS: Record<string, string> = { session: 'for this session', localSettings: 'in local settings', projectSettings: "in the project's settings", userSettings: 'in your settings' };
const SUGGESTIONS: Record<string, string> = { addDirectories: 'work also in', removeDirectories: 'work no longer in' };
/** What the panel shows by itself, of each kind of question. */
const SHOWN: Record<Wanted['kind'], ReadonlySet<string>> = {
  command: new Set(['command', 'description']), change: new Set(['file_path', 'notebook_path', 'old_string', 'new_string', 'new_source', 'content', 'edits', 'replace_all', 'description']), questions: new Set(['questions', 'message', 'prompt']),
  plan: new Set(['plan', 'description']), other: new Set(),
};
/** Of an elicitation: which form or page the answer goes to. */
const ASKED_WITH = ['mcp_server_name', 'server_name', 'url', 'mode', 'requested_schema', 'requestedSchema', 'schema', 'title'];
const MODES: Record<string, string> = { default: 'default; it asks', acceptEdits: 'accepts edits, asks for the rest', plan: 'plans, changes nothing', bypassPermissions: 'asks for nothing by itself', dontAsk: 'denies what no rule allows' };

/** `input`: the call's input with its bodies, where they were left out of the event. */
export function needOf(event: MonitorEvent, input: Json | undefined): Need {
  const data = isJsonObject(event.data) ? event.data : {};
  const given = input ?? data['tool_input'] ?? data;
  const fields = isJsonObject(given) ? given : {};
  const tool = event.toolName;
  const wanted = wantedOf(tool, event, fields, given);
  return {
    wanted,
    beside: besideOf(wanted, fields, data),
    title: titleOf(tool, wanted, event.summary),
    wants: wantsOf(tool, wanted),
    says: wanted.kind === 'questions' ? '' : text(fields['description']),
    rules: rulesOf(data['permission_suggestions']),
    mode: MODES[text(data['permission_mode'])] ?? text(data['permission_mode']),
  };
}

function wantedOf(tool: string, { kind, summary }: MonitorEvent, fields: JsonObject, given: Json): Wanted {
  const questions = questionsOf(fields['questions']);
  if (questions.length > 0) return { kind: 'questions', questions };
  if (kind === 'elicitation.requested') return { kind: 'questions', questions: [{ header: '', question: text(fields['message']) || text(fields['prompt']), several: false, options: [] }] };
  if (tool === '') return { kind: 'other', parts: [{ title: 'Message', text: text(fields['message']) || summary }] };
  const command = fields['command'];
  if (typeof command === 'string') return { kind: 'command', command };
  const path = text(fields['file_path']) || text(fields['notebook_path']);
  const change = path === '' ? undefined : changeOf(path, fields);
  if (change) return { kind: 'change', change };
  if (tool === 'ExitPlanMode' && typeof fields['plan'] === 'string') return { kind: 'plan', plan: fields['plan'] };
  const entries = isJsonObject(given) ? Object.entries(given) : [];
  return { kind: 'other', parts: entries.length > 0 ? entries.map(([title, value]) => ({ title, text: whole(value) })) : [{ title: 'Input', text: whole(given) }] };
}

function changeOf(path: string, fields: JsonObject): FileChange | undefined {
  const edits = Array.isArray(fields['edits']) ? fields['edits'].filter(isJsonObject) : [fields];
  const hunks: string[][] = [];
  for (const edit of edits) {
    const [before, after] = [edit['old_string'], edit['new_string'] ?? edit['new_source']];
    if (typeof after === 'string') hunks.push(hunkOf(typeof before === 'string' ? before : '', after));
  }
  if (hunks.length === 0 && typeof fields['content'] === 'string') hunks.push(hunkOf('', fields['content']));
  if (hunks.length === 0) return undefined;
  const lines = hunks.flat();
  return { path, hunks, added: lines.filter((line) => line.startsWith('+')).length, removed: lines.filter((line) => line.startsWith('-')).length, everywhere: edits.some((edit) => edit['replace_all'] === true) };
}

/** Fields that the rest of the panel says nothing of. What is false or empty as well: it may be what matters. */
function besideOf(wanted: Wanted, fields: JsonObject, data: JsonObject): Need['beside'] {
  if (wanted.kind === 'other') return [];
  const shown = SHOWN[wanted.kind];
  const input = fields === data ? ASKED_WITH.flatMap((key) => (data[key] === undefined ? [] : [[key, data[key]] as const])) : Object.entries(fields).filter(([key]) => !shown.has(key));
  // An edit that is none is shown as it came.
  const odd = wanted.kind === 'change' && Array.isArray(fields['edits']) ? fields['edits'].filter((edit) => !isJsonObject(edit) || typeof edit['new_string'] !== 'string') : [];
  return [...input.map(([title, value]) => ({ title, text: whole(value ?? null) })), ...odd.map((edit) => ({ title: 'edit', text: whole(edit) }))];
}

function whole(value: Json): string {
  return typeof value === 'string' ? value : pretty(value);
}

function questionsOf(value: Json | undefined): Question[] {
  if (!Array.isArray(value)) return [];
  return value.filter(isJsonObject).map((entry) => ({
    header: text(entry['header']),
    question: text(entry['question']),
    several: entry['multiSelect'] === true,
    options: (Array.isArray(entry['options']) ? entry['options'] : []).flatMap((option) => (isJsonObject(option) ? [{ label: text(option['label']), description: text(option['description']), preview: text(option['preview']) }] : typeof option === 'string' ? [{ label: option, description: '', preview: '' }] : [])),
  }));
}

function rulesOf(value: Json | undefined): string[] {
  if (!Array.isArray(value)) return [];
  return value.filter(isJsonObject).flatMap((suggestion) => {
    const place = DESTINATIONS[text(suggestion['destination'])] ?? text(suggestion['destination']);
    if (typeof suggestion['mode'] === 'string') return [`mode ${suggestion['mode']}, ${place}`];
    const rules = Array.isArray(suggestion['rules']) ? suggestion['rules'].filter(isJsonObject) : [];
    const folders = Array.isArray(suggestion['directories']) ? suggestion['directories'].map(whole) : [];
    if (rules.length === 0) return [folders.length > 0 ? `${SUGGESTIONS[text(suggestion['type'])] ?? text(suggestion['type'])} ${folders.join(', ')}, ${place}` : whole(suggestion)];
    return rules.map((rule) => `${text(suggestion['behavior'])} ${text(rule['toolName'])}${text(rule['ruleContent']) === '' ? '' : `(${text(rule['ruleContent'])})`}, ${place}`);
  });
}

function titleOf(tool: string, wanted: Wanted, summary: string): string {
  switch (wanted.kind) {
    case 'command':
      return wanted.command.trim().split(/\s+/).slice(0, 2).join(' ').slice(0, 40);
    case 'change':
      return `${tool === 'Write' ? 'write' : 'edit'} ${wanted.change.path.split('/').at(-1) ?? ''}`;
    case 'questions':
      return wanted.questions[0]?.header || 'a question';
    case 'plan':
      return 'a plan';
    case 'other':
      return tool || summary;
  }
}

function wantsOf(tool: string, wanted: Wanted): string {
  switch (wanted.kind) {
    case 'command':
      return 'wants to run a command';
    case 'change':
      return tool === 'Write' ? 'wants to write a file' : 'wants to change a file';
    case 'questions':
      return wanted.questions.length > 1 ? `asks ${wanted.questions.length} questions` : 'asks a question';
    case 'plan':
      return 'wants to go ahead with a plan';
    case 'other':
      return tool === '' ? 'waits for you' : `wants to use ${tool}`;
  }
}

function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}
