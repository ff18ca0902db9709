// Every key of the page, in one table: what `?` prints is what works.
import { app } from '../../state/app.svelte';
import { withColumn } from '../../live/filter-language';
import { settings } from '../../state/settings.svelte';
import { exportShown } from '../live/export';
import { fleet } from './fleet.svelte';
import { gridControl } from './grid-control';
import { VIEWS, openView } from './views';

interface Binding {
  keys: readonly string[];
  says: string;
  group: string;
  /** Works while typing too. */
  always?: boolean;
  run: () => void;
}

function nextAttention(by: 1 | -1): void {
  const waiting = app.sessions.filter(({ state, reason }) => (state === 'need' || state === 'failing' || state === 'stuck') && (reason?.seq ?? 0) > 0);
  const at = waiting.findIndex(({ reason }) => reason?.seq === app.route.event);
  const next = waiting[at < 0 ? (by > 0 ? 0 : waiting.length - 1) : (at + by + waiting.length) % waiting.length];
  // A key that does nothing is taken for a broken one.
  if (!next) return app.toast(app.loaded ? 'No session needs attention' : 'The server has not told its sessions yet');
  app.showReason(next);
}

function openCopies(): void {
  if (app.route.event > 0) app.overlay = 'copy';
}

/** Only rows like the selected one, or none of them: by its tool, else by its kind. */
function byValue(minus: string): void {
  const row = gridControl.current?.selectedRow();
  if (!row) return app.toast('Select a row first');
  const token = row.tool === '' ? `type:${row.kind}` : `tool:${row.tool}`;
  const line = minus === '' ? withColumn(app.route.filter, token.split(':')[0] ?? '', [token.slice(token.indexOf(':') + 1)]) : `${app.route.filter} -${token}`.trim();
  app.setFilter(line);
}

/** Closes what lies on top: overlay, inspector, selection; one thing a press. */
function escape(): void {
  if (app.overlay !== 'none') app.overlay = 'none';
  else if (app.route.event > 0) app.go({ event: 0 });
  else if (app.route.item !== '' && app.route.view !== 'live') app.go({ item: '' });
  else if (fleet.state !== '') fleet.toggle(fleet.state);
  else if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
}

