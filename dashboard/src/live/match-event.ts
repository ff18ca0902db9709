// Does one event match a filter? For events that are not in the ring.
import type { MonitorEvent } from '../contract/types';
import { ECHO_KINDS, type Term } from './filter-language';
import { searchWords } from './search-words';
import { baseName, isError } from './store';

/** Positive words are the server's to judge: it searches the whole payload, of which we may have only a part. */
export function matchesEvent(event: MonitorEvent, terms: readonly Term[], now: number = Date.now()): boolean {
  const line = `${event.summary} ${event.event} ${event.toolName} ${event.agentType} ${searchWords(event.data)}`.toLowerCase();
  const asked = terms.some((term) => (term.kind === 'raw' && term.on) || (term.kind === 'column' && term.key === 'type' && !term.negated));
  if (!asked && ECHO_KINDS.has(event.kind)) return false;
  return terms.every((term) => {
    switch (term.kind) {
      case 'column':
        return columnMatches(event, term.key, term.values) !== term.negated;
      case 'is':
        return isState(event, term.value) !== term.negated;
      case 'text':
        return !term.negated || !line.includes(term.text);
      case 'regex':
        return new RegExp(term.source, 'i').test(line) !== term.negated;
      case 'took':
        return (event.durationMs !== undefined && (term.above ? event.durationMs >= term.ms : event.durationMs < term.ms)) !== term.negated;
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

function columnMatches(event: MonitorEvent, key: string, values: readonly string[]): boolean {
  const any = (name: string): boolean => values.some((value) => (value.endsWith('*') ? name.toLowerCase().startsWith(value.slice(0, -1)) : name.toLowerCase() === value));
  switch (key) {
    case 'ns':
      return any(event.namespace.slice(1)) || any(event.namespace);
    case 'type':
      return any(event.event) || any(event.kind) || values.some((value) => event.kind.startsWith(`${value}.`) || event.kind.startsWith(`${value}_`));
    case 'tool':
      return any(event.toolName);
    case 'agent':
      return any(event.agentType || (event.agentId === '' ? 'main' : event.agentId)) || any(event.agentId);
    case 'session':
      return values.some((value) => event.sessionId.toLowerCase().startsWith(value));
    case 'project':
      return any(baseName(event.cwd));
    default:
      return false;
  }
}

function isState(event: MonitorEvent, value: string): boolean {
  if (value === 'error') return isError(event);
  return value === 'denied' && event.outcome === 'denied';
}
