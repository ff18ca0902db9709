// Which state of the fleet line is chosen: the bay shows only its sessions, the list only their events.
import type { SessionState } from '../../contract/types';
import { columnValues, withColumn } from '../../live/filter-language';
import { app } from '../../state/app.svelte';

class Fleet {
  state = $state<SessionState | ''>('');

  toggle(state: SessionState): void {
    if (this.state === state) {
      this.state = '';
      app.setFilter(withColumn(app.route.filter, 'session', []));
      return;
    }
    this.state = state;
    app.narrowSessions = true;
    const ids = app.sessions.filter((session) => session.state === state).map((session) => session.sessionId.slice(0, 8));
    if (app.route.view === 'live' && ids.length > 0) app.setFilter(withColumn(app.route.filter, 'session', ids));
  }

  /** The chip may have been taken away in the filter bar. */
  forget(): void {
    if (this.state !== '' && columnValues(app.route.filter, 'session').length === 0 && app.counts[this.state] > 0) this.state = '';
  }
}

export const fleet = new Fleet();
