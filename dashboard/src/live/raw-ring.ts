// The JSON of recent events as bytes in one buffer, so that a million events cost no million objects; older ones are asked from the server.

export const RAW_BYTES_DEFAULT = 64 * 1024 * 1024;
/** A larger event is always asked from the server: one of them must not push out thousands. */
const RAW_EVENT_BYTES_MAX = 256 * 1024;

export class RawRing {
  readonly #bytes: Uint8Array;
  readonly #seqs: Float64Array;
  /** Position in the endless stream of bytes written; still kept while it is not a whole buffer behind. */
  readonly #starts: Float64Array;
  readonly #lengths: Uint32Array;
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();
  #written = 0;

  constructor(private readonly capacity: number, bytes: number = RAW_BYTES_DEFAULT) {
    this.#bytes = new Uint8Array(bytes);
    this.#seqs = new Float64Array(capacity);
    this.#starts = new Float64Array(capacity);
    this.#lengths = new Uint32Array(capacity);
  }

  put(seq: number, json: string): void {
    const size = this.#bytes.length;
    const worst = json.length * 3;
    if (worst > RAW_EVENT_BYTES_MAX && json.length > RAW_EVENT_BYTES_MAX / 3) return;
    const room = size - (this.#written % size);
    if (room < worst) this.#written += room;
    const at = this.#written % size;
    const { written } = this.#encoder.encodeInto(json, this.#bytes.subarray(at));
    const slot = seq % this.capacity;
    this.#seqs[slot] = seq;
    this.#starts[slot] = this.#written;
    this.#lengths[slot] = written;
    this.#written += written;
  }

  get(seq: number): string | undefined {
    const slot = seq % this.capacity;
    const start = this.#starts[slot] ?? 0;
    if (this.#seqs[slot] !== seq || start < this.#written - this.#bytes.length) return undefined;
    const at = start % this.#bytes.length;
    return this.#decoder.decode(this.#bytes.subarray(at, at + (this.#lengths[slot] ?? 0)));
  }
}
