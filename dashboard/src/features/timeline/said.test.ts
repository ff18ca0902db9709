// Proves how what was said is read: joined with its calls, failures never folded, nothing of Markdown but weight and code.
import { expect, it } from 'vitest';
import { decodeTranscript, type SaidEntry } from '../../contract/transcript';
import { emptyReport } from '../../live/empty-report';
import { itemsOf, joined, piecesOf } from './said';

const entry = (offset: number, role: string, blocks: object[], more: object = {}): object => ({ offset, role, time: new Date(1000 * offset).toISOString(), blocks, ...more });
const read = (...entries: object[]): SaidEntry[] => decodeTranscript({ entries, bytes: 1 })?.entries ?? [];
const use = (id: string, seq: number, more: object = {}): object => ({ type: 'tool_use', text: JSON.stringify({ command: `run ${id}\nmore` }), tool: 'Bash', tool_use_id: id, ...(seq > 0 ? { seq, status: 'ok' } : {}), ...more });
const result = (id: string, text: string, more: object = {}): object => ({ type: 'tool_result', text, tool_use_id: id, ...more });

it('puts prompts, answers and calls in their order, with the end of what failed', () => {
  const entries = read(
    entry(1, 'user', [{ type: 'text', text: 'Fix it' }], { is_prompt: true }),
    entry(2, 'assistant', [{ type: 'thinking', text: 'hm' }, { type: 'text', text: 'I look.' }, use('a', 7)]),
    entry(3, 'user', [result('a', 'Exit code 1\none\ntwo', { is_error: true })]),
    entry(4, 'assistant', [use('b', 0)]),
    entry(5, 'compaction', [{ type: 'text', text: 'Conversation compacted' }]),
    entry(6, 'user', [{ type: 'text', text: 'Summary of all' }], { is_summary: true }),
    entry(7, 'user', [{ type: 'text', text: '[Request interrupted by user]' }], { is_prompt: true }),
  );
  const report = { ...emptyReport(''), marks: [{ seq: 3, time: 1200, kind: 'prompt.submitted', what: '', label: '', agentId: '' }] };
  const items = itemsOf(entries, report, 1e9, new Set());
  expect(items.map((item) => [item.type, 'text' in item ? item.text : ''])).toEqual([['prompt', 'Fix it'], ['thinking', 'hm'], ['text', 'I look.'], ['calls', ''], ['note', 'Context compacted'], ['note', 'What was kept of the context'], ['note', 'Interrupted']]);
  expect(items[0]).toMatchObject({ seq: 3 });
  expect(items[3]).toMatchObject({ calls: [{ seq: 7, state: 'failed', tail: 'Exit code 1\none\ntwo', label: 'run a' }, { seq: 0, state: 'open', label: 'run b' }] });
});

it('folds quiet calls, never one that failed or runs or was just made', () => {
  const calls = Array.from({ length: 20 }, (_, index) => use(`c${index}`, index + 1, index === 9 ? { status: 'failed' } : {}));
  const entries = read(entry(1, 'assistant', calls));
  const [run] = itemsOf(entries, emptyReport(''), 1e9, new Set());
  expect(run?.type === 'calls' && [run.hidden, run.calls.map(({ seq }) => seq)]).toEqual([13, [1, 2, 3, 10, 18, 19, 20]]);
  const [recent] = itemsOf(entries, emptyReport(''), 2000, new Set());
  expect(recent?.type === 'calls' && recent.hidden).toBe(0);
  const [whole] = itemsOf(entries, emptyReport(''), 1e9, new Set([run?.key ?? '']));
  expect(whole?.type === 'calls' && whole.calls.length).toBe(20);
});

it('joins windows by line, the later reading of one in place of the earlier', () => {
  const early = read(entry(1, 'user', [{ type: 'text', text: 'a' }]), entry(2, 'assistant', [use('x', 0)]));
  const late = read(entry(2, 'assistant', [use('x', 5)]), entry(3, 'user', [result('x', 'done')]));
  expect(joined(early, late).map(({ offset, blocks }) => [offset, blocks[0]?.seq])).toEqual([[1, 0], [2, 5], [3, 0]]);
});

it('takes weight and code from Markdown, and leaves all else as it was written', () => {
  expect(piecesOf('see **this** in `a.rs` *now* <b>x</b>')).toEqual([{ kind: 'text', text: 'see ' }, { kind: 'strong', text: 'this' }, { kind: 'text', text: ' in ' }, { kind: 'code', text: 'a.rs' }, { kind: 'text', text: ' *now* <b>x</b>' }]);
  expect(piecesOf('before\n```rust\nfn a() {}\n```\nafter')).toEqual([{ kind: 'text', text: 'before\n' }, { kind: 'block', text: 'fn a() {}' }, { kind: 'text', text: 'after' }]);
  expect(piecesOf('```\nopen to the end')).toEqual([{ kind: 'block', text: 'open to the end' }]);
  expect(piecesOf('**not closed and `neither')).toEqual([{ kind: 'text', text: '**not closed and `neither' }]);
});
