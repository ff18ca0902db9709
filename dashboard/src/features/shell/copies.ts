// What of an event can be copied, as plain text that pastes well.
import { isJsonObject } from '../../contract/decode';
import { columnValues, parseFilter, withColumn } from '../../live/filter-language';
import type { Detail } from '../../live/protocol';
import { app } from '../../state/app.svelte';
import { writeRoute } from '../../state/route';
import { isoLocal } from '../../ui/format';
import { resumeCommand } from '../bay/strip-words';

export interface Copy {
  key: string;
  label: string;
  text: () => Promise<string> | string;
}

export function copies(detail: Detail): Copy[] {
  const { row, event } = detail;
  const session = app.session(row.sessionId);
  const input = isJsonObject(event.data) ? event.data['tool_input'] : undefined;
  const command = isJsonObject(input) && typeof input['command'] === 'string' ? input['command'] : undefined;
  return [
    { key: 'c', label: 'JSON', text: () => app.client.ask({ what: 'json', seq: row.seq }) },
    { key: 'l', label: 'Link', text: () => location.href },
    ...(columnValues(app.route.filter, 'last').length > 0 ? [{ key: 'a', label: 'Link with these very times', text: absoluteLink }] : []),
    ...(command === undefined ? [] : [{ key: 'm', label: 'Command', text: () => command }]),
    ...(session ? [{ key: 'r', label: 'Resume command', text: () => resumeCommand(session) }] : []),
    { key: 't', label: 'Row, with tabs between', text: () => [isoLocal(row.time), row.project, row.agent, row.what, `${row.detail} ${row.extra}`.trim(), row.tookMs ?? ''].join('\t') },
    { key: 'u', label: 'curl command', text: () => `curl ${app.origin}/api/v1/events/${row.seq}` },
  ];
}

/** `last:15m` means other events tomorrow; this names the moment from which on they were. */
function absoluteLink(): string {
  const last = parseFilter(app.route.filter).find(({ term }) => term?.kind === 'last')?.term;
  const iso = (at: number): string => new Date(at).toISOString();
  const whole = withColumn(app.route.filter, 'last', []);
  const filter = last?.kind === 'last' ? withColumn(withColumn(whole, 'to', [iso(app.clock)]), 'from', [iso(app.clock - last.ms)]) : whole;
  return location.origin + writeRoute({ ...app.route, filter }, new URL(location.href));
}
