// One line of text per event, joined in chunks of 4,096 rows, so that a search is `indexOf` over long strings.

export const CHUNK_ROWS = 4096;

interface Chunk {
  /** Chunk number: sequence number of the first row divided by the chunk size. */
  number: number;
  /** While rows change: one string a row. `undefined` once joined. */
  rows: string[] | undefined;
  joined: string;
  /** Start of every row in `joined`, and its length + 1 at the end. */
  offsets: Uint32Array | undefined;
}

export class TextChunks {
  readonly #chunks: (Chunk | undefined)[];

  /** `capacity` in rows, like the ring's. */
  constructor(capacity: number) {
    this.#chunks = new Array<Chunk | undefined>(Math.max(1, Math.ceil(capacity / CHUNK_ROWS)) + 1);
  }

  /** `line` must not hold a line break: the joined text is cut at them. */
  set(seq: number, line: string): void {
    this.#rowsOf(seq)[seq % CHUNK_ROWS] = line;
  }

  append(seq: number, more: string): void {
    const rows = this.#rowsOf(seq);
    const row = seq % CHUNK_ROWS;
    rows[row] = (rows[row] ?? '') + more;
  }

  get(seq: number): string {
    const number = Math.floor(seq / CHUNK_ROWS);
    const chunk = this.#chunks[number % this.#chunks.length];
    if (!chunk || chunk.number !== number) return '';
    const row = seq % CHUNK_ROWS;
    if (chunk.rows) return chunk.rows[row] ?? '';
    const offsets = chunk.offsets;
    return offsets ? chunk.joined.slice(offsets[row], (offsets[row + 1] ?? 1) - 1) : '';
  }

  /** Calls `hit` with the sequence number of each row of the chunk that contains `needle`, oldest first. */
  search(number: number, needle: string, hit: (seq: number) => void): void {
    const chunk = this.#chunks[number % this.#chunks.length];
    if (!chunk || chunk.number !== number) return;
    seal(chunk);
    const { joined, offsets } = chunk;
    if (!offsets) return;
    let at = joined.indexOf(needle);
    let row = 0;
    while (at !== -1) {
      row = rowAt(offsets, at, row);
      hit(number * CHUNK_ROWS + row);
      at = joined.indexOf(needle, offsets[row + 1]);
    }
  }

  /** Joins chunks that do not change any more, which halves their memory. */
  sealBelow(seq: number): void {
    const limit = Math.floor(seq / CHUNK_ROWS);
    for (const chunk of this.#chunks) if (chunk && chunk.number < limit) seal(chunk);
  }

  #rowsOf(seq: number): string[] {
    const number = Math.floor(seq / CHUNK_ROWS);
    const place = number % this.#chunks.length;
    let chunk = this.#chunks[place];
    if (!chunk || chunk.number !== number) {
      chunk = { number, rows: new Array<string>(CHUNK_ROWS).fill(''), joined: '', offsets: undefined };
      this.#chunks[place] = chunk;
    }
    if (!chunk.rows) {
      chunk.rows = chunk.joined.split('\n');
      chunk.joined = '';
      chunk.offsets = undefined;
    }
    return chunk.rows;
  }
}

function seal(chunk: Chunk): void {
  const rows = chunk.rows;
  if (!rows) return;
  const offsets = new Uint32Array(CHUNK_ROWS + 1);
  let at = 0;
  for (let row = 0; row < CHUNK_ROWS; row += 1) {
    offsets[row] = at;
    at += (rows[row] ?? '').length + 1;
  }
  offsets[CHUNK_ROWS] = at;
  chunk.joined = rows.join('\n');
  chunk.offsets = offsets;
  chunk.rows = undefined;
}

/** The last row that starts at or before `position`; rows below `from` are known not to be it. */
function rowAt(offsets: Uint32Array, position: number, from: number): number {
  let low = from;
  let high = CHUNK_ROWS - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((offsets[middle] ?? 0) <= position) low = middle;
    else high = middle - 1;
  }
  return low;
}
