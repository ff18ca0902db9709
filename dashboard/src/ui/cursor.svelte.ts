// One crosshair for all charts over time that stand together.

export class Cursor {
  at = $state<number | undefined>(undefined);
}
