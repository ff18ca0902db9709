// Proves that what a person has to judge is shown whole and as it is, whatever asks.
import { expect, it } from 'vitest';
import { decodeEvent } from '../../contract/decode';
import type { MonitorEvent } from '../../contract/types';
import { exact } from './exact';
import { needOf } from './need';

function asked(tool: string, input: unknown, more: Record<string, unknown> = {}): MonitorEvent {
  const event = decodeEvent({ seq: 1, time: '2026-11-20T12:00:00Z', kind: 'permission.requested', namespace: '/hook', event: 'permission_request', tool_name: tool, summary: 'short', data: { tool_input: input, permission_mode: 'default', ...more } });
  if (!event) throw new Error('unreachable: the test event is well-formed');
  return event;
}

it('shows what cannot be seen, and changes nothing else', () => {
  const shown = (text: string): string => exact(text).map(({ text: piece, escape }) => (escape ? `[${piece}]` : piece)).join('');
  expect(shown('git push\nnow')).toBe('git push\nnow');
  expect(shown('rm \u202e-rf\u202c /\u200btmp\u0000\u001b[2K\r\t')).toBe('rm [\\u202e]-rf[\\u202c] /[\\u200b]tmp[\\0][\\e][2K[\\r][\\t]');
  expect(shown('a\u00a0b\u3000c\ufeff\ud800 \u{e0061}é日👍')).toBe('a[\\xa0]b[\\u3000]c[\\ufeff][\\ud800] [\\u{e0061}]é日👍');
  const long = `echo ${'x'.repeat(100_000)} && rm -rf /`;
  expect(exact(long)).toEqual([{ text: long, escape: false }]);
});

it('tells a command, with what the agent says beside it and never in its place', () => {
  const need = needOf(asked('Bash', { command: 'git push --force origin main', description: 'Push safely' }, { permission_suggestions: [{ type: 'addRules', rules: [{ toolName: 'Bash', ruleContent: 'git push:*' }], behavior: 'allow', destination: 'localSettings' }] }), undefined);
  expect(need).toMatchObject({ title: 'git push', wants: 'wants to run a command', wanted: { kind: 'command', command: 'git push --force origin main' }, says: 'Push safely', rules: ['allow Bash(git push:*), in local settings'], mode: 'default; it asks' });
});

it('tells a change as lines, from bodies that were loaded apart', () => {
  const event = asked('Edit', { file_path: '/w/a.yml', old_string: { bytes: 3, sha256: 'x' }, new_string: { bytes: 3, sha256: 'y' } });
  expect(needOf(event, undefined).wanted.kind).toBe('other');
  expect(needOf(event, { file_path: '/w/a.yml', old_string: 'a\nb', new_string: 'a\nc', replace_all: true })).toMatchObject({ title: 'edit a.yml', wants: 'wants to change a file', wanted: { kind: 'change', change: { path: '/w/a.yml', hunks: [[' a', '-b', '+c']], added: 1, removed: 1, everywhere: true } } });
  expect(needOf(asked('Write', { file_path: '/w/new', content: 'a\nb' }), undefined)).toMatchObject({ title: 'write new', wanted: { change: { hunks: [['+a', '+b']], added: 2, removed: 0 } } });
  expect(needOf(asked('MultiEdit', { file_path: '/w/m', edits: [{ old_string: 'a', new_string: 'b' }, { old_string: 'c', new_string: '' }] }), undefined)).toMatchObject({ wanted: { change: { hunks: [['-a', '+b'], ['-c']], added: 1, removed: 2 } } });
});

it('tells questions with their options, plans, and anything else field by field', () => {
  const questions = [{ question: 'Keep them?', header: 'Routes', multiSelect: true, options: [{ label: 'Keep', description: 'for a year' }, 'Drop'] }];
  expect(needOf(asked('AskUserQuestion', { questions }), undefined)).toMatchObject({ title: 'Routes', wants: 'asks a question', wanted: { questions: [{ question: 'Keep them?', several: true, options: [{ label: 'Keep', description: 'for a year' }, { label: 'Drop', description: '' }] }] } });
  expect(needOf(asked('ExitPlanMode', { plan: '1. go' }), undefined).wanted).toEqual({ kind: 'plan', plan: '1. go' });
  expect(needOf(asked('mcp__db__run', { sql: 'drop table x', limit: 3 }), undefined)).toMatchObject({ wants: 'wants to use mcp__db__run', wanted: { parts: [{ title: 'sql', text: 'drop table x' }, { title: 'limit', text: '3' }] } });
  expect(needOf(asked('', undefined, { message: 'Claude needs your permission' }), undefined)).toMatchObject({ wants: 'waits for you', wanted: { parts: [{ title: 'Message', text: 'Claude needs your permission' }] } });
});

it('leaves nothing out that was given beside it', () => {
  const beside = (event: MonitorEvent): string[] => needOf(event, undefined).beside.map(({ title, text }) => `${title}=${text}`);
  expect(beside(asked('Bash', { command: 'ls', description: 'Look', run_in_background: true, dangerouslyDisableSandbox: true, timeout: 0 }))).toEqual(['run_in_background=true', 'dangerouslyDisableSandbox=true', 'timeout=0']);
  expect(beside(asked('Edit', { file_path: '/w/a', old_string: 'a', new_string: 'b', mode: 'insert' }))).toEqual(['mode=insert']);
  expect(beside(asked('MultiEdit', { file_path: '/w/a', edits: [{ old_string: 'a', new_string: 'b' }, { delete: 'all' }] }))).toEqual(['edit={\n  "delete": "all"\n}']);
  expect(beside(asked('ExitPlanMode', { plan: '1. go', allowedPrompts: [{ tool: 'Bash', prompt: 'run tests' }] }))[0]).toContain('run tests');
  expect(needOf(asked('AskUserQuestion', { questions: [{ question: 'Which?', options: [{ label: 'A', description: '', preview: '<b>A</b>' }] }], answers: {} }), undefined)).toMatchObject({ wanted: { questions: [{ options: [{ preview: '<b>A</b>' }] }] }, beside: [{ title: 'answers', text: '{}' }] });
  expect(needOf(asked('mcp__db__run', { sql: '', dry: null }), undefined)).toMatchObject({ wanted: { parts: [{ title: 'sql', text: '' }, { title: 'dry', text: 'null' }] } });
  expect(needOf(asked('Read', { file_path: '/etc/x' }, { permission_suggestions: [{ type: 'addDirectories', directories: ['/etc', '/srv'], destination: 'session' }, { type: 'odd' }] }), undefined).rules).toEqual(['work also in /etc, /srv, for this session', '{\n  "type": "odd"\n}']);
});
