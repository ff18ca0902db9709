// Proves what a session can be told, and that nothing is offered where nobody would hear it.
import { expect, it, vi } from 'vitest';
import { decodeRuns } from '../contract/machine';
import { decodeSession } from '../contract/decode';
import type { Session } from '../contract/types';

const ask = vi.fn();
vi.mock('./app.svelte', () => ({ app: { client: { ask } } }));
vi.stubGlobal('document', { hidden: false });
const { commandsOf, runs: watched } = await import('./runs.svelte');
const session = (fields: object): Session => {
  const made = decodeSession({ session_id: 's', state: 'working', ...fields });
  if (!made) throw new Error('no session');
  return made;
};
const runs = decodeRuns({ runs: [{ launch_id: 'a', agent_command: 'claude', launch_method: 'subprocess', pid: 1, commands: ['interrupt', 'stop', 'prompt', 'dance'] }, { launch_id: 'b', agent_command: 'claude', launch_method: 'headless', pid: 2, commands: ['interrupt', 'stop'] }] });

it('offers what the run takes, and what a run in place of its launcher takes', () => {
  expect(commandsOf(session({ launch_id: 'a', launch_method: 'subprocess' }), runs)).toEqual(['interrupt', 'stop', 'prompt']);
  expect(commandsOf(session({ launch_id: 'b' }), runs)).toEqual(['interrupt', 'stop']);
  expect(commandsOf(session({ launch_id: 'c', launch_method: 'exec' }), runs)).toEqual(['interrupt', 'stop']);
});

it('offers nothing for what is no run, what is over, and what nobody attends to', () => {
  expect(commandsOf(session({}), runs)).toEqual([]);
  expect(commandsOf(session({ launch_id: 'a', state: 'ended' }), runs)).toEqual([]);
  expect(commandsOf(session({ launch_id: 'c', launch_method: 'subprocess' }), runs)).toEqual([]);
  expect(commandsOf(session({ launch_id: 'a' }), undefined)).toEqual([]);
});

it('asks one question at a time, however many watch, leave and come back while it is under way', async () => {
  vi.useFakeTimers();
  let answer: (list: unknown) => void = () => undefined;
  ask.mockImplementation(() => new Promise((resolve) => (answer = resolve)));
  const leave = [watched.watch(), watched.watch()];
  for (const one of leave) one();
  const last = watched.watch();
  expect(ask).toHaveBeenCalledTimes(1);
  answer(runs);
  await vi.advanceTimersByTimeAsync(0);
  expect(watched.list).toEqual(runs);
  await vi.advanceTimersByTimeAsync(2000);
  expect(ask).toHaveBeenCalledTimes(2);
  answer(runs);
  await vi.advanceTimersByTimeAsync(0);
  last();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(ask).toHaveBeenCalledTimes(2);
  vi.useRealTimers();
});
