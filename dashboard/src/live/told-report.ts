// The report of a session's page from what the server tells of it: all of the session, whatever this tab keeps.
import type { SpanReport, WireAgent, WireSpan } from '../contract/spans';
import type { ApiRequest } from '../contract/types';
import { shortTool, toneOf } from './rows';
import type { AgentLife, Mark, SessionReport, Span, TodoLife } from './session-report';
import type { Spending, Spent } from './spent';
import type { Told } from './told-sessions';

const ASKS = 'AskUserQuestion';

export type FromServer = Pick<SessionReport, 'spans' | 'waits' | 'agents' | 'todos' | 'marks' | 'requests' | 'path' | 'spending' | 'from'> & { leftOut: number };

export function reportTold({ report, spans }: Told, sessionId: string, now: number): FromServer {
  const lanes = new Map(report.agents.map((agent) => [agent.agentId, agent.type || (agent.agentId === '' ? 'main' : 'subagent')]));
  const laneOf = (agentId: string): string => lanes.get(agentId) ?? (agentId === '' ? 'main' : 'subagent');
  const calls: Span[] = [];
  const answers = new Map<number, WireSpan>();
  for (const span of spans.values()) {
    if (span.isModel) answers.set(span.seq, span);
    else calls.push(callOf(span, laneOf(span.agentId)));
  }
  const waits = report.waits.map(({ seq, began, ended, agentId, summary }) => ({ seq, from: began, to: ended, agentId, lane: laneOf(agentId), label: summary }));
  return {
    spans: calls,
    waits,
    agents: report.agents.filter(({ agentId }) => agentId !== '').map((agent) => lifeOf(agent, spans)),
    todos: plan(report.todos),
    marks: marksOf(report),
    requests: requestsOf(report, answers, sessionId, laneOf),
    path: Float64Array.from(report.criticalPath.flatMap((id) => spans.get(id)?.seq ?? [])),
    spending: spendingOf(report, calls, waits.some(({ to }) => to === 0), now),
    from: report.from,
    leftOut: report.leftOut,
  };
}

function callOf(span: WireSpan, lane: string): Span {
  return {
    seq: span.seq, start: span.began, end: span.ended, lane, agentId: span.agentId, what: shortTool(span.tool), tone: toneOf(span.tool), error: span.status === 'failed', asks: span.tool === ASKS, label: span.summary,
  };
}

function lifeOf(agent: WireAgent, spans: ReadonlyMap<string, WireSpan>): AgentLife {
  const askedBy = spans.get(agent.toolUseId)?.seq ?? 0;
  return {
    agentId: agent.agentId, agentType: agent.type || 'subagent', task: agent.task, prompt: agent.prompt, startedAt: agent.began, endedAt: agent.ended, askedBy, answer: agent.answer, failed: agent.failed,
    model: agent.model, tokens: agent.tokens, seq: askedBy,
  };
}

function plan(lists: SpanReport['todos']): TodoLife[] {
  const items = new Map<string, TodoLife>();
  for (const { time, todos } of lists) {
    for (const { content, status } of todos) {
      const item = items.get(content) ?? { content, status, startedAt: 0, doneAt: 0 };
      items.set(content, item);
      if (status === 'in_progress' && item.startedAt === 0) item.startedAt = time;
      if (status !== 'completed') item.doneAt = 0;
      else if (item.doneAt === 0) item.doneAt = time;
      item.status = status;
    }
  }
  return [...items.values()];
}

function marksOf(report: SpanReport): Mark[] {
  return [
    ...report.prompts.filter(({ isPrompt }) => isPrompt).map(({ seq, began, summary }) => ({ seq, time: began, kind: 'prompt.submitted', what: 'Prompt', label: summary, agentId: '' })),
    ...report.compactions.map(({ seq, began, ended }) => ({ seq, time: ended || began, kind: 'compaction.finished', what: 'Compact', label: '', agentId: '' })),
  ];
}

/** How it stood after each answer, as what each answer added. */
function requestsOf(report: SpanReport, answers: ReadonlyMap<number, WireSpan>, sessionId: string, laneOf: (agentId: string) => string): ApiRequest[] {
  let before: number | undefined;
  return report.samples.map(({ seq, time, contextTokens, costUsd }) => {
    const answer = answers.get(seq);
    const cost = costUsd === undefined ? undefined : costUsd - (before ?? 0);
    before = costUsd ?? before;
    const main = answer === undefined || answer.agentId === '';
    return {
      seq, time, sessionId, agent: main ? '' : laneOf(answer.agentId), main, model: answer?.tool ?? '', input: main ? (contextTokens ?? 0) : 0, output: 0, cacheRead: 0, cacheCreation: 0,
      costUsd: cost, estimated: false, durationMs: answer && answer.ended > 0 ? answer.ended - answer.began : 0, summed: true,
    };
  });
}

/** Each moment counts once; what runs now grows: the wait for a person before calls, those in the order in which they are counted. */
function spendingOf({ totals }: SpanReport, calls: readonly Span[], waits: boolean, now: number): Spending {
  const open = new Set(calls.filter(({ end }) => end === 0).map(({ tone }) => tone));
  const growing: Spent | undefined = waits ? 'wait' : (['shell', 'edit', 'read', 'web'] as const).find((tone) => open.has(tone));
  const parts: [Spent, number][] = [['model', totals.model], ['shell', totals.shell], ['edit', totals.edit], ['read', totals.read], ['web', totals.web], ['plain', totals.other], ['wait', totals.waiting]];
  return { at: now, parts: parts.map(([kind, ms]) => ({ kind, ms, perMs: kind === growing ? 1 : 0 })) };
}
