// What a person chose for this browser; kept where the browser allows it, else as long as the tab lives.
import { columnsFrom } from '../ui/columns';
import type { TimeMode } from '../ui/format';

export type Density = 'compact' | 'normal' | 'roomy';

/** Height of a row of the list. */
export const ROW_PX: Record<Density, number> = { compact: 20, normal: 24, roomy: 30 };
const DENSITIES: readonly Density[] = ['compact', 'normal', 'roomy'];
const MODES: readonly TimeMode[] = ['local', 'utc', 'relative', 'session'];

class Settings {
  density = $state<Density>(oneOf(DENSITIES, load('density'), 'normal'));
  timeMode = $state<TimeMode>(oneOf(MODES, load('time'), 'local'));
  /** Notifications for sessions that need a person. */
  notify = $state(load('notify') === 'on');
  /** What a day may cost, in dollars; 0: no limit. */
  dayLimit = $state(Math.max(0, Number(load('day-limit') ?? 0) || 0));
  singleKeys = $state(load('single-keys') !== 'off');
  /** Columns of the list, in their order. */
  columns = $state.raw<readonly string[]>(columnsFrom(load('columns')));

  constructor() {
    document.documentElement.dataset['density'] = this.density;
  }

  setDensity(density: Density): void {
    this.density = density;
    document.documentElement.dataset['density'] = density;
    store('density', density);
  }

  setTimeMode(mode: TimeMode): void {
    this.timeMode = mode;
    store('time', mode);
  }

  nextTimeMode(): TimeMode {
    this.setTimeMode(MODES[(MODES.indexOf(this.timeMode) + 1) % MODES.length] ?? 'local');
    return this.timeMode;
  }

  setDayLimit(usd: number): void {
    this.dayLimit = Number.isFinite(usd) && usd > 0 ? usd : 0;
    store('day-limit', String(this.dayLimit));
  }

  setNotify(on: boolean): void {
    this.notify = on;
    store('notify', on ? 'on' : 'off');
  }

  setColumns(columns: readonly string[]): void {
    this.columns = columnsFrom(columns.join());
    store('columns', this.columns.join());
  }

  setSingleKeys(on: boolean): void {
    this.singleKeys = on;
    store('single-keys', on ? 'on' : 'off');
  }
}

function oneOf<Value extends string>(values: readonly Value[], value: string | undefined, standard: Value): Value {
  return values.find((entry) => entry === value) ?? standard;
}

function load(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

function store(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the tab.
  }
}

export const settings = new Settings();
