// What was said in a session, as `GET /api/v1/sessions/{id}/transcript` tells it.
import { count, isObject, list, name, optionalNumber, seqOf, text, time, type Loose } from './loose';

export interface Block {
  /** `text`, `thinking`, `tool_use`, `tool_result`, or another of the client's. */
  type: string;
  text: string;
  tool: string;
  toolUseId: string;
  isError: boolean;
  /** How much of the text is left out. */
  cutBytes: number;
  /** The event that tells it; 0 when none does. */
  seq: number;
  status: string;
}

export interface SaidEntry {
  /** Where its line begins in the file: its name. */
  offset: number;
  role: 'user' | 'assistant' | 'compaction';
  time: number;
  model: string;
  isPrompt: boolean;
  isSummary: boolean;
  blocks: Block[];
}

export interface TranscriptPage {
  entries: SaidEntry[];
  /** Goes into `before` for what was said earlier; undefined at the beginning. */
  next: number | undefined;
  bytes: number;
}

/** The server cuts texts at 16 KB; nothing longer is ours. */
const TEXT_CHARS_MAX = 20_000;

export function decodeTranscript(value: unknown): TranscriptPage | undefined {
  if (!isObject(value) || !Array.isArray(value['entries'])) return undefined;
  return { entries: list(value['entries']).filter(isObject).map(decodeEntry), next: optionalNumber(value['next']), bytes: count(value['bytes']) };
}

function decodeEntry(value: Loose): SaidEntry {
  const role = value['role'];
  return {
    offset: count(value['offset']), role: role === 'assistant' || role === 'compaction' ? role : 'user', time: time(value['time']), model: name(value['model']), isPrompt: value['is_prompt'] === true, isSummary: value['is_summary'] === true,
    blocks: list(value['blocks']).filter(isObject).map((block) => ({
      type: name(block['type']), text: text(block['text'], TEXT_CHARS_MAX), tool: name(block['tool']), toolUseId: text(block['tool_use_id']), isError: block['is_error'] === true, cutBytes: count(block['cut_bytes']), seq: seqOf(block['seq']), status: name(block['status']),
    })),
  };
}
