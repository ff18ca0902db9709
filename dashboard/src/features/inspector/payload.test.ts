// Proves that input and output are told apart, and that every left-out body can be asked for.
import { expect, it } from 'vitest';
import { decodeEvent } from '../../contract/decode';
import { rowOfEvent } from '../../live/history';
import type { Detail } from '../../live/protocol';
import { contentText, follow } from './content';
import { inputOf, outputOf } from './payload';

function detail(wire: Record<string, unknown>): Detail {
  const event = decodeEvent({ seq: 1, time: '2026-11-20T12:00:00.000Z', kind: 'tool_call.finished', namespace: '/hook', event: 'post_tool', ...wire });
  if (!event) throw new Error('unreachable: the test event is well-formed');
  return { row: rowOfEvent(event), event, end: undefined, same: [], around: [] };
}

const body = { bytes: 27, lines: 1, sha256: 'ee51' };

it('puts stdout before the rest and leaves empty values out', () => {
  const parts = outputOf(detail({ data: { tool_input: { command: 'ls' }, tool_response: { exit_code: 1, stderr: '', stdout: 'a\nb', interrupted: false } } }));
  expect(parts.map(({ title, text }) => [title, text])).toEqual([['stdout', 'a\nb'], ['exit_code', '1']]);
});

it('offers each body to be loaded, at its own place', () => {
  const cut = [{ path: '/tool_input/old_string', bytes: 27, reason: 'body' }, { path: '/tool_response/structuredPatch', bytes: 40, reason: 'body' }];
  const edit = detail({ cut, data: { tool_input: { file_path: 'a.rs', old_string: body }, tool_response: { filePath: 'a.rs', structuredPatch: body }, change: { path: 'a.rs', added: 2, removed: 1 } } });
  expect(inputOf(edit).map(({ title, text, cut: left }) => [title, text, left?.path])).toEqual([['file_path', 'a.rs', undefined], ['old_string', '', '/tool_input/old_string']]);
  expect(outputOf(edit).map(({ title, text, cut: left }) => [title, text, left?.path])).toEqual([['Change', 'a.rs  +2 −1', undefined], ['filePath', 'a.rs', undefined], ['structuredPatch', '', '/tool_response/structuredPatch']]);
});

it('follows pointers, and says when they lead nowhere', () => {
  expect([follow({ a: [{ 'b/c': 1 }] }, '/a/0/b~1c'), follow({ a: 1 }, '/a/b'), follow({ a: 1 }, '')]).toEqual([1, undefined, { a: 1 }]);
});

it('prints a loaded patch as a diff', () => {
  const answer = JSON.stringify({ seq: 1, data: { tool_response: { structuredPatch: [{ oldStart: 4, oldLines: 2, newStart: 4, newLines: 2, lines: [' a', '-b', '+c\u001b[2J'] }] } } });
  expect(contentText(answer, '/tool_response/structuredPatch')).toBe('@@ -4,2 +4,2 @@\n a\n\u001b[31m-b\u001b[39m\n\u001b[32m+c\\u001b[2J\u001b[39m');
});

it('shows what a question is about, without the hook\'s common fields', () => {
  const asked = detail({ kind: 'permission.requested', event: 'permission_request', data: { hook_event_name: 'PermissionRequest', permission_mode: 'default', tool_input: { command: 'git push' }, permission_suggestions: ['x'] } });
  expect(outputOf(asked).map(({ title }) => title)).toEqual(['command', 'permission_suggestions']);
});
