// A filter made ready for scanning: one lookup table per column, then the text.
import { decodeEvent, parseJson } from '../contract/decode';
import type { MonitorEvent } from '../contract/types';
import { asksForAll, asksForNamespace, ECHO_KINDS, levelRank, QUIET_KINDS, type ColumnKey, type IsKey, type Term } from './filter-language';
import { hasMatch, hasPath, hasText } from './match-event';
import { Flag } from './ring';
import { baseName, type EventStore } from './store';
import { beginsToken, lineHasWord, PART } from './tokens';

type TextTerm = Extract<Term, { kind: 'text' }>;

const NEED_KINDS = new Set(['permission.requested', 'elicitation.requested']);

/** An expression that asks for the ends of a text or of a word, for white space, or for what stands beside it. */
const LOOKS_AROUND = /[$^]|\\[bBnrtsS]|\(\?/;

export class Filter {
  readonly raw: boolean;
  /** Lower-cased; the longest is searched, the others are checked on its hits. */
  readonly texts: readonly string[];
  readonly hasText: boolean;
  readonly #texts: readonly TextTerm[];
  /** By text: the names in which it stands. */
  readonly #names = new Map<string, NameTables>();
  readonly #patterns: readonly { pattern: RegExp; negated: boolean }[];
  readonly #tables: readonly { column: ColumnKey; table: Table; ofSession: Table | undefined }[];
  readonly #namespaceTables: readonly Table[];
  readonly #is: readonly { value: IsKey; negated: boolean }[];
  readonly #took: readonly { above: boolean; ms: number; negated: boolean }[];
  readonly #levels: readonly { least: number; negated: boolean }[];
  readonly #echoes: Table | undefined;
  readonly #quiet: Table | undefined;
  readonly #namespaceAsked: boolean;
  readonly #from: number;
  readonly #to: number;
  readonly #lastMs: number | undefined;

  /** `hiddenTo`: events up to this sequence number were cleared from the view. */
  constructor(private readonly store: EventStore, terms: readonly Term[], readonly hiddenTo: number = 0) {
    const columns = terms.flatMap((term) => (term.kind === 'column' ? [{ column: term.key, table: this.#table(term.key, term.values, term.negated), ofSession: term.key === 'project' ? this.#ofSession(term.values, term.negated) : undefined }] : []));
    this.#tables = columns.filter(({ column }) => column !== 'ns');
    this.#namespaceTables = columns.filter(({ column }) => column === 'ns').map(({ table }) => table);
    this.#texts = terms.flatMap((term) => (term.kind === 'text' ? [term] : []));
    for (const term of this.#texts) if (term.style !== 'path') this.#names.set(keyOf(term), new NameTables(store, term));
    // A word that stands in a name, as a session's id, is in no line: then every row has to be looked at.
    const searched = this.#texts.filter((term) => !term.negated && !term.text.includes(',') && this.#names.get(keyOf(term))?.any() !== true);
    this.texts = searched.map(({ text }) => text).sort((a, b) => b.length - a.length);
    this.#patterns = terms.flatMap((term) => (term.kind === 'regex' ? [{ pattern: new RegExp(term.source, 'i'), negated: term.negated }] : []));
    this.hasText = this.#texts.length + this.#patterns.length > 0;
    this.#is = terms.flatMap((term) => (term.kind === 'is' ? [term] : []));
    this.#took = terms.flatMap((term) => (term.kind === 'took' ? [term] : []));
    this.#levels = terms.flatMap((term) => (term.kind === 'level' ? [term] : []));
    this.#from = Math.max(-Infinity, ...terms.flatMap((term) => (term.kind === 'from' ? [term.at] : [])));
    this.#to = Math.min(Infinity, ...terms.flatMap((term) => (term.kind === 'to' ? [term.at] : [])));
    const lasts = terms.flatMap((term) => (term.kind === 'last' ? [term.ms] : []));
    this.#lastMs = lasts.length > 0 ? Math.min(...lasts) : undefined;
    this.raw = terms.findLast((term) => term.kind === 'raw')?.on ?? false;
    const kinds = (set: ReadonlySet<string>): Table | undefined => (asksForAll(terms) ? undefined : new Table((id) => set.has(store.events.name(id).split(' ')[0] ?? ''), false));
    this.#echoes = kinds(ECHO_KINDS);
    this.#quiet = kinds(QUIET_KINDS);
    this.#namespaceAsked = asksForNamespace(terms);
  }

  from(now: number): number {
    return this.#lastMs === undefined ? this.#from : Math.max(this.#from, now - this.#lastMs);
  }

  get to(): number {
    return this.#to;
  }

  get moves(): boolean {
    return this.#lastMs !== undefined;
  }

  inRange(slot: number, now: number): boolean {
    const at = this.store.ring.times[slot] ?? 0;
    return at >= this.from(now) && at <= this.#to;
  }

  /** Another row speaks for it, so it is one of its own only where its namespace is asked for. */
  isQuiet(slot: number): boolean {
    if (!this.#quiet) return false;
    return ((this.store.ring.flags[slot] ?? 0) & Flag.follows) !== 0 || this.#quiet.test(this.store.ring.events[slot] ?? 0);
  }

  namespaceMatches(slot: number, quiet: boolean): boolean {
    if (quiet && !this.#namespaceAsked) return false;
    const namespace = this.store.ring.namespaces[slot] ?? 0;
    return this.#namespaceTables.every((table) => table.test(namespace));
  }

  /** Everything but namespace, time and text. */
  columnsMatch(seq: number, slot: number): boolean {
    if (seq <= this.hiddenTo) return false;
    const { ring } = this.store;
    const flags = ring.flags[slot] ?? 0;
    if (!this.raw && (flags & Flag.merged) !== 0) return false;
    if (this.#echoes?.test(ring.events[slot] ?? 0)) return false;
    // Beside its call in one namespace it is never a row.
    if (this.#quiet && (flags & Flag.follows) !== 0 && ring.namespaces[slot] === ring.namespaces[ring.slot(ring.links[slot] ?? 0)]) return false;
    for (const { column, table, ofSession } of this.#tables) if (!this.#columnMatches(column, table, ofSession, slot)) return false;
    for (const { value, negated } of this.#is) if (this.#isState(value, seq, flags) === negated) return false;
    for (const { above, ms, negated } of this.#took) {
      const duration = ring.duration(slot);
      const hit = duration !== undefined && (above ? duration > ms : duration < ms);
      if (hit === negated) return false;
    }
    for (const { least, negated } of this.#levels) if (this.#isLevel(least, seq, slot) === negated) return false;
    return true;
  }

  textMatches(seq: number): boolean {
    if (!this.hasText) return true;
    const slot = this.store.ring.slot(seq);
    let known: string | undefined;
    const text = (): string => (known ??= this.store.searchText(seq));
    for (const term of this.#texts) if ((this.#names.get(keyOf(term))?.test(slot) || this.#lineHolds(term, text, seq)) === term.negated) return false;
    if (this.#patterns.length === 0) return true;
    for (const { pattern, negated } of this.#patterns) if (this.#matches(pattern, text, slot, seq) === negated) return false;
    return true;
  }

  /** Each text by itself. Lines are cut, and begin and end where no text does: what looks at that needs the event. */
  #matches(pattern: RegExp, line: () => string, slot: number, seq: number): boolean {
    if (LOOKS_AROUND.test(pattern.source)) return this.#inEvent(seq, (event) => hasMatch(event, pattern));
    return [...line().split(PART), ...namesOf(this.store, slot)].some((part) => pattern.test(part));
  }

  #lineHolds({ text, style }: TextTerm, line: () => string, seq: number): boolean {
    switch (style) {
      case 'word':
        return lineHasWord(line(), text);
      case 'phrase':
        // Inside `camelCase` it may begin, too, and go on over what the line has of that.
        return lineHasWord(line(), text) || (line().includes(text) && this.#inEvent(seq, (event) => hasText(event, text)));
      case 'path':
        return text.split(',').some((path) => path !== '' && line().includes(path)) && this.#inEvent(seq, (event) => hasPath(event, text));
    }
  }

  /** What a line cannot say, such as which paths are those of files, only the event knows. */
  #inEvent(seq: number, holds: (event: MonitorEvent) => boolean): boolean {
    const peer = this.raw ? 0 : (this.store.ring.peers[this.store.ring.slot(seq)] ?? 0);
    return [seq, peer].some((at) => {
      const json = at > 0 ? this.store.raw.get(at) : undefined;
      const event = json === undefined ? undefined : decodeEvent(parseJson(json));
      // What is not kept any more may be one: the server decides then.
      return event ? holds(event) : at === seq;
    });
  }

  #columnMatches(column: ColumnKey, table: Table, ofSession: Table | undefined, slot: number): boolean {
    const { ring } = this.store;
    switch (column) {
      case 'type': {
        if (table.test(ring.events[slot] ?? 0)) return true;
        const peer = ring.peers[slot] ?? 0;
        return !this.raw && peer > 0 && ring.has(peer) && table.test(ring.events[ring.slot(peer)] ?? 0);
      }
      case 'tool':
        return table.test(ring.tools[slot] ?? 0);
      case 'agent':
        return table.test(ring.agents[slot] ?? 0);
      case 'session':
        return table.test(ring.sessions[slot] ?? 0);
      case 'project':
        // What telemetry tells names a session and no folder; the column shows its session's project.
        return ofSession && (ring.folders[slot] ?? 0) === 0 ? ofSession.test(ring.sessions[slot] ?? 0) : table.test(ring.folders[slot] ?? 0);
      case 'ns':
        return table.test(ring.namespaces[slot] ?? 0);
    }
  }

  /** Levels are no column: few ask for them, and a log line's JSON is short. */
  #isLevel(least: number, seq: number, slot: number): boolean {
    if (!this.store.events.name(this.store.ring.events[slot] ?? 0).startsWith('log.message ')) return false;
    const level = /"level":"([a-z]+)"/i.exec(this.store.raw.get(seq) ?? '')?.[1] ?? '';
    return (levelRank(level) ?? -1) >= least;
  }

  #isState(value: IsKey, seq: number, flags: number): boolean {
    switch (value) {
      case 'error':
        return (flags & Flag.error) !== 0;
      case 'open':
        return (flags & Flag.open) !== 0;
      case 'denied':
        return (flags & Flag.denied) !== 0;
      case 'need':
        return NEED_KINDS.has(this.store.kindOf(seq));
    }
  }

  #table(key: ColumnKey, values: readonly string[], negated: boolean): Table {
    const { store } = this;
    const matches = values.map(matcher);
    const any = (name: string): boolean => matches.some((match) => match(name.toLowerCase()));
    const prefixed = (name: string): boolean => values.some((value) => name.toLowerCase().startsWith(value.replace(/\*+$/, '')));
    switch (key) {
      case 'ns':
        return new Table((id) => any(store.namespaces.name(id).slice(1)) || any(store.namespaces.name(id)), negated);
      case 'type':
        return new Table((id) => typeMatches(store.events.name(id).toLowerCase(), values), negated);
      case 'tool':
        return new Table((id) => id > 0 && any(store.tools.name(id)), negated);
      case 'agent':
        return new Table((id) => any(store.agentType(id)) || any(store.agentId(id)), negated);
      case 'session':
        return new Table((id) => id > 0 && prefixed(store.sessions.name(id)), negated);
      case 'project':
        return new Table((id) => id > 0 && any(baseName(store.folders.name(id))), negated);
    }
  }

  #ofSession(values: readonly string[], negated: boolean): Table {
    const matches = values.map(matcher);
    return new Table((id) => id > 0 && matches.some((match) => match(this.store.projectOf(id).toLowerCase())), negated);
  }
}

function keyOf({ style, text }: TextTerm): string {
  return `${style} ${text}`;
}

/** The names of an event, which are numbers in columns and in no line. */
function namesOf(store: EventStore, slot: number): string[] {
  const { ring } = store;
  const agent = ring.agents[slot] ?? 0;
  return [store.events.name(ring.events[slot] ?? 0).split(' ')[0] ?? '', store.sessions.name(ring.sessions[slot] ?? 0), store.agentId(agent), store.agentTypeOf(agent), store.folders.name(ring.folders[slot] ?? 0)];
}

/** In which names a text stands, by column. */
class NameTables {
  readonly #events: Table;
  readonly #sessions: Table;
  readonly #agents: Table;
  readonly #folders: Table;

  constructor(private readonly store: EventStore, { text, style }: TextTerm) {
    const holds = (name: string): boolean => name !== '' && (style === 'word' ? beginsToken(name, text) : name.toLowerCase().includes(text));
    this.#events = new Table((id) => holds(store.events.name(id).split(' ')[0] ?? ''), false);
    this.#sessions = new Table((id) => holds(store.sessions.name(id)), false);
    this.#agents = new Table((id) => holds(store.agentTypeOf(id)) || holds(store.agentId(id)), false);
    this.#folders = new Table((id) => holds(store.folders.name(id)), false);
  }

  test(slot: number): boolean {
    const { ring } = this.store;
    return this.#events.test(ring.events[slot] ?? 0) || this.#sessions.test(ring.sessions[slot] ?? 0) || this.#agents.test(ring.agents[slot] ?? 0) || this.#folders.test(ring.folders[slot] ?? 0);
  }

  /** Does it stand in any name that is known? */
  any(): boolean {
    const { store } = this;
    const some = (table: Table, size: number): boolean => Array.from({ length: size }, (_, id) => id).some((id) => table.test(id));
    return some(this.#events, store.events.size) || some(this.#sessions, store.sessions.size) || some(this.#agents, store.agentCount) || some(this.#folders, store.folders.size);
  }
}

/** Answers "does this number match" from a byte per number, filled when first asked. */
class Table {
  readonly #answers = new Uint8Array(65_536);

  constructor(private readonly predicate: (id: number) => boolean, private readonly negated: boolean) {}

  test(id: number): boolean {
    let answer = this.#answers[id];
    if (answer === 0) {
      answer = this.predicate(id) !== this.negated ? 1 : 2;
      this.#answers[id] = answer;
    }
    return answer === 1;
  }
}

/** A value matches whole, or by its beginning when it ends with `*`. */
function matcher(value: string): (name: string) => boolean {
  if (value.endsWith('*')) return (name) => name.startsWith(value.slice(0, -1));
  return (name) => name === value;
}

/** `name` is "kind event"; a value may be the event, the kind, or the kind's first word, as in `type:tool`. */
function typeMatches(name: string, values: readonly string[]): boolean {
  const [kind = '', event = ''] = name.split(' ');
  return values.some((value) => {
    if (value.endsWith('*')) return event.startsWith(value.slice(0, -1)) || kind.startsWith(value.slice(0, -1));
    return event === value || kind === value || kind.startsWith(`${value}.`) || kind.startsWith(`${value}_`);
  });
}
