// What stands below what on the timeline: context, cost, what happened, plan, a lane for each agent, files.
import type { ApiRequest } from '../../contract/types';
import type { AgentLife, FileTouch, SessionReport, TodoLife, Wait } from '../../live/session-report';
import { contextOf } from '../../live/requests';
import { shortModel } from '../../live/windows';
import { grouped } from '../../live/grouped';
import { baseName } from '../../ui/names';
import { many, tokens, usd } from '../../ui/format';
import { lastRunning, type Lane } from '../../live/lanes';

export const AXIS_PX = 26;
export const ROW_PX = 18;
export const MODEL_PX = 9;
const PLAN_ROW_PX = 20;
const FILES_MAX = 8;

interface Placed {
  top: number;
  height: number;
  name: string;
  note: string;
}

export type Track = Placed & (
  | { kind: 'context'; requests: readonly ApiRequest[]; ceiling: number }
  | { kind: 'cost'; requests: readonly ApiRequest[] }
  | { kind: 'marks' }
  | { kind: 'plan'; items: readonly TodoLife[]; rows: readonly number[] }
  | { kind: 'lane'; lane: Lane; requests: readonly ApiRequest[]; waits: readonly Held[]; spansTop: number }
  | { kind: 'file'; touches: readonly FileTouch[]; added: number; removed: number }
);

/** A wait, and the call of its lane that waits; -1 where none does. */
export interface Held {
  wait: Wait;
  index: number;
}

/** Everything that has a place, from the top down. */
export function tracksOf(report: SessionReport, lanes: readonly Lane[], now: number): Track[] {
  const tracks: Track[] = [];
  let top = AXIS_PX;
  // `Omit` over a union keeps only what its members share.
  const add = (height: number, make: (place: { top: number; height: number }) => Track): void => {
    tracks.push(make({ top, height }));
    top += height;
  };
  const main = report.requests.filter((request) => request.main && contextOf(request) > 0);
  const last = main[main.length - 1];
  if (last && main.length > 1) {
    const highest = Math.max(...main.map(contextOf));
    add(50, (place) => ({ ...place, kind: 'context', name: 'Context', note: `${tokens(contextOf(last))} tokens`, requests: main, ceiling: highest * 1.25 }));
  }
  const cost = report.requests.reduce((sum, request) => sum + (request.costUsd ?? 0), 0);
  if (cost > 0) add(40, (place) => ({ ...place, kind: 'cost', name: 'Cost', note: usd(cost), requests: report.requests }));
  add(27, (place) => ({ ...place, kind: 'marks', name: '', note: '' }));
  if (report.todos.length > 0) {
    const { rows, count } = planRows(report.todos, now);
    const done = report.todos.filter(({ status }) => status === 'completed').length;
    if (count > 0) add(Math.max(40, count * PLAN_ROW_PX + 12), (place) => ({ ...place, kind: 'plan', name: 'Plan', note: `${done} of ${report.todos.length} done`, items: report.todos, rows }));
  }
  const waits = grouped(report.waits, ({ agentId }) => agentId);
  const lives = new Map(report.agents.map((life) => [life.agentId, life]));
  const asked = grouped(report.requests, (request) => (request.main ? '' : request.agent));
  const named = grouped(lanes, ({ name }) => name);
  for (const lane of lanes) {
    // The main lane's requests are known; a subagent's only where one lane alone has its name.
    const requests = lane.agentId === '' ? (asked.get('') ?? []) : named.get(lane.name)?.length === 1 ? (asked.get(lane.name) ?? []) : [];
    const held = (waits.get(lane.agentId) ?? []).map((wait) => ({ wait, index: lastRunning(lane, wait.from + 50, wait.from) }));
    const room = requests.length > 0 ? MODEL_PX : 0;
    add(room + Math.max(lane.rowCount * ROW_PX, 24) + 13, (place) => ({ ...place, kind: 'lane', name: lane.name, note: laneNote(lives.get(lane.agentId), lane, requests), lane, requests, waits: held, spansTop: place.top + 7 + room }));
  }
  for (const [path, touches] of filesOf(report)) {
    const added = touches.reduce((sum, touch) => sum + touch.added, 0);
    const removed = touches.reduce((sum, touch) => sum + touch.removed, 0);
    const changed = touches.some((touch) => touch.changed);
    add(24, (place) => ({ ...place, kind: 'file', name: baseName(path), note: changed ? '' : 'read only', touches, added, removed }));
  }
  return tracks;
}

export function heightOf(tracks: readonly Track[]): number {
  const last = tracks[tracks.length - 1];
  return (last ? last.top + last.height : AXIS_PX) + 6;
}

function laneNote(life: AgentLife | undefined, lane: Lane, requests: readonly ApiRequest[]): string {
  const last = requests[requests.length - 1];
  const model = shortModel(last?.model ?? life?.model ?? '');
  const cost = requests.reduce((sum, request) => sum + (request.costUsd ?? 0), 0);
  const spent = cost > 0 ? usd(cost) : life?.tokens !== undefined ? `${tokens(life.tokens)} tok` : many(lane.count, 'call');
  return [model, spent].filter((part) => part !== '').join(', ');
}

/** Changed files first, by how often they were touched. */
function filesOf(report: SessionReport): [string, FileTouch[]][] {
  const files = grouped(report.files, ({ path }) => path);
  const weight = (touches: readonly FileTouch[]): number => touches.reduce((sum, touch) => sum + (touch.changed ? 1000 : 1), 0);
  return [...files].sort((a, b) => weight(b[1]) - weight(a[1])).slice(0, FILES_MAX);
}

/** Each item that was begun in the first row that is free; -1 for those that were not. */
export function planRows(items: readonly TodoLife[], now: number): { rows: number[]; count: number } {
  const freeAt: number[] = [];
  const rows = items.map((item) => {
    if (item.startedAt === 0) return -1;
    const free = freeAt.findIndex((at) => at <= item.startedAt);
    const row = free !== -1 ? free : freeAt.length;
    freeAt[row] = item.doneAt || now;
    return row;
  });
  return { rows, count: freeAt.length };
}
