// Tells a person who looks elsewhere that a session needs them: only when they asked for it, once for each question.
import { app } from '../../state/app.svelte';
import { settings } from '../../state/settings.svelte';
import { doing } from '../bay/strip-words';

/** Asks the browser; says in words when it will not. */
export async function allowNotifications(): Promise<void> {
  if (!('Notification' in window)) return app.toast('This browser has no notifications');
  const answer = Notification.permission === 'default' ? await Notification.requestPermission() : Notification.permission;
  settings.setNotify(answer === 'granted');
  app.toast(answer === 'granted' ? 'A notification comes when a session needs you and this page is not in front' : 'The browser does not allow notifications here. Its settings for this site say so');
}

export function watchNeeds(): void {
  /** Sessions that were told, with since when they wait. */
  const told = new Map<string, number>();
  /** What waited already when the page was opened is on it; that is no news. */
  let opening = true;
  $effect(() => {
    if (!app.loaded) return;
    const first = opening;
    opening = false;
    for (const session of app.sessions) {
      if (session.state !== 'need') {
        told.delete(session.sessionId);
        continue;
      }
      if (told.get(session.sessionId) === session.stateSince) continue;
      told.set(session.sessionId, session.stateSince);
      if (!first && settings.notify && document.hidden && 'Notification' in window && Notification.permission === 'granted') {
        const note = new Notification(`${session.title || session.project} needs you`, { body: doing(session), tag: session.sessionId });
        note.onclick = () => {
          window.focus();
          app.showReason(session, `session:${session.sessionId.slice(0, 8)}`);
          note.close();
        };
      }
    }
  });
}
