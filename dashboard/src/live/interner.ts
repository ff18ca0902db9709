// Gives strings small numbers, so that a column holds one or two bytes an event.

export class Interner {
  readonly #ids = new Map<string, number>();
  readonly #names: string[] = [];

  /** `limit` is what the column can hold; every name beyond it shares the last number, shown as "other". */
  constructor(private readonly limit: number) {
    this.id('');
  }

  id(name: string): number {
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    const id = this.#names.length;
    if (id >= this.limit) return this.limit - 1;
    const kept = id === this.limit - 1 ? 'other' : name;
    this.#ids.set(name, id);
    this.#names.push(kept);
    return id;
  }

  find(name: string): number | undefined {
    return this.#ids.get(name);
  }

  name(id: number): string {
    return this.#names[id] ?? '';
  }

  get size(): number {
    return this.#names.length;
  }

  names(): readonly string[] {
    return this.#names;
  }
}
