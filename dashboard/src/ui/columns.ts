// The list's columns: which there are, how wide, and which a person chose.

export interface Column {
  /** Also the class of its cells. */
  key: string;
  label: string;
  width: string;
  /** On a screen narrower than 1180 px. */
  narrowWidth: string;
  /** Shown unless it is chosen away. */
  standard: boolean;
  /** There is no room for it below 900 px. */
  wideOnly: boolean;
}

/** In their order; Detail takes what is left and is always there. */
export const COLUMNS: readonly Column[] = [
  { key: 't', label: 'Time', width: '97px', narrowWidth: '92px', standard: true, wideOnly: false },
  { key: 'p', label: 'Project', width: '92px', narrowWidth: '80px', standard: true, wideOnly: false },
  { key: 's', label: 'Session', width: '72px', narrowWidth: '70px', standard: false, wideOnly: true },
  { key: 'a', label: 'Agent', width: '92px', narrowWidth: '76px', standard: true, wideOnly: true },
  { key: 'e', label: 'Event', width: '150px', narrowWidth: '120px', standard: false, wideOnly: true },
  { key: 'k', label: 'What', width: '82px', narrowWidth: '72px', standard: true, wideOnly: false },
  { key: 'm', label: 'Detail', width: 'minmax(0,1fr)', narrowWidth: 'minmax(0,1fr)', standard: true, wideOnly: false },
  { key: 'd', label: 'Took', width: '68px', narrowWidth: '64px', standard: true, wideOnly: false },
];

export const STANDARD_COLUMNS: readonly string[] = COLUMNS.filter(({ standard }) => standard).map(({ key }) => key);

/** What was kept of a choice: known columns in their order, Detail among them. */
export function columnsFrom(text: string | undefined): readonly string[] {
  if (text === undefined || text === '') return STANDARD_COLUMNS;
  const chosen = new Set(text.split(','));
  return COLUMNS.filter(({ key }) => key === 'm' || chosen.has(key)).map(({ key }) => key);
}

/** The columns that fit, and the widths of the row's grid. */
export function layoutOf(chosen: readonly string[], narrow: boolean, small: boolean): { shown: readonly Column[]; template: string } {
  const shown = COLUMNS.filter(({ key, wideOnly }) => chosen.includes(key) && !(small && wideOnly));
  const widths = shown.map((column) => (small && column.key === 't' ? '66px' : narrow ? column.narrowWidth : column.width));
  return { shown, template: widths.join(' ') };
}
