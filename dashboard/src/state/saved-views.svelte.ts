// Filters that a person gave a name; kept in this browser.
import { isJsonObject, parseJson } from '../contract/decode';
import type { Json } from '../contract/types';

export interface SavedView {
  name: string;
  filter: string;
  columns: string;
}

const KEY = 'views';
const VIEWS_MAX = 40;
const NAME_CHARS_MAX = 60;

/** Nothing that is kept is trusted: another version may have written it. */
export function viewsFrom(kept: unknown): SavedView[] {
  if (!Array.isArray(kept)) return [];
  const views = kept.slice(0, VIEWS_MAX).flatMap((entry: Json) => {
    if (!isJsonObject(entry) || typeof entry['name'] !== 'string' || entry['name'] === '' || typeof entry['filter'] !== 'string') return [];
    const columns = entry['columns'];
    return [{ name: entry['name'].slice(0, NAME_CHARS_MAX), filter: entry['filter'], columns: typeof columns === 'string' ? columns : '' }];
  });
  // Each is known by its name: of two the later one is meant.
  return [...new Map(views.map((view) => [view.name, view])).values()];
}

class SavedViews {
  list = $state.raw<readonly SavedView[]>(viewsFrom(parseJson(load())));

  /** One of the same name is replaced. */
  save(view: SavedView): void {
    const name = view.name.trim().slice(0, NAME_CHARS_MAX);
    if (name === '') return;
    this.#keep([...this.list.filter((other) => other.name !== name), { ...view, name }].slice(-VIEWS_MAX));
  }

  remove(name: string): void {
    this.#keep(this.list.filter((view) => view.name !== name));
  }

  #keep(list: readonly SavedView[]): void {
    this.list = list;
    try {
      localStorage.setItem(KEY, JSON.stringify(list));
    } catch {
      // Storage may be forbidden; the views then last as long as the tab.
    }
  }
}

function load(): string {
  try {
    return localStorage.getItem(KEY) ?? '';
  } catch {
    return '';
  }
}

export const savedViews = new SavedViews();
