// Proves what a session can be told, and that nothing is offered where nobody would hear it.
import { expect, it, vi } from 'vitest';
import { decodeRuns } from '../contract/machine';
import { decodeSession } from '../contract/decode';
import type { Session } from '../contract/types';

vi.mock('./app.svelte', () => ({ app: {} }));
const { commandsOf } = await import('./runs.svelte');
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
