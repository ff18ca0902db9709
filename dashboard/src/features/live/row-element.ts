// One row element of the list; it writes to the page only what differs from what it shows already.
import type { DividerRow, EventRow, Row } from '../../live/rows';
import { age, clock, isoLocal, millis, timer, took, type TimeMode } from '../../ui/format';

export interface Look {
  timeMode: TimeMode;
  /** Lower-cased words to underline. */
  highlights: readonly string[];
  now: number;
  /** When each session began, for times counted from there. */
  starts: ReadonlyMap<string, number>;
}

let ids = 0;

export class RowElement {
  readonly id = `row-${(ids += 1)}`;
  readonly #root = document.createElement('div');
  readonly #time = cell('t');
  readonly #clock = document.createElement('b');
  readonly #millis = document.createTextNode('');
  readonly #project = cell('p');
  readonly #session = cell('s');
  readonly #agent = cell('a');
  readonly #event = cell('e');
  readonly #what = cell('k');
  readonly #detail = cell('m');
  readonly #took = cell('d');
  readonly #divider = document.createElement('div');
  readonly #dividerText = document.createElement('span');
  readonly #progress = document.createElement('progress');
  #row: Row | undefined;
  #key = '';
  #y = NaN;

  constructor(parent: HTMLElement) {
    this.#root.id = this.id;
    this.#time.append(this.#clock, this.#millis);
    this.#divider.className = 'divider';
    this.#divider.setAttribute('role', 'gridcell');
    this.#progress.max = 1;
    this.#progress.setAttribute('aria-label', 'loading');
    this.#divider.append(this.#dividerText, this.#progress);
    parent.append(this.#root);
    this.#root.setAttribute('role', 'row');
    this.#root.append(this.#time, this.#project, this.#session, this.#agent, this.#event, this.#what, this.#detail, this.#took, this.#divider);
  }

  hide(): void {
    this.#root.hidden = true;
    this.#row = undefined;
    this.#key = '';
  }

  show(row: Row, index: number, y: number, look: Look, selected: number): void {
    if (this.#root.hidden) this.#root.hidden = false;
    if (y !== this.#y) {
      this.#y = y;
      this.#root.style.transform = `translateY(${y}px)`;
    }
    const key = `${index} ${row.type === 'event' && row.seq === selected} ${look.timeMode} ${look.highlights.join(' ')} ${look.timeMode === 'relative' ? look.now : ''}`;
    if (row === this.#row && key === this.#key) return;
    const same = this.#row !== undefined && key === this.#key && JSON.stringify(row) === JSON.stringify(this.#row);
    this.#row = row;
    this.#key = key;
    if (same) return;
    this.#root.setAttribute('aria-rowindex', String(index + 2));
    if (row.type === 'divider') this.#showDivider(row);
    else this.#showEvent(row, look, row.seq === selected);
  }

  /** A running call's timer goes on, and relative times grow. */
  tick(look: Look): void {
    const row = this.#row;
    if (row?.type !== 'event') return;
    if (row.running || row.state === 'need') write(this.#took, timer(look.now - row.time));
    if (look.timeMode === 'relative') write(this.#clock, age(look.now - row.time));
  }

  #showEvent(row: EventRow, look: Look, selected: boolean): void {
    const state = row.state === 'error' ? ' err' : row.state === 'need' ? ' need' : '';
    this.#root.className = `row${state}${selected ? ' sel' : ''}${row.child ? ' child' : ''}`;
    this.#root.dataset['seq'] = String(row.seq);
    this.#root.setAttribute('aria-selected', String(selected));
    write(this.#clock, timeOf(row, look));
    this.#time.title = isoLocal(row.time);
    const rest = look.timeMode === 'relative' || look.timeMode === 'session' ? '' : `.${millis(row.time)}`;
    if (this.#millis.data !== rest) this.#millis.data = rest;
    write(this.#project, row.project);
    write(this.#session, row.sessionId.slice(0, 8));
    write(this.#agent, row.agent);
    write(this.#event, `${row.namespace} ${row.event}`);
    write(this.#what, row.what);
    this.#what.className = `k k-${row.tone}`;
    this.#writeDetail(row, look.highlights);
    const running = row.running || row.state === 'need';
    write(this.#took, running ? timer(look.now - row.time) : row.tookMs === undefined ? '' : took(row.tookMs));
    this.#took.className = `d${row.slow ? ' slow' : ''}${running ? ' run' : ''}`;
    this.#took.title = row.slow ? 'Slower than 95 of 100 calls of this tool' : running ? 'Still running' : '';
  }

  #writeDetail(row: EventRow, highlights: readonly string[]): void {
    const word = row.state === 'denied' ? 'denied · ' : row.state === 'interrupted' ? 'interrupted · ' : '';
    const extra = row.extra === '' ? [] : [quiet(row.detail === '' ? row.extra : row.state === 'error' ? ` · ${row.extra}` : ` ${row.extra}`, highlights)];
    const parts = marked(word + row.detail, highlights);
    const times = row.times > 1 ? [repeats(row.times)] : [];
    this.#detail.replaceChildren(...times, ...parts, ...extra);
    this.#detail.title = '';
  }

  #showDivider(row: DividerRow): void {
    this.#root.className = `row is-divider d-${row.tone}`;
    delete this.#root.dataset['seq'];
    this.#root.removeAttribute('aria-selected');
    write(this.#dividerText, row.text);
    this.#progress.hidden = row.progress === undefined;
    if (row.progress !== undefined) this.#progress.value = row.progress;
  }
}

function timeOf(row: EventRow, look: Look): string {
  if (look.timeMode === 'relative') return age(look.now - row.time);
  const start = look.timeMode === 'session' ? look.starts.get(row.sessionId) : undefined;
  return start === undefined ? clock(row.time, look.timeMode === 'utc') : `+${timer(row.time - start)}`;
}

function cell(name: string): HTMLSpanElement {
  const span = document.createElement('span');
  span.className = name;
  span.setAttribute('role', 'gridcell');
  return span;
}

function write(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

function repeats(times: number): HTMLElement {
  const element = document.createElement('b');
  element.className = 'times';
  element.textContent = `×${times} `;
  element.title = `${times} times in a row; the time is that of the last`;
  return element;
}

function quiet(text: string, highlights: readonly string[]): HTMLElement {
  const element = document.createElement('em');
  element.append(...marked(text, highlights));
  return element;
}

/** The text as text nodes, with the searched words in `mark`. */
export function marked(text: string, words: readonly string[]): Node[] {
  const lower = text.toLowerCase();
  const usable = words.filter((word) => word !== '' && lower.includes(word));
  if (usable.length === 0 || lower.length !== text.length) return [document.createTextNode(text)];
  const nodes: Node[] = [];
  let at = 0;
  while (at < text.length) {
    let next = -1;
    let length = 0;
    for (const word of usable) {
      const found = lower.indexOf(word, at);
      if (found !== -1 && (next === -1 || found < next)) [next, length] = [found, word.length];
    }
    if (next === -1) break;
    if (next > at) nodes.push(document.createTextNode(text.slice(at, next)));
    const mark = document.createElement('mark');
    mark.textContent = text.slice(next, next + length);
    nodes.push(mark);
    at = next + length;
  }
  if (at < text.length) nodes.push(document.createTextNode(text.slice(at)));
  return nodes;
}