export const BINDINGS: readonly Binding[] = [
  { keys: ['Mod+k'], group: 'Everywhere', says: 'Search or jump', always: true, run: () => (app.overlay = app.overlay === 'palette' ? 'none' : 'palette') },
  { keys: ['Mod+e'], group: 'Everywhere', says: 'Export what the filter shows', always: true, run: () => void exportShown() },
  { keys: ['Mod+r'], group: 'Everywhere', says: 'Clear the view (the server keeps everything; F5 reloads)', always: true, run: () => app.clear() },
  { keys: ['Escape'], group: 'Everywhere', says: 'Close what is on top', always: true, run: escape },
  ...VIEWS.map(({ view, label }, index) => ({ keys: [String(index + 1)], group: 'Views', says: label, run: () => openView(view) })),
  { keys: ['/'], group: 'List', says: 'Filter', run: () => gridControl.current?.focusFilter() },
  { keys: ['j', 'ArrowDown'], group: 'List', says: 'Next row', run: () => gridControl.current?.step(1) },
  { keys: ['k', 'ArrowUp'], group: 'List', says: 'Previous row', run: () => gridControl.current?.step(-1) },
  { keys: ['Home'], group: 'List', says: 'First row', run: () => gridControl.current?.start() },
  { keys: ['End'], group: 'List', says: 'Newest row, and follow', run: () => gridControl.current?.follow() },
  { keys: ['PageUp'], group: 'List', says: 'A screen up', run: () => gridControl.current?.page(-1) },
  { keys: ['PageDown'], group: 'List', says: 'A screen down', run: () => gridControl.current?.page(1) },
  { keys: ['Enter'], group: 'List', says: 'Open the row', run: () => (app.inspectorOpen = true) },
  { keys: ['f'], group: 'List', says: 'Follow or pause', run: () => gridControl.current?.toggleFollow() },
  { keys: ['n'], group: 'Sessions', says: 'Next session that needs attention', run: () => nextAttention(1) },
  { keys: ['p'], group: 'Sessions', says: 'Previous session that needs attention', run: () => nextAttention(-1) },
  { keys: [' '], group: 'List', says: 'Peek: details beside the list, on and off', run: () => (app.inspectorOpen = !app.inspectorOpen) },
  { keys: ['c'], group: 'Selected event', says: 'Copy: JSON, link, command, resume command', run: openCopies },
  { keys: ['x'], group: 'Selected event', says: 'Exclude rows like the selected one', run: () => byValue('-') },
  { keys: ['i'], group: 'Selected event', says: 'Only rows like the selected one', run: () => byValue('') },
  { keys: ['l'], group: 'Everywhere', says: 'Copy a link to what is shown', run: () => void app.copy(location.href, 'Link') },
  { keys: ['['], group: 'Everywhere', says: 'Sessions wide or narrow', run: () => (app.bayOpen = !app.bayOpen) },
  { keys: [']'], group: 'Everywhere', says: 'Details open or closed', run: () => (app.inspectorOpen = !app.inspectorOpen) },
  { keys: ['t'], group: 'Everywhere', says: 'Theme', run: () => app.setTheme(app.theme === 'dark' ? 'light' : 'dark') },
  { keys: ['z'], group: 'Everywhere', says: 'Times: local, UTC, ago, since the session began', run: () => app.cycleTime() },
  { keys: ['?'], group: 'Everywhere', says: 'These keys', run: () => (app.overlay = app.overlay === 'keys' ? 'none' : 'keys') },
];

/** Keys that the views themselves listen to; printed here, so that `?` names every key. */
export const VIEW_KEYS: readonly { keys: readonly string[]; says: string; group: string }[] = [
  { keys: ['w', 's'], says: 'Zoom in and out', group: 'Timeline' },
  { keys: ['a', 'd'], says: 'Earlier and later', group: 'Timeline' },
  { keys: [',', '.'], says: 'Previous and next call', group: 'Timeline' },
  { keys: ['0'], says: 'The whole session', group: 'Timeline' },
  { keys: ['e'], says: 'Next error', group: 'Timeline' },
  { keys: ['j', 'k'], says: 'Next and previous change', group: 'Files' },
  { keys: ['u'], says: 'Unified or split', group: 'Files' },
  { keys: ['j', 'k'], says: 'Next and previous item', group: 'Todos' },
  { keys: ['h', 'l'], says: 'List of the session before and after', group: 'Todos' },
  { keys: ['ArrowLeft', 'ArrowRight'], says: 'Move the crosshair', group: 'Usage' },
  { keys: ['g'], says: 'Group cost by model, agent, project', group: 'Usage' },
];

const GRID_KEYS = new Set(['ArrowDown', 'ArrowUp', 'Home', 'End', 'PageUp', 'PageDown', 'Enter', ' ']);

export function handleKey(event: KeyboardEvent): void {
  const mod = event.ctrlKey || event.metaKey;
  if (event.altKey || event.isComposing || (mod && event.shiftKey)) return;
  const name = mod ? `Mod+${event.key.toLowerCase()}` : event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const binding = BINDINGS.find(({ keys }) => keys.includes(name));
  if (!binding) return;
  if (!binding.always && (typing(event.target) || app.overlay !== 'none' || !settings.singleKeys)) return;
  // Keys of the list work from the list (or from nothing at all), not from a button that is focused.
  if (GRID_KEYS.has(name) && !inGrid(event.target)) return;
  event.preventDefault();
  binding.run();
}

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

function inGrid(target: EventTarget | null): boolean {
  return target === document.body || (target instanceof Element && target.closest('#events') !== null);
}
