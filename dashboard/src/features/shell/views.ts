// The views in the order of their keys 1 to 5.
import { app } from '../../state/app.svelte';
import type { View } from '../../state/route';

export const VIEWS: readonly { view: View; label: string; path: string }[] = [
  { view: 'live', label: 'Live', path: '/live' },
  { view: 'timeline', label: 'Timeline', path: '/s/' },
  { view: 'work', label: 'Work', path: '/work/todos' },
  { view: 'usage', label: 'Usage', path: '/usage' },
  { view: 'system', label: 'System', path: '/system' },
];

export function openView(view: View): void {
  app.narrowSessions = false;
  if (view === 'timeline' && app.route.session === '') {
    const first = app.sessions[0];
    app.go({ view, session: first?.sessionId ?? '', tab: '', item: '', range: undefined, event: 0 });
    return;
  }
  app.go({ view, tab: view === 'work' ? 'todos' : '', item: '', range: undefined, event: view === app.route.view ? app.route.event : 0 });
}
