// What the palette offers for the typed words.
import type { FileReport } from '../../live/files-report';
import { withColumn } from '../../live/filter-language';
import { many } from '../../ui/format';
import { app, STATE_WORDS } from '../../state/app.svelte';
import { doing, resumeCommand } from '../bay/strip-words';
import { BINDINGS } from '../shell/keys';
import { allowNotifications } from '../shell/notify.svelte';
import { VIEWS, openView } from '../shell/views';

interface Choice {
  label: string;
  mono: string;
  note: string;
  tone: string;
  run: () => void;
}

interface Group {
  title: string;
  entries: Choice[];
  /** Index of its first entry among all. */
  from: number;
}

const SESSIONS_MAX = 6;
const FILES_MAX = 4;
const COMMANDS = new Set(['Mod+e', 'Mod+r', 'f', 't', 'z', '?', 'n']);

/** Commands without a key. */
const OTHERS: readonly { label: string; run: () => void }[] = [
  { label: 'Notify me when a session needs me', run: () => void allowNotifications() },
  { label: 'Settings', run: () => app.go({ view: 'system', tab: 'settings', event: 0 }) },
];

export function choices(text: string, known: readonly FileReport[]): Group[] {
  const words = text.toLowerCase().trim();
  const matches = (line: string): boolean => words.split(/\s+/).every((word) => line.toLowerCase().includes(word));
  const sessions = app.sessions
    .filter((session) => matches(`${session.project} ${session.sessionId} ${session.title} ${doing(session)} ${STATE_WORDS[session.state]}`))
    .slice(0, SESSIONS_MAX)
    .map((session) => ({ label: session.title || session.project, mono: session.sessionId.slice(0, 8), note: STATE_WORDS[session.state], tone: `w-${session.state}`, run: () => app.showReason(session, withColumn('', 'session', [session.sessionId.slice(0, 8)])) }));
  const searches = words === '' ? [] : [
    { label: `Events with “${text.trim()}”`, mono: '', note: 'Enter', tone: '', run: () => search(text.trim()) },
    { label: `Events with “${text.trim()}” and errors`, mono: '', note: '', tone: '', run: () => search(`${text.trim()} is:error`) },
  ];
  const files = words.length < 2 ? [] : known.filter(({ path }) => matches(path)).slice(0, FILES_MAX).map(({ path, touches }) => {
    const changes = touches.filter((touch) => touch.changed).length;
    return { label: '', mono: path, note: changes > 0 ? many(changes, 'change') : 'only read', tone: '', run: () => app.go({ view: 'work', tab: 'files', item: path, event: 0 }) };
  });
  const views = VIEWS.filter(({ label }) => words !== '' && matches(label)).map(({ view, label }, index) => ({ label, mono: '', note: String(index + 1), tone: '', run: () => openView(view) }));
  const commands = [
    ...BINDINGS.filter(({ keys, says }) => COMMANDS.has(keys[0] ?? '') && matches(says)).map(({ keys, says, run }) => ({ label: says, mono: '', note: (keys[0] ?? '').replace('Mod+', 'Ctrl ').toUpperCase().replace('CTRL', 'Ctrl'), tone: '', run })),
    ...OTHERS.filter(({ label }) => matches(label)).map(({ label, run }) => ({ label, mono: '', note: '', tone: '', run })),
    ...app.sessions.filter((session) => words !== '' && session.state === 'need' && matches(`copy resume command ${session.project}`)).map((session) => ({ label: `Copy resume command of ${session.project}`, mono: session.sessionId.slice(0, 8), note: '', tone: '', run: () => void app.copy(resumeCommand(session), 'Resume command') })),
  ];
  let from = 0;
  const groups: Group[] = [];
  for (const [title, entries] of ordered(words, sessions, searches, files, views, commands)) {
    if (entries.length > 0) groups.push({ title, entries, from });
    from += entries.length;
  }
  return groups;
}

/** Without words, sessions come first; with words, what was typed is searched unless a session has that name. */
function ordered(words: string, sessions: Choice[], searches: Choice[], files: Choice[], views: Choice[], commands: Choice[]): [string, Choice[]][] {
  const named = sessions.filter((choice) => choice.label.toLowerCase().includes(words) || choice.mono.startsWith(words));
  const others = sessions.filter((choice) => !named.includes(choice));
  if (words === '') return [['Sessions', sessions], ['Commands', commands]];
  return [['Sessions', named], ['Search events', searches], ['Files', files], ['Views', views], ['Commands', commands], ['Sessions that mention it', others]];
}

function search(line: string): void {
  app.go({ view: 'live', filter: line, event: 0 });
}
