// A session of which nothing is known (yet).
import type { SessionReport } from './session-report';
import { NO_SILENCES } from './time-axis';

export function emptyReport(version: string): SessionReport {
  return {
    version, spans: [], lanes: [], silences: NO_SILENCES, spending: { at: 0, parts: [] }, path: new Float64Array(), calls: 0, failed: 0, marks: [], waits: [], agents: [], todos: [], files: [], requests: [], from: 0, events: 0, truncated: false, told: false, leftOut: 0,
  };
}
