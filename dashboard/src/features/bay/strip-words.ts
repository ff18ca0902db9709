// A session's strip in words.
import type { Session } from '../../contract/types';
import { age, shortTime, timer } from '../../ui/format';

/** The state with its time, as the strip's right corner says it. */
export function stateWords(session: Session, now: number, short: boolean): string {
  const since = now - session.stateSince;
  switch (session.state) {
    case 'need':
      // What no source shows is not known: the time still runs, and the word says so.
      return `${session.need?.unsure ? 'Answered?' : short ? 'You' : 'Needs you'} ${timer(since)}`;
    case 'failing':
      return `Failing${/^\d+×/.test(session.reason?.summary ?? '') ? ` ×${parseInt(session.reason?.summary ?? '', 10)}` : ''}`;
    case 'stuck':
      return `Stuck ${timer(since)}`;
    case 'working':
      return 'Working';
    case 'idle':
      return `Idle ${age(since)}`;
    case 'ended':
      return short ? 'Ended' : shortTime(session.stateSince, now);
  }
}

/** What it does or waits for, in one line. */
export function doing(session: Session): string {
  const reason = session.reason?.summary ?? '';
  const agent = session.agents.find((entry) => entry.state === 'working');
  const call = session.openCalls[session.openCalls.length - 1];
  switch (session.state) {
    case 'need':
      return reason === '' ? 'Waits for you' : isQuestion(session) ? `Question: ${reason}` : `Asks: ${reason.replace(/^Bash: /, '').replace(/^(\w+): /, '$1 ')}`;
    case 'failing':
    case 'stuck':
      return reason.replace(/^\d+× /, '');
    case 'working':
      if (call) return `${call.toolName} ${call.summary}`;
      if (agent) return `${agent.agentType}: ${agent.task}`;
      return session.lastMessage || session.lastPrompt;
    case 'idle':
    case 'ended':
      return session.lastMessage === '' ? session.lastPrompt : `Turn ended. Last: ${session.lastMessage}`;
  }
}

function isQuestion(session: Session): boolean {
  return session.reason?.kind === 'question' || (session.reason?.kind.startsWith('elicitation') ?? false);
}

/** What it waits for, in two words. */
export function asks(session: Session): string {
  return isQuestion(session) ? 'a question' : 'a permission';
}

/** How other agents than Claude Code are brought back. */
const RESUME: Record<string, (id: string) => string> = { codex: (id) => `codex resume ${id}`, gemini: (id) => `gemini --resume ${id}`, cursor: (id) => `cursor-agent --resume ${id}` };

export function resumeCommand(session: Session): string {
  const folder = session.cwd === '' ? '' : `cd ${/^[\w./~-]+$/.test(session.cwd) ? session.cwd : `'${session.cwd.replaceAll("'", "'\\''")}'`} && `;
  const id = /^[\w-]+$/.test(session.sessionId) ? session.sessionId : `'${session.sessionId.replaceAll("'", "'\\''")}'`;
  return `${folder}${RESUME[session.agentProgram]?.(id) ?? `claude --resume ${id}`}`;
}

/** The whole strip as one sentence, for those who hear it. */
export function sentence(session: Session, now: number): string {
  return `${session.title || session.project} ${session.sessionId.slice(0, 8)}. ${session.title ? `${session.project}. ` : ''}${stateWords(session, now, false)}. ${doing(session)}. ${session.counts.events} events, ${session.counts.errors} errors.`;
}
