// What keys and palette may ask of the list, without knowing how it is built.
import type { EventRow } from '../../live/rows';

export interface GridControl {
  step(by: number): void;
  page(by: number): void;
  start(): void;
  follow(): void;
  toggleFollow(): void;
  focus(): void;
  focusFilter(): void;
  /** The selected row, when it is on screen. */
  selectedRow(): EventRow | undefined;
}

export const gridControl: { current: GridControl | undefined } = { current: undefined };
