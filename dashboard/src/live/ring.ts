// The columns of the kept events: a struct of arrays of a power-of-two size, where an event's slot is its sequence number masked.

/** About 55 bytes an event: 14.4 MB at the default size. */
export const RING_EVENTS_DEFAULT = 262_144;

export const Flag = {
  error: 1,
  /** The first event of a call (`tool_call.started`). */
  call: 2,
  /** A call without an end so far. */
  open: 4,
  /** The end of a call whose first event is kept too: not a row of its own unless every event is shown. */
  merged: 8,
  /** Told by a subagent. */
  child: 16,
  denied: 32,
  interrupted: 64,
  /** The call's end will not come: the server does not list it as open any more. */
  endless: 128,
  /** Told because of a call whose row is here: that row speaks for it, unless its kind or namespace is asked for. */
  follows: 256,
};

export interface Columns {
  seq: number;
  time: number;
  namespace: number;
  event: number;
  session: number;
  agent: number;
  tool: number;
  /** The working folder. */
  folder: number;
  /** Milliseconds, or undefined when the event has none. */
  durationMs: number | undefined;
  flags: number;
}

export class Ring {
  readonly mask: number;
  readonly seqs: Float64Array;
  readonly times: Float64Array;
  readonly namespaces: Uint8Array;
  readonly events: Uint16Array;
  readonly sessions: Uint16Array;
  readonly agents: Uint16Array;
  readonly tools: Uint16Array;
  readonly folders: Uint16Array;
  /** Milliseconds + 1; 0 means none. */
  readonly durations: Uint32Array;
  readonly flags: Uint16Array;
  /** The other half of a call: its end for the first event, its first event for the end; 0 when unknown. */
  readonly peers: Float64Array;
  /** Of what follows from a call: the call. Of a call: the event whose words its row adds. 0 for none. */
  readonly links: Float64Array;
  /** Highest sequence number seen. */
  high = 0;
  count = 0;

  constructor(readonly capacity: number = RING_EVENTS_DEFAULT) {
    if (capacity < 2 || (capacity & (capacity - 1)) !== 0) throw new RangeError(`ring capacity ${capacity} is no power of two`);
    this.mask = capacity - 1;
    this.seqs = new Float64Array(capacity);
    this.times = new Float64Array(capacity);
    this.namespaces = new Uint8Array(capacity);
    this.events = new Uint16Array(capacity);
    this.sessions = new Uint16Array(capacity);
    this.agents = new Uint16Array(capacity);
    this.tools = new Uint16Array(capacity);
    this.folders = new Uint16Array(capacity);
    this.durations = new Uint32Array(capacity);
    this.flags = new Uint16Array(capacity);
    this.peers = new Float64Array(capacity);
    this.links = new Float64Array(capacity);
  }

  /** The lowest sequence number that still has a slot. */
  get floor(): number {
    return Math.max(1, this.high - this.capacity + 1);
  }

  /** `% capacity` for any safe integer; a bitwise mask alone would cut at 32 bits. */
  slot(seq: number): number {
    return seq % this.capacity;
  }

  has(seq: number): boolean {
    return seq > 0 && seq >= this.floor && seq <= this.high && this.seqs[seq % this.capacity] === seq;
  }

  /** Would `put` take it: is it new, and not older than what the ring holds? */
  accepts(seq: number): boolean {
    return seq > 0 && seq > this.high - this.capacity && !this.has(seq);
  }

  put(row: Columns): void {
    const slot = this.slot(row.seq);
    if (row.seq > this.high) this.high = row.seq;
    const old = this.seqs[slot] ?? 0;
    if (old === 0) this.count += 1;
    this.seqs[slot] = row.seq;
    this.times[slot] = row.time;
    this.namespaces[slot] = row.namespace;
    this.events[slot] = row.event;
    this.sessions[slot] = row.session;
    this.agents[slot] = row.agent;
    this.tools[slot] = row.tool;
    this.folders[slot] = row.folder;
    this.flags[slot] = row.flags;
    this.peers[slot] = 0;
    this.links[slot] = 0;
    this.setDuration(slot, row.durationMs);
  }

  setDuration(slot: number, durationMs: number | undefined): void {
    this.durations[slot] = durationMs === undefined ? 0 : Math.min(0xffff_fffe, Math.max(0, Math.round(durationMs))) + 1;
  }

  duration(slot: number): number | undefined {
    const kept = this.durations[slot] ?? 0;
    return kept === 0 ? undefined : kept - 1;
  }
}
