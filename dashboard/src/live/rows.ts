// What a row of the list shows, made from the columns only for rows that are on screen.
import { Flag } from './ring';
import type { EventStore } from './store';

export type Tone = 'shell' | 'edit' | 'read' | 'web' | 'plain';
export type RowState = 'none' | 'error' | 'need' | 'denied' | 'interrupted';

export interface EventRow {
  type: 'event';
  seq: number;
  time: number;
  sessionId: string;
  project: string;
  agent: string;
  child: boolean;
  what: string;
  tone: Tone;
  detail: string;
  /** The quieter second half of the detail. */
  extra: string;
  tookMs: number | undefined;
  slow: boolean;
  /** The call still runs: its timer counts from `time`. */
  running: boolean;
  state: RowState;
  namespace: string;
  event: string;
  kind: string;
  /** Whole name of the tool; empty for events that are no call. */
  tool: string;
  /** How often the same came in a row; its time is that of the last. */
  times: number;
}

export interface DividerRow {
  type: 'divider';
  /** Stable name, for the row's identity on screen. */
  id: string;
  /** Stands before the first event with this number or a higher one. */
  before: number;
  text: string;
  tone: 'gap' | 'lost' | 'note';
  /** 0..1 while something loads. */
  progress: number | undefined;
}

export type Row = EventRow | DividerRow;

const TONES: Record<string, Tone> = {
  bash: 'shell', bashoutput: 'shell', killshell: 'shell', killbash: 'shell', powershell: 'shell',
  edit: 'edit', write: 'edit', multiedit: 'edit', notebookedit: 'edit',
  read: 'read', grep: 'read', glob: 'read', ls: 'read', notebookread: 'read',
  webfetch: 'web', websearch: 'web',
};

const WORDS: Record<string, string> = {
  'prompt.submitted': 'Prompt', 'prompt.expanded': 'Prompt', 'background_task.finished': 'Task', 'tool_batch.finished': 'Batch',
  'permission.requested': 'Permission', 'permission.denied': 'Denied', 'notification.sent': 'Notice',
  'elicitation.requested': 'Question', 'elicitation.answered': 'Answer', 'turn.finished': 'Turn', 'turn.failed': 'Turn', 'turn.interrupted': 'Interrupt', 'agent.commanded': 'Told',
  'agent.delegated': 'Delegate', 'teammate.idle': 'Teammate', 'compaction.started': 'Compact', 'compaction.finished': 'Compact', 'compaction.summarized': 'Compact',
  'api_request.finished': 'Model', 'api_request.failed': 'Model', 'test.finished': 'Tests', 'git.operated': 'Git', 'claude.status_changed': 'Status',
  'cwd.changed': 'Folder', 'directory.added': 'Folder', 'hook.received': 'Hook', 'hook.unreadable': 'Hook', 'claude.output': 'Output',
};

export function toneOf(tool: string): Tone {
  return TONES[tool.toLowerCase()] ?? 'plain';
}

/** The one word of the column What: the tool of a call, else the kind's noun. */
export function wordOf(kind: string, event: string, tool: string): string {
  if (kind.startsWith('tool_call.') && tool !== '') return shortTool(tool);
  const known = WORDS[kind];
  if (known) return known;
  const noun = kind === 'custom' ? event : (kind.split('.')[0] ?? kind);
  return noun.charAt(0).toUpperCase() + noun.slice(1).replaceAll('_', ' ');
}

/** `mcp__github__create_issue` reads as `create_issue`. */
export function shortTool(tool: string): string {
  const parts = tool.startsWith('mcp__') ? tool.split('__') : [];
  return parts.length > 2 ? parts.slice(2).join('__') : tool;
}

export function rowOf(store: EventStore, seq: number, raw: boolean): EventRow | undefined {
  const { ring } = store;
  if (!ring.has(seq)) return undefined;
  const slot = ring.slot(seq);
  const flags = ring.flags[slot] ?? 0;
  const [kind = '', event = ''] = store.events.name(ring.events[slot] ?? 0).split(' ');
  const tool = store.tools.name(ring.tools[slot] ?? 0);
  const peer = ring.peers[slot] ?? 0;
  const tookMs = ring.duration(slot);
  const session = ring.sessions[slot] ?? 0;
  const agent = ring.agents[slot] ?? 0;
  const joined = !raw && (flags & Flag.call) !== 0;
  const said = detailOf(store.shown.get(seq), joined && ring.has(peer) ? store.shown.get(peer) : '');
  const { detail, extra } = joined ? withNote(said, noteOf(store, ring.links[slot] ?? 0)) : said;
  return {
    type: 'event',
    seq,
    time: ring.times[slot] ?? 0,
    sessionId: store.sessions.name(session),
    project: store.projectOf(session),
    agent: session === 0 && agent === store.mainAgent ? '' : store.agentType(agent),
    child: (flags & Flag.child) !== 0,
    what: wordOf(kind, event, tool),
    tone: kind.startsWith('tool_call.') || kind === 'file.operated' ? toneOf(tool) : 'plain',
    detail,
    extra,
    tookMs,
    slow: tookMs !== undefined && tookMs > 1000 && tookMs > store.toolTimes.p95(ring.tools[slot] ?? 0),
    running: (flags & Flag.open) !== 0,
    state: stateOf(store, seq, flags),
    namespace: store.namespaces.name(ring.namespaces[slot] ?? 0),
    event,
    kind,
    tool: kind.startsWith('tool_call.') ? tool : '',
    times: 1,
  };
}

function noteOf(store: EventStore, seq: number): string {
  return store.ring.has(seq) ? noteText(store.kindOf(seq), store.shown.get(seq)) : '';
}

/** What an event that follows from a call adds to the call's row: the tests' result without the command, which the row names. */
export function noteText(kind: string, summary: string): string {
  return kind === 'test.finished' ? summary.replace(/^[^:]*: /, '') : summary;
}

export function withNote(said: { detail: string; extra: string }, note: string): { detail: string; extra: string } {
  if (note === '' || said.extra.includes(note) || said.detail.includes(note)) return said;
  return { detail: said.detail, extra: said.extra === '' ? `· ${note}` : `${said.extra} · ${note}` };
}

/** A finished call says what was asked, then what its end adds to that. */
export function detailOf(start: string, end: string): { detail: string; extra: string } {
  if (end === '' || end === start) return { detail: start, extra: '' };
  if (start === '') return { detail: end, extra: '' };
  if (end.startsWith(start)) return { detail: start, extra: end.slice(start.length).replace(/^[\s·:,;→-]+/, '') };
  return { detail: start, extra: end };
}

function stateOf(store: EventStore, seq: number, flags: number): RowState {
  if (store.needs(seq)) return 'need';
  if ((flags & Flag.error) !== 0) return 'error';
  if ((flags & Flag.denied) !== 0) return 'denied';
  return (flags & Flag.interrupted) !== 0 ? 'interrupted' : 'none';
}
