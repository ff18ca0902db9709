// What keys and palette may ask of the list, without knowing how it is built.

export interface GridControl {
  step(by: number): void;
  page(by: number): void;
  start(): void;
  follow(): void;
  toggleFollow(): void;
  focus(): void;
  focusFilter(): void;
}

export const gridControl: { current: GridControl | undefined } = { current: undefined };
