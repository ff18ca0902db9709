// A session as spans of time, as `GET /api/v1/sessions/{id}/spans` tells it.
import { count, isObject, line, list, name, optionalNumber, seqOf, text, type Loose } from './loose';
import type { Todo } from './types';

export interface WireSpan {
  id: string;
  isModel: boolean;
  /** Empty for the main thread. */
  agentId: string;
  tool: string;
  summary: string;
  began: number;
  /** 0 while it runs. */
  ended: number;
  status: string;
  seq: number;
  tokens: number | undefined;
}

export interface WireAgent {
  agentId: string;
  type: string;
  task: string;
  prompt: string;
  answer: string;
  toolUseId: string;
  began: number;
  ended: number;
  failed: boolean;
  model: string;
  tokens: number | undefined;
  costUsd: number | undefined;
}

export interface SpanReport {
  seq: number;
  from: number;
  to: number;
  agents: WireAgent[];
  spans: WireSpan[];
  waits: { kind: string; agentId: string; summary: string; seq: number; began: number; ended: number }[];
  prompts: { seq: number; summary: string; isPrompt: boolean; began: number; ended: number; status: string }[];
  todos: { time: number; todos: { content: string; status: Todo['status'] }[] }[];
  compactions: { seq: number; began: number; ended: number }[];
  samples: { seq: number; time: number; contextTokens: number | undefined; costUsd: number | undefined }[];
  criticalPath: string[];
  /** Where the time went, each moment once. */
  totals: { waiting: number; model: number; shell: number; edit: number; read: number; web: number; other: number };
  leftOut: number;
  partial: boolean;
}

const TEXT_MAX = 2000;

export function decodeSpans(value: unknown): SpanReport | undefined {
  if (!isObject(value) || !Array.isArray(value['spans']) || !isObject(value['totals'])) return undefined;
  const totals = value['totals'];
  return {
    seq: seqOf(value['seq']), from: count(value['from']), to: count(value['to']),
    agents: list(value['agents']).filter(isObject).map(decodeAgent),
    spans: list(value['spans']).filter(isObject).map(decodeSpan),
    waits: list(value['waits']).filter(isObject).map((entry) => ({ kind: name(entry['kind']), agentId: agentId(entry['agent']), summary: line(text(entry['summary'])), seq: seqOf(entry['seq']), began: count(entry['began']), ended: count(entry['ended']) })),
    prompts: list(value['prompts']).filter(isObject).map((entry) => ({ seq: seqOf(entry['seq']), summary: line(text(entry['summary'])), isPrompt: entry['is_prompt'] === true, began: count(entry['began']), ended: count(entry['ended']), status: name(entry['status']) })),
    todos: list(value['todos']).filter(isObject).map((entry) => ({ time: count(entry['time']), todos: list(entry['todos']).filter(isObject).map((todo) => ({ content: line(text(todo['content'])), status: statusOf(todo['status']) })) })),
    compactions: list(value['compactions']).filter(isObject).map((entry) => ({ seq: seqOf(entry['seq']), began: count(entry['began']), ended: count(entry['ended']) })),
    samples: list(value['samples']).filter(isObject).map((entry) => ({ seq: seqOf(entry['seq']), time: count(entry['time']), contextTokens: optionalNumber(entry['context_tokens']), costUsd: optionalNumber(entry['cost_usd']) })),
    criticalPath: list(value['critical_path']).map((entry) => text(entry)),
    totals: { waiting: count(totals['waiting_ms']), model: count(totals['model_ms']), shell: count(totals['shell_ms']), edit: count(totals['edit_ms']), read: count(totals['read_ms']), web: count(totals['web_ms']), other: count(totals['other_ms']) },
    leftOut: count(value['left_out']),
    partial: value['partial'] === true,
  };
}

function decodeSpan(value: Loose): WireSpan {
  return {
    id: text(value['id']), isModel: value['kind'] === 'model', agentId: agentId(value['agent']), tool: name(value['tool']), summary: line(text(value['summary'])),
    began: count(value['began']), ended: count(value['ended']), status: name(value['status']), seq: seqOf(value['seq']), tokens: optionalNumber(value['tokens']),
  };
}

function decodeAgent(value: Loose): WireAgent {
  return {
    agentId: agentId(value['id']), type: name(value['type']), task: line(text(value['task'])), prompt: text(value['prompt'], TEXT_MAX), answer: text(value['answer'], TEXT_MAX), toolUseId: text(value['tool_use_id']),
    began: count(value['began']), ended: count(value['ended']), failed: value['failed_itself'] === true, model: name(value['model']), tokens: optionalNumber(value['tokens']), costUsd: optionalNumber(value['cost_usd']),
  };
}

function agentId(value: unknown): string {
  const id = name(value);
  return id === 'main' ? '' : id;
}

function statusOf(value: unknown): Todo['status'] {
  return value === 'completed' || value === 'in_progress' ? value : 'pending';
}
