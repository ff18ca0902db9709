// What the page and its worker say to each other.
import type { Doctor, LiveClient, LogLine, OtherMonitor, Run, StoreState } from '../contract/machine';
import type { TranscriptPage } from '../contract/transcript';
import type { OverTime } from '../contract/over-time';
import type { GitDiff } from '../contract/git-diff';
import type { Sample } from '../contract/metrics';
import type { Change, Health, MonitorEvent, Session, Stats } from '../contract/types';
import type { Link } from './connection';
import type { Context } from './requests';
import type { Histogram } from './query';
import type { FileReport, MemoryReport } from './files-report';
import type { LimitsReport } from './limits-report';
import type { TodoReport } from './reports';
import type { SessionReport } from './session-report';
import type { UsageReport, UsageWanted } from './usage-report';
import type { EventRow, Row } from './rows';
import type { TodoDetail } from './todo-history';

export interface WindowRequest {
  first: number;
  count: number;
  /** Keep the row with this number `offset` rows below the first one, wherever it stands now. */
  hold: { seq: number; offset: number } | undefined;
  /** Show the end of the list, whatever `first` says. */
  follow: boolean;
  /** Count what is newer than this number (0: do not count). */
  since: number;
}

export type ToWorker =
  | { type: 'start'; origin: string; token: string; capacity: number; connect: boolean }
  | { type: 'connect'; token: string | undefined }
  | { type: 'disconnect' }
  | { type: 'filter'; line: string }
  | { type: 'hide'; hidden: boolean }
  | { type: 'window'; request: WindowRequest }
  | { type: 'older' }
  | { type: 'ask'; ask: Ask };

export interface RowsMessage {
  type: 'rows';
  first: number;
  total: number;
  rows: Row[];
  /** Number of the newest event of the list; tells how many are new below a paused view. */
  lastSeq: number;
  /** Rows newer than the request's `since`. */
  newer: number;
}

/** Twice a second at most: everything around the list. */
export interface Summary {
  type: 'summary';
  /** What the filter matches, in how many rows, what it would match in all namespaces, and how many of the matches are errors. */
  matches: number;
  rows: number;
  all: number;
  matchErrors: number;
  searching: boolean;
  history: 'none' | 'loading' | 'more' | 'done' | 'failed';
  historyRows: number;
  /** Rows by namespace under the filter without its namespaces. */
  namespaces: Record<string, number>;
  /** Event types kept in this tab, most frequent first. */
  types: { event: string; kind: string; count: number }[];
  kept: number;
  capacity: number;
  full: boolean;
  totalEvents: number;
  perMinute: number;
  errors5m: number;
  events5m: number;
  uniqueTypes: number;
  histogram: Histogram;
  hiddenTo: number;
  catchingUp: { loaded: number; total: number } | undefined;
  /** How late the newest live event was when it was stored here. */
  behindMs: number;
  problems: string[];
  /** Some of the sums below follow from tokens and prices. */
  hourEstimated: boolean;
  todayEstimated: boolean;
  /** Cost of the last hour, reported or estimated; undefined when none did. */
  hourUsd: number | undefined;
  /** The same since midnight of this browser's day; undefined when the tab does not hold the whole day. */
  todayUsd: number | undefined;
  /** The last hour is not wholly in this tab. */
  hourPartial: boolean;
  contexts: Record<string, Context>;
  /** For each session a letter for each of its last 24 minutes: the kind of tool it used most. */
  tapes: Record<string, string>;
}

export interface ServerInfo {
  version: string;
  port: number;
  instance: string;
  epoch: string;
  /** What this tab is called among the clients. */
  client: string;
}

export interface FleetMessage {
  type: 'fleet';
  sessions: Session[];
  removed: string[];
  /** All others are gone. */
  whole: boolean;
  clients: number | undefined;
  eventsPerSecond: number | undefined;
}

export type FromWorker =
  | { type: 'link'; link: Link }
  | { type: 'server'; server: ServerInfo }
  | FleetMessage
  | RowsMessage
  | { type: 'dirty' }
  | { type: 'volatile'; events: MonitorEvent[] }
  | Summary;

export interface Detail {
  row: EventRow;
  /** The row's event, and the other half of its call. */
  event: MonitorEvent;
  end: MonitorEvent | undefined;
  /** Other runs of the same call in this session, and what its agent did around it. */
  same: EventRow[];
  around: EventRow[];
}

export interface Exported {
  /** More than a tab can hold: the path where the server streams it all, one event a line. */
  stream: string;
  blob: Blob;
  count: number;
  truncated: boolean;
}

/** As `POST /api/v1/commands` takes it. */
export interface Order {
  command: 'interrupt' | 'stop' | 'prompt';
  session_id?: string;
  launch_id?: string;
  text?: string;
  force?: boolean;
}

export type Ask =
  | { what: 'detail'; seq: number }
  | { what: 'json'; seq: number }
  | { what: 'content'; seq: number }
  | { what: 'health' }
  | { what: 'stats'; minutes: number }
  /** What the server counts of itself; empty when it does not say. */
  | { what: 'metrics' }
  /** What was said in a session, from its end back. */
  | { what: 'transcript'; sessionId: string; before: number | undefined; limit: number; agent?: string }
  | { what: 'gitDiff'; path: string }
  | ({ what: 'usage' } & UsageWanted)
  /** How far the limits of the plan are used, and what was spent since `midnight`. */
  | { what: 'limits'; midnight: number }
  /** Keeps a session when its days are removed, or no longer. */
  | { what: 'pin'; sessionId: string; pinned: boolean }
  /** Deletes a session from every file. */
  | { what: 'erase'; sessionId: string }
  | { what: 'clients' }
  | { what: 'doctor' }
  | { what: 'monitors' }
  | { what: 'store' }
  /** What came in each namespace, minute by minute, in the last so many. */
  | { what: 'namespaces'; minutes: number }
  | { what: 'log'; lines: number }
  | { what: 'runs' }
  /** Sends a client away. */
  | { what: 'disconnect'; client: string }
  /** Tells an agent something. */
  | { what: 'tell'; order: Order }
  | { what: 'files' }
  | { what: 'memory' }
  | { what: 'change'; seq: number }
  | { what: 'todos' }
  /** One item of a session's list, through its life. */
  | { what: 'todo'; sessionId: string; content: string }
  /** `known`: the version the page has; the answer is nothing when that is still right. */
  | { what: 'session'; sessionId: string; known: string; spans: boolean; critical: boolean }
  | { what: 'step'; seq: number; by: number }
  | { what: 'export'; filter: string; timeZone: string }
  | { what: 'test' };

export interface Answers {
  detail: Detail | undefined;
  json: string;
  content: string;
  health: Health;
  stats: Stats;
  metrics: Sample[];
  transcript: TranscriptPage;
  gitDiff: GitDiff;
  usage: UsageReport;
  limits: LimitsReport;
  pin: boolean;
  erase: boolean;
  clients: LiveClient[];
  doctor: Doctor;
  monitors: OtherMonitor[];
  store: StoreState;
  namespaces: OverTime | undefined;
  log: LogLine[];
  runs: Run[];
  disconnect: boolean;
  tell: boolean;
  files: FileReport[];
  memory: MemoryReport[];
  change: Change;
  todos: TodoReport[];
  todo: TodoDetail | undefined;
  session: SessionReport | undefined;
  /** Number of the event `by` rows away; 0 when there is none. */
  step: number;
  export: Exported;
  test: boolean;
}

export type Answer = { ok: true; value: Answers[keyof Answers] } | { ok: false; message: string };
