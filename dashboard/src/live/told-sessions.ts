// Sessions as the server tells them: fetched whole once, then followed by what changed, while somebody looks at one.
import type { SpanReport, WireSpan } from '../contract/spans';
import { ApiError } from './api';
import type { ViewApi } from './view-api';

/** Second tellings change spans of long ago, which a question for what is new does not bring. */
const WHOLE_EVERY_MS = 60_000;
/** A server that has no such answer, or no such session, is not asked again at once. */
const AGAIN_AFTER_MS = 10_000;
const KEPT_MAX = 2;

export interface Told {
  report: SpanReport;
  spans: ReadonlyMap<string, WireSpan>;
  /** Changes with every answer. */
  version: number;
}

interface Kept {
  report: SpanReport;
  spans: Map<string, WireSpan>;
  version: number;
  /** The session's last event when it was asked. */
  askedAt: number;
  wholeAt: number;
}

export class ToldSessions {
  readonly #kept = new Map<string, Kept>();
  readonly #refused = new Map<string, number>();
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(private readonly api: Pick<ViewApi, 'spans'>, private readonly now: () => number = () => Date.now()) {}

  /** What the server tells of a session whose newest event is `lastSeq`; undefined where it tells nothing. */
  async of(sessionId: string, lastSeq: number): Promise<Told | undefined> {
    if (this.now() < (this.#refused.get(sessionId) ?? 0)) return this.#kept.get(sessionId);
    const kept = this.#kept.get(sessionId);
    if (!kept || kept.report.partial || lastSeq > kept.askedAt) {
      let asking = this.#underWay.get(sessionId);
      if (!asking) {
        asking = this.#ask(sessionId, lastSeq, kept).finally(() => this.#underWay.delete(sessionId));
        this.#underWay.set(sessionId, asking);
      }
      await asking;
    }
    return this.#kept.get(sessionId);
  }

  async #ask(sessionId: string, lastSeq: number, kept: Kept | undefined): Promise<void> {
    const follows = kept !== undefined && !kept.report.partial && this.now() - kept.wholeAt < WHOLE_EVERY_MS;
    try {
      const report = await this.api.spans(sessionId, follows ? kept.report.seq : undefined);
      const spans = follows ? kept.spans : new Map<string, WireSpan>();
      for (const span of report.spans) spans.set(span.id, span);
      this.#kept.delete(sessionId);
      this.#kept.set(sessionId, { report: { ...report, spans: [] }, spans, version: (kept?.version ?? 0) + 1, askedAt: lastSeq, wholeAt: follows ? kept.wholeAt : this.now() });
      for (const [oldest] of this.#kept) if (this.#kept.size > KEPT_MAX) this.#kept.delete(oldest);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) this.#kept.delete(sessionId);
      this.#refused.set(sessionId, this.now() + AGAIN_AFTER_MS);
    }
  }
}
