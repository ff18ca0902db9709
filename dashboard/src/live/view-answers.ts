// Answers what views other than Live ask: reports, the server's own figures, exports, orders. Loaded when the first of them is asked.
import { parseMetrics } from '../contract/metrics';
import type { Api } from './api';
import type { Engine } from './engine';
import { exportList } from './export';
import { limitsOf, type LimitsReport } from './limits-report';
import { loadChange, reportFiles, reportMemory } from './files-report';
import type { Answers, Ask } from './protocol';
import { listsOf, reportTodos, todosOf, type TodoReport } from './reports';
import { reportSession } from './session-report';
import { todoDetail, type ListAt, type TodoDetail } from './todo-history';
import { reportTold } from './told-report';
import { ToldSessions } from './told-sessions';
import { reportUsage } from './usage-report';
import { ViewApi } from './view-api';

const OLDER_LISTS_MAX = 24;
/** Each session tells them with every turn: these are of some hours. */
const LIMITS_READ = 200;

/** What was asked of the server for views; the engine lets it go with the data folder that it is from. */
export class ForViews {
  readonly api: ViewApi;
  readonly told: ToldSessions;
  /** Todo lists that were fetched because their events are older than this tab; empty when the server has none. */
  readonly olderTodos = new Map<string, TodoReport[]>();

  constructor(api: Api) {
    this.api = new ViewApi(api);
    this.told = new ToldSessions(this.api);
  }
}

export async function answerView(engine: Engine, ask: Exclude<Ask, { what: 'detail' | 'json' | 'content' | 'step' }>): Promise<Answers[keyof Answers]> {
  const views = (engine.views ??= new ForViews(engine.api));
  const { api } = views;
  switch (ask.what) {
    case 'health':
      return api.health();
    case 'metrics':
      return parseMetrics(await engine.api.text('/metrics'));
    case 'stats':
      return api.stats(ask.minutes);
    case 'transcript':
      return api.transcript(ask.sessionId, ask.before, ask.limit, ask.agent);
    case 'gitDiff':
      return api.gitDiff(ask.path);
    case 'usage':
      return reportUsage(engine, api, ask);
    case 'limits':
      return loadLimits(engine, api, ask.midnight);
    case 'pin':
      await engine.api.act(ask.pinned ? 'PUT' : 'DELETE', `/api/v1/sessions/${encodeURIComponent(ask.sessionId)}/pin`);
      return true;
    case 'erase':
      await engine.api.act('DELETE', `/api/v1/sessions/${encodeURIComponent(ask.sessionId)}`);
      return true;
    case 'clients':
      return api.clients();
    case 'doctor':
      return api.doctor();
    case 'monitors':
      return api.monitors();
    case 'store':
      return api.store();
    case 'namespaces': {
      const now = Date.now() + (engine.link.skewMs ?? 0);
      return api.overTime({ from: now - ask.minutes * 60_000, to: now, step: '1m', group: 'namespace' });
    }
    case 'log':
      return api.log(ask.lines);
    case 'runs':
      return api.runs();
    case 'disconnect':
      await engine.api.act('POST', `/api/v1/clients/${encodeURIComponent(ask.client)}/disconnect`);
      return true;
    case 'tell':
      await engine.api.act('POST', '/api/v1/commands', ask.order);
      return true;
    case 'files':
      return reportFiles(engine.store);
    case 'memory':
      return reportMemory(engine.store);
    case 'change':
      return loadChange(engine, ask.seq);
    case 'todos':
      return loadTodos(engine, views);
    case 'todo':
      return loadTodo(engine, views, ask.sessionId, ask.content);
    case 'session':
      return reportSession(engine, views.told, ask.sessionId, ask);
    case 'export':
      return exportList(engine, ask.filter, ask.timeZone);
    case 'test':
      await engine.api.emit('system', 'test', { message: 'A test event from the dashboard', sent_by: 'dashboard' });
      return true;
  }
}

/** From the server's lists, which are all there were, with who wrote those that are in this tab; else from these alone. */
async function loadTodo(engine: Engine, { told, olderTodos }: ForViews, sessionId: string, content: string): Promise<TodoDetail | undefined> {
  const { store, requests } = engine;
  const now = Date.now() + (engine.link.skewMs ?? 0);
  const here: ListAt[] = listsOf(store, sessionId);
  const report = await told.of(sessionId, engine.sessions.get(sessionId)?.lastSeq ?? 0);
  const known = new Map(here.map((list) => [list.time, list]));
  const lists = report && report.report.todos.length > 0 ? report.report.todos.map(({ time, todos }) => known.get(time) ?? { time, seq: 0, agent: '', todos }) : here.length > 0 ? here : (olderTodos.get(sessionId) ?? []).map(({ time, seq, todos }) => ({ time, seq, agent: '', todos }));
  const spans = report ? reportTold(report, sessionId, now).spans : [];
  return todoDetail(lists, content, spans, requests.list.filter((request) => request.sessionId === sessionId), now);
}

/** The newest tellings of limits, however long ago, and the server's sum of today. */
async function loadLimits(engine: Engine, api: ViewApi, midnight: number): Promise<LimitsReport> {
  const now = Date.now() + (engine.link.skewMs ?? 0);
  const [told, sums] = await Promise.all([engine.api.events({ namespace: '/claude', q: 'type:rate_limit,status_line', limit: LIMITS_READ }), engine.sums ? api.overTime({ from: midnight, to: Math.max(now, midnight + 3_600_000), step: '60m', group: 'model' }) : undefined]);
  return { limits: limitsOf(told.events), today: sums?.total.costUsd === undefined ? undefined : { costUsd: sums.total.costUsd, estimatedUsd: sums.total.estimatedUsd } };
}

/** The lists in memory, and those of sessions whose last change is older than this tab (asked for once). */
async function loadTodos(engine: Engine, { olderTodos }: ForViews): Promise<TodoReport[]> {
  const known = reportTodos(engine.store);
  const inMemory = new Set(known.map((report) => report.sessionId));
  const wanted = [...engine.sessions.values()].filter((session) => session.todos && session.todos.total > 0 && session.state !== 'ended' && !inMemory.has(session.sessionId));
  const older: TodoReport[] = [];
  for (const { sessionId } of wanted.slice(0, OLDER_LISTS_MAX)) {
    if (!olderTodos.has(sessionId)) {
      const page = await engine.api.events({ kind: 'todo.updated', session: sessionId, limit: 1 });
      olderTodos.set(sessionId, page.events.flatMap((event) => todosOf(event) ?? []));
    }
    older.push(...(olderTodos.get(sessionId) ?? []));
  }
  return [...known, ...older];
}
