// What was said, as it is read: prompts, answers, runs of calls with what agents did for them, and where the context was compacted.
import { parseJson } from '../../contract/decode';
import type { Block, SaidEntry, TranscriptPage } from '../../contract/transcript';
import type { AgentLife, SessionReport, Span } from '../../live/session-report';
import { grouped } from '../../live/grouped';
import { shortTool, toneOf, type Tone } from '../../live/rows';

export interface Call {
  key: string;
  seq: number;
  tool: string;
  tone: Tone;
  label: string;
  time: number;
  tookMs: number | undefined;
  state: 'open' | 'ok' | 'failed' | 'denied';
  /** The last lines of what a failed call said. */
  tail: string;
  /** The agent it asked, and what that one called. */
  agent: { life: AgentLife; spans: Span[] } | undefined;
}

export type Item =
  | { type: 'prompt'; key: string; time: number; text: string; cutBytes: number; seq: number }
  | { type: 'text'; key: string; time: number; text: string; cutBytes: number; model: string; head: boolean }
  | { type: 'thinking'; key: string; time: number; text: string; cutBytes: number }
  | { type: 'calls'; key: string; time: number; calls: Call[]; hidden: number }
  | { type: 'note'; key: string; time: number; text: string; summary: string };

/** Quiet calls in a row beyond these are folded. */
const SHOWN_HEAD = 3;
const SHOWN_TAIL = 3;
const FOLD_FROM = 9;
const RECENT_MS = 60_000;
const TAIL_LINES = 6;
/** Windows that are read to meet what is there; beyond, what is there is let go. */
const WINDOWS_MAX = 60;
/** A prompt's hook and its line are written at about the same time. */
const SAME_PROMPT_MS = 5000;
const INTERRUPTED = /^\[Request interrupted by user/;

/** Entries of several windows, each line once, in the order of the file; what was read later replaces. */
export function joined(...windows: readonly (readonly SaidEntry[])[]): SaidEntry[] {
  const byOffset = new Map<number, SaidEntry>();
  for (const window of windows) for (const entry of window) byOffset.set(entry.offset, entry);
  return [...byOffset.values()].sort((a, b) => a.offset - b.offset);
}

/** From the end of the file back until it meets the entry at `known`: more may be new than one window holds. Without one, the end alone. */
export async function backTo(known: number | undefined, ask: (before: number | undefined) => Promise<TranscriptPage>): Promise<{ entries: SaidEntry[]; next: number | undefined; meets: boolean }> {
  let { entries, next } = await ask(undefined);
  const meets = (): boolean => known !== undefined && (next === undefined || (entries[0]?.offset ?? Infinity) <= known);
  for (let round = 1; known !== undefined && !meets() && round < WINDOWS_MAX; round += 1) {
    const earlier = await ask(next);
    entries = joined(earlier.entries, entries);
    next = earlier.next;
  }
  return { entries, next, meets: meets() };
}

export function itemsOf(entries: readonly SaidEntry[], report: Pick<SessionReport, 'spans' | 'agents' | 'marks'>, now: number, unfolded: ReadonlySet<string>): Item[] {
  const results = new Map<string, Block>();
  for (const entry of entries) for (const block of entry.blocks) if (block.type === 'tool_result') results.set(block.toolUseId, block);
  const spans = new Map(report.spans.map((span) => [span.seq, span]));
  const byAgent = grouped(report.agents.length > 0 ? report.spans : [], ({ agentId }) => agentId);
  const asked = new Map(report.agents.filter(({ askedBy }) => askedBy > 0).map((life) => [life.askedBy, { life, spans: byAgent.get(life.agentId) ?? [] }]));
  const prompts = report.marks.filter(({ kind }) => kind === 'prompt.submitted');
  const items: Item[] = [];
  let spoke = '';
  for (const entry of entries) {
    entry.blocks.forEach((block, index) => {
      const key = `${entry.offset}-${index}`;
      const last = items[items.length - 1];
      if (block.type === 'tool_use') {
        const call = callOf(key, entry, block, results.get(block.toolUseId), spans.get(block.seq), asked.get(block.seq));
        if (last?.type === 'calls') last.calls.push(call);
        else items.push({ type: 'calls', key, time: entry.time, calls: [call], hidden: 0 });
        return;
      }
      const item = itemOf(key, entry, block, spoke, prompts);
      if (!item) return;
      spoke = item.type === 'text' ? 'main' : item.type === 'thinking' ? spoke : '';
      items.push(item);
    });
    if (entry.role === 'compaction') items.push({ type: 'note', key: `${entry.offset}`, time: entry.time, text: 'Context compacted', summary: '' });
  }
  for (const item of items) if (item.type === 'calls' && !unfolded.has(item.key)) fold(item, now);
  return items;
}

function itemOf(key: string, entry: SaidEntry, block: Block, spoke: string, prompts: SessionReport['marks']): Item | undefined {
  const { time } = entry;
  const { text, cutBytes } = block;
  if (entry.role === 'compaction' || text.trim() === '') return undefined;
  if (block.type === 'thinking') return { type: 'thinking', key, time, text, cutBytes };
  if (block.type !== 'text') return undefined;
  if (entry.role === 'assistant') return { type: 'text', key, time, text, cutBytes, model: entry.model, head: spoke === '' };
  if (entry.isSummary) return { type: 'note', key, time, text: 'What was kept of the context', summary: text };
  if (INTERRUPTED.test(text)) return { type: 'note', key, time, text: 'Interrupted', summary: '' };
  if (!entry.isPrompt) return undefined;
  return { type: 'prompt', key, time, text, cutBytes, seq: prompts.find((mark) => Math.abs(mark.time - time) < SAME_PROMPT_MS)?.seq ?? 0 };
}

function callOf(key: string, entry: SaidEntry, block: Block, result: Block | undefined, span: Span | undefined, agent: Call['agent']): Call {
  const failed = result?.isError === true || block.status === 'failed';
  const denied = block.status === 'denied';
  return {
    key, seq: block.seq, tool: shortTool(block.tool), tone: toneOf(block.tool), label: span?.label || inputLine(block.text), time: span?.start || entry.time,
    tookMs: span && span.end > 0 ? span.end - span.start : undefined,
    state: denied ? 'denied' : failed ? 'failed' : result === undefined && (block.status === '' || block.status === 'open') ? 'open' : 'ok',
    tail: failed && result ? result.text.trimEnd().split('\n').slice(-TAIL_LINES).join('\n') : '',
    agent,
  };
}

/** The one thing of a call's input that says most. */
function inputLine(input: string): string {
  const value = parseJson(input);
  if (typeof value !== 'object' || value === null) return input.slice(0, 200);
  for (const key of ['command', 'file_path', 'notebook_path', 'pattern', 'url', 'query', 'description', 'prompt']) {
    const entry = Object.entries(value).find(([name]) => name === key)?.[1];
    if (typeof entry === 'string' && entry !== '') return (entry.split('\n')[0] ?? '').slice(0, 200);
  }
  return input.slice(0, 200);
}

/** Quiet calls between the first and the last of a run; never a failure, what runs, an agent, or the last minute. */
function fold(run: Extract<Item, { type: 'calls' }>, now: number): void {
  if (run.calls.length < FOLD_FROM) return;
  const kept = run.calls.filter((call, index) => index < SHOWN_HEAD || index >= run.calls.length - SHOWN_TAIL || call.state !== 'ok' || call.agent !== undefined || now - call.time < RECENT_MS);
  if (run.calls.length - kept.length < 2) return;
  run.hidden = run.calls.length - kept.length;
  run.calls = kept;
}

export interface Piece {
  kind: 'text' | 'strong' | 'code' | 'block';
  text: string;
}

/** Markdown as weight and code alone: everything else stays as it was written. */
export function piecesOf(text: string): Piece[] {
  const pieces: Piece[] = [];
  text.split(/^```[^\n]*\n([\s\S]*?)(?:^```[ \t]*$|$(?![\s\S]))/m).forEach((part, index) => {
    if (index % 2 === 1) return void pieces.push({ kind: 'block', text: part.replace(/\n$/, '') });
    // A block is a line of its own: the break after it is its end.
    for (const found of (index > 0 ? part.replace(/^\n/, '') : part).matchAll(/`([^`\n]+)`|\*\*([^*\n]+)\*\*|[^`*]+|[`*]/g)) {
      const [whole, code, strong] = found;
      const last = pieces[pieces.length - 1];
      if (code !== undefined) pieces.push({ kind: 'code', text: code });
      else if (strong !== undefined) pieces.push({ kind: 'strong', text: strong });
      else if (last?.kind === 'text') last.text += whole;
      else pieces.push({ kind: 'text', text: whole });
    }
  });
  return pieces.filter(({ kind, text: said }) => kind !== 'text' || said.trim() !== '' || said.includes(' '));
}
