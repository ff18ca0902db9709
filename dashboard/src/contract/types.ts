// The shapes of the wire contract, as the page uses them after `decode.ts` has checked them.

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export type Outcome = 'ok' | 'error' | 'denied' | 'interrupted' | 'unknown';

export interface Cut {
  path: string;
  bytes: number;
  reason: string;
}

export interface MonitorEvent {
  /** 0 when the server did not store the event. */
  seq: number;
  /** Milliseconds since 1970, UTC. */
  time: number;
  recordedAt: number;
  kind: string;
  namespace: string;
  event: string;
  sessionId: string;
  agentId: string;
  agentType: string;
  toolName: string;
  toolUseId: string;
  promptId: string;
  cwd: string;
  outcome: Outcome | '';
  durationMs: number | undefined;
  summary: string;
  sources: string[];
  cut: Cut[];
  data: Json;
  /** As it came, for showing, copying and exporting. */
  wire: Json;
}

/** In order of urgency; the order of the bay. */
export const SESSION_STATES: readonly SessionState[] = ['need', 'failing', 'stuck', 'working', 'idle', 'ended'];
export type SessionState = 'need' | 'failing' | 'stuck' | 'working' | 'idle' | 'ended';

export interface Agent {
  agentId: string;
  agentType: string;
  state: string;
  task: string;
  startedAt: number;
  lastEventAt: number;
  /** 0 while it works. */
  endedAt: number;
  /** The call that asked for it. */
  toolUseId: string;
}

export interface OpenCall {
  toolUseId: string;
  toolName: string;
  agentId: string;
  summary: string;
  startedAt: number;
  seq: number;
}

export interface TodoStats {
  total: number;
  completed: number;
}

export interface Tokens {
  input: number;
  output: number;
  cacheRead: number;
  cacheCreation: number;
  total: number;
}

/** What a session spent, and who says so. */
export interface Usage {
  /** Who told the tokens: `transcript` or `otlp`. */
  source: string;
  tokens: Tokens;
  costUsd: number | undefined;
  /** `estimated`: some of it follows from tokens and a table of prices. `unpriced`: nobody knows, and nothing is shown. */
  costStatus: 'reported' | 'estimated' | 'unpriced';
  /** Who reported cost, if anybody did. */
  costSource: string;
  /** Models whose cost is in no sum. */
  unpriced: string[];
  requests: number;
  models: { model: string; tokens: number; costUsd: number | undefined }[];
}

/** One answered request to a model. */
export interface ApiRequest {
  seq: number;
  time: number;
  sessionId: string;
  /** Name of the subagent that asked, when it was told. */
  agent: string;
  /** Asked by the session's main thread. */
  main: boolean;
  model: string;
  input: number;
  output: number;
  cacheRead: number;
  cacheCreation: number;
  costUsd: number | undefined;
  /** The cost follows from tokens and prices; nobody reported it. */
  estimated: boolean;
  durationMs: number;
  /** Known from the server's sums alone: its tokens are those of the context, and the rest is not known. */
  summed?: true;
}

/** What a session waits for. */
export interface SessionNeed {
  kind: string;
  toolName: string;
  summary: string;
  since: number;
  seq: number;
  /** Nothing would show an answer before the tool ends: it may have been given. */
  unsure: boolean;
  /** How many questions wait in all. */
  open: number;
}

/** What the last answer of the main thread was given. */
export interface SessionContext {
  tokens: number;
  /** How much fits, as far as is known. */
  window: number;
  status: 'ok' | 'high' | 'full';
}

export interface Session {
  sessionId: string;
  project: string;
  cwd: string;
  title: string;
  state: SessionState;
  stateSince: number;
  reason: { kind: string; summary: string; seq: number } | undefined;
  startedAt: number;
  lastEventAt: number;
  lastSeq: number;
  model: string;
  launchMethod: string;
  agents: Agent[];
  openCalls: OpenCall[];
  counts: { events: number; toolCalls: number; errors: number; prompts: number };
  todos: TodoStats | undefined;
  lastPrompt: string;
  lastMessage: string;
  need: SessionNeed | undefined;
  usage: Usage | undefined;
  context: SessionContext | undefined;
  branch: string;
  /** The agent where it is not Claude Code: `codex`, `gemini`, `cursor`. */
  agentProgram: string;
  /** The run of the launcher it is in. */
  launchId: string;
  /** Kept when its days are removed. */
  pinned: boolean;
  activity: number[];
}

export interface Hello {
  instance: string;
  epoch: string;
  seqFirst: number;
  seqLast: number;
  serverTime: number;
  version: string;
  port: number;
  /** What this connection is called among the clients; empty from a server that does not say. */
  client: string;
}

export interface Gap {
  from: number;
  to: number;
  reason: string;
}

export interface StateChange {
  seq: number;
  sessions: Session[];
  removed: string[];
  clients: number | undefined;
  eventsPerSecond: number | undefined;
}

export interface StateSnapshot {
  seq: number;
  epoch: string;
  instance: string;
  serverTime: number;
  sessions: Session[];
  totals: { events: number; errors: number; toolCalls: number; sessions: number; byNamespace: Record<string, number> };
}

export interface EventPage {
  events: MonitorEvent[];
  next: number | undefined;
  seqLast: number;
  partial: boolean;
}

export interface Health {
  status: string;
  health: string;
  version: string;
  port: number;
  pid: number;
  uptime: number;
  connections: number;
  reasons: string[];
}

export interface Stats {
  serverTime: number;
  events: number;
  errors: number;
  uniqueKinds: number;
  perMinute: { minute: number; events: number; errors: number }[];
  byNamespace: Record<string, number>;
  byKind: Record<string, number>;
  clients: number | undefined;
}

/** A piece of a change: lines begin with ` `, `+` or `-`. */
export interface Hunk {
  oldStart: number;
  newStart: number;
  lines: string[];
}

/** What a call did to a file. */
export interface Change {
  /** The call's end; 0 when it is not kept. */
  callSeq: number;
  hunks: Hunk[];
  created: boolean;
  /** The new text, where no patch was told. */
  whole: string | undefined;
}

export interface Todo {
  id: string;
  content: string;
  status: 'pending' | 'in_progress' | 'completed';
  activeForm: string;
}
