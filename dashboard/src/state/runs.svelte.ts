// Which agents can be told something: asked for while a session that is a run is on screen, by one question for all who show it.
import type { Run } from '../contract/machine';
import type { Session } from '../contract/types';
import { app } from './app.svelte';

const EVERY_MS = 2000;

export type Command = 'interrupt' | 'stop' | 'prompt';

/** What the run of a session takes; nothing for a session that is no run of ours, or over. */
export function commandsOf(session: Session, runs: readonly Run[] | undefined): Command[] {
  if (session.launchId === '' || session.state === 'ended' || !runs) return [];
  const run = runs.find(({ launchId }) => launchId === session.launchId);
  const all: Command[] = ['interrupt', 'stop', 'prompt'];
  if (run) return all.filter((command) => run.commands.includes(command));
  // In place of its launcher it has nobody who attends to it, and takes signals all the same.
  return session.launchMethod === 'exec' ? ['interrupt', 'stop'] : [];
}

class Runs {
  list = $state.raw<readonly Run[] | undefined>(undefined);
  #watchers = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking = false;

  /** Keeps the list fresh until the returned function is called. */
  watch(): () => void {
    this.#watchers += 1;
    // A question that is still under way goes on for the next who watches.
    if (this.#watchers === 1 && !this.#asking) void this.#round();
    return () => {
      this.#watchers -= 1;
      if (this.#watchers === 0) clearTimeout(this.#timer);
    };
  }

  async #round(): Promise<void> {
    this.#asking = true;
    try {
      if (!document.hidden) this.list = await app.client.ask({ what: 'runs' });
    } catch {
      // A server without runs has nobody to tell; one that is away says so elsewhere.
      this.list = this.list ?? undefined;
    }
    this.#asking = false;
    if (this.#watchers > 0) this.#timer = setTimeout(() => void this.#round(), EVERY_MS);
  }
}

export const runs = new Runs();
