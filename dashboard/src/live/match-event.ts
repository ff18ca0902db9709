// Does one whole event match a filter? Decides as the server does: contract/filter.json is the table that both are held to.
import { isJsonObject } from '../contract/decode';
import type { Json, JsonObject, MonitorEvent } from '../contract/types';
import { asksForAll, asksForNamespace, ECHO_KINDS, levelRank, QUIET_KINDS, type Term, type TextStyle } from './filter-language';
import { baseName, isError } from './store';
import { beginsToken } from './tokens';

const PATH_KEYS = ['file', 'file_path', 'path'];
const NAME_KEYS = ['summary', 'kind', 'event', 'session_id', 'agent_id', 'agent_type', 'tool_name', 'tool_use_id', 'cwd'];

/** The page hides events that only repeat what a call's row says, unless they are asked for. */
export function matchesEvent(event: MonitorEvent, terms: readonly Term[], now: number = Date.now()): boolean {
  const hidden = !asksForAll(terms) && (ECHO_KINDS.has(event.kind) || (QUIET_KINDS.has(event.kind) && !asksForNamespace(terms)));
  return !hidden && wants(event, terms, now);
}

/** As the server decides. */
export function wants(event: MonitorEvent, terms: readonly Term[], now: number = Date.now()): boolean {
  let whole: string | undefined;
  const text = (): string => (whole ??= textOf(event));
  return terms.every((term) => {
    switch (term.kind) {
      case 'column':
        return columnMatches(event, term.key, term.values) !== term.negated;
      case 'is':
        return isState(event, term.value) !== term.negated;
      case 'text':
        return holds(event, text, term.text, term.style) !== term.negated;
      case 'regex':
        return hasMatch(event, new RegExp(term.source, 'i')) !== term.negated;
      case 'level':
        return levelOf(event) >= term.least !== term.negated;
      case 'took':
        return (event.durationMs !== undefined && (term.above ? event.durationMs > term.ms : event.durationMs < term.ms)) !== term.negated;
      case 'last':
        return event.time >= now - term.ms;
      case 'from':
        return event.time >= term.at;
      case 'to':
        return event.time <= term.at;
      case 'raw':
        return true;
    }
  });
}

function holds(event: MonitorEvent, text: () => string, wanted: string, style: TextStyle): boolean {
  return style === 'path' ? hasPath(event, wanted) : beginsToken(text(), wanted);
}

/** Whether an expression matches one of the texts by itself: `^` and `$` are its ends. */
export function hasMatch(event: MonitorEvent, pattern: RegExp): boolean {
  return partsOf(event).some((part) => pattern.test(part));
}

function textOf(event: MonitorEvent): string {
  return partsOf(event).map((part) => `${part}\n`).join('');
}

/** Everything a word can be found in: the summary, the names, and every string and number of the payload. */
function partsOf(event: MonitorEvent): string[] {
  const wire: JsonObject = isJsonObject(event.wire) ? event.wire : {};
  const parts: string[] = [];
  for (const key of NAME_KEYS) {
    const name = wire[key];
    if (typeof name === 'string') parts.push(name);
    else if (key === 'summary') parts.push('');
  }
  collect(event.data, parts);
  return parts;
}

function collect(value: Json | undefined, parts: string[]): void {
  if (typeof value === 'string') parts.push(value);
  else if (typeof value === 'number') parts.push(String(value));
  else if (Array.isArray(value)) for (const entry of value) collect(entry, parts);
  else if (isJsonObject(value)) for (const entry of Object.values(value)) collect(entry, parts);
}

/** Whether one of these paths begins at a token of those that an event names as its own. */
export function hasPath(event: MonitorEvent, paths: string): boolean {
  const own = pathsOf(event);
  return paths.split(',').some((path) => path !== '' && beginsToken(own, path));
}

/** Whether a word or a phrase begins at a token of all that is searched. */
export function hasText(event: MonitorEvent, wanted: string): boolean {
  return beginsToken(textOf(event), wanted);
}

function pathsOf(event: MonitorEvent): string {
  const data = isJsonObject(event.data) ? event.data : {};
  const input = isJsonObject(data['tool_input']) ? data['tool_input'] : {};
  const parts: string[] = [];
  for (const key of PATH_KEYS) {
    collect(data[key], parts);
    collect(input[key], parts);
  }
  return parts.join('\n');
}

function columnMatches(event: MonitorEvent, key: string, values: readonly string[]): boolean {
  const any = (name: string): boolean => values.some((value) => (value.endsWith('*') ? name.toLowerCase().startsWith(value.slice(0, -1)) : name.toLowerCase() === value));
  switch (key) {
    case 'ns':
      return any(event.namespace.slice(1)) || any(event.namespace);
    case 'type':
      return any(event.event) || any(event.kind) || values.some((value) => event.kind.startsWith(`${value}.`) || event.kind.startsWith(`${value}_`));
    case 'tool':
      return event.toolName !== '' && any(event.toolName);
    case 'agent':
      return any(event.agentType || (event.agentId === '' ? 'main' : event.agentId)) || (event.agentId !== '' && any(event.agentId));
    case 'session':
      return event.sessionId !== '' && values.some((value) => event.sessionId.toLowerCase().startsWith(value.replace(/\*+$/, '')));
    case 'project':
      return event.cwd !== '' && any(baseName(event.cwd));
    default:
      return false;
  }
}

function isState(event: MonitorEvent, value: string): boolean {
  switch (value) {
    case 'error':
      return isError(event);
    case 'open':
      return event.kind === 'tool_call.started';
    case 'need':
      return event.kind === 'permission.requested' || event.kind === 'elicitation.requested';
    default:
      return event.outcome === 'denied';
  }
}

function levelOf(event: MonitorEvent): number {
  const level = event.kind === 'log.message' && isJsonObject(event.data) ? event.data['level'] : undefined;
  return typeof level === 'string' ? (levelRank(level) ?? -1) : -1;
}
