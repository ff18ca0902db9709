// What views ask the server over HTTP, beyond events and the state of the sessions.
import { parseJson } from '../contract/decode';
import { decodeGitDiff, type GitDiff } from '../contract/git-diff';
import { decodeClients, decodeDoctor, decodeLog, decodeMonitors, decodeRuns, decodeStore, type Doctor, type LiveClient, type LogLine, type OtherMonitor, type Run, type StoreState } from '../contract/machine';
import { decodeHealth, decodeStats } from '../contract/health';
import { decodeOverTime, type OverTime } from '../contract/over-time';
import { decodeSpans, type SpanReport } from '../contract/spans';
import { decodeTranscript, type TranscriptPage } from '../contract/transcript';
import type { Health, Stats } from '../contract/types';
import type { Api } from './api';

export class ViewApi {
  constructor(private readonly api: Api) {}

  async stats(minutes: number): Promise<Stats> {
    return this.api.read(`/api/v1/stats?minutes=${minutes}`, decodeStats);
  }

  async health(): Promise<Health> {
    return this.api.read('/health', decodeHealth);
  }

  /** One session; with `since` only what an event after it changed. */
  async spans(sessionId: string, since: number | undefined): Promise<SpanReport> {
    return this.api.read(`/api/v1/sessions/${encodeURIComponent(sessionId)}/spans${since === undefined ? '' : `?since=${since}`}`, decodeSpans);
  }

  /** What was said, from the end back; `agent` a subagent. */
  async transcript(sessionId: string, before: number | undefined, limit: number, agent = ''): Promise<TranscriptPage> {
    const parameters = new URLSearchParams({ limit: String(limit), ...(before === undefined ? {} : { before: String(before) }), ...(agent === '' ? {} : { agent }) });
    return this.api.read(`/api/v1/sessions/${encodeURIComponent(sessionId)}/transcript?${parameters}`, decodeTranscript);
  }

  async gitDiff(path: string): Promise<GitDiff> {
    return this.api.read(`/api/v1/files/diff?${new URLSearchParams({ path, against: 'git' })}`, decodeGitDiff);
  }

  /** Undefined from a server without sums. */
  async overTime({ from, to, step, group }: { from: number; to: number; step: string; group: string }): Promise<OverTime | undefined> {
    return decodeOverTime(parseJson(await this.api.text(`/api/v1/stats?${new URLSearchParams({ minutes: '1', from: String(Math.round(from)), to: String(Math.round(to)), step, group })}`)));
  }

  async clients(): Promise<LiveClient[]> {
    return this.api.read('/api/v1/clients', decodeClients);
  }

  async doctor(): Promise<Doctor> {
    return this.api.read('/api/v1/doctor', decodeDoctor);
  }

  async monitors(): Promise<OtherMonitor[]> {
    return this.api.read('/api/v1/monitors', decodeMonitors);
  }

  async store(): Promise<StoreState> {
    return this.api.read('/api/v1/store', decodeStore);
  }

  async log(lines: number): Promise<LogLine[]> {
    return this.api.read(`/api/v1/log?tail=${lines}`, decodeLog);
  }

  async runs(): Promise<Run[]> {
    return this.api.read('/api/v1/runs', decodeRuns);
  }
}
