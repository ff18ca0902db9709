// What of an event can be copied, as plain text that pastes well.
import { isJsonObject } from '../../contract/decode';
import type { Detail } from '../../live/protocol';
import { app } from '../../state/app.svelte';
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
    ...(command === undefined ? [] : [{ key: 'm', label: 'Command', text: () => command }]),
    ...(session ? [{ key: 'r', label: 'Resume command', text: () => resumeCommand(session) }] : []),
    { key: 't', label: 'Row, with tabs between', text: () => [isoLocal(row.time), row.project, row.agent, row.what, `${row.detail} ${row.extra}`.trim(), row.tookMs ?? ''].join('\t') },
    { key: 'u', label: 'curl command', text: () => `curl ${app.origin}/api/v1/events/${row.seq}` },
  ];
}
