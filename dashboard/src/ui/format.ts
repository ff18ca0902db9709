// How times, durations and amounts are written, the same everywhere.
import type { Usage } from '../contract/types';

export type TimeMode = 'local' | 'utc' | 'relative' | 'session';

const pad = (value: number, width = 2): string => String(value).padStart(width, '0');

export function clock(at: number, utc: boolean): string {
  const date = new Date(at);
  return utc
    ? `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}:${pad(date.getUTCSeconds())}`
    : `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

export function millis(at: number): string {
  return pad(((at % 1000) + 1000) % 1000, 3);
}

/** Hours and minutes, with the day when it is not today. */
export function shortTime(at: number, now: number, utc = false): string {
  const text = clock(at, utc).slice(0, 5);
  return new Date(at).toDateString() === new Date(now).toDateString() ? text : `${pad(new Date(at).getDate())}.${pad(new Date(at).getMonth() + 1)}. ${text}`;
}

export function offsetName(utc: boolean, at = Date.now()): string {
  if (utc) return 'UTC';
  const minutes = -new Date(at).getTimezoneOffset();
  if (minutes === 0) return 'UTC';
  const hours = Math.floor(Math.abs(minutes) / 60);
  const rest = Math.abs(minutes) % 60;
  return `UTC${minutes < 0 ? '−' : '+'}${hours}${rest ? `:${pad(rest)}` : ''}`;
}

export function isoLocal(at: number): string {
  const minutes = -new Date(at).getTimezoneOffset();
  const local = new Date(at + minutes * 60_000).toISOString().slice(0, 23);
  return `${local}${minutes < 0 ? '-' : '+'}${pad(Math.floor(Math.abs(minutes) / 60))}:${pad(Math.abs(minutes) % 60)}`;
}

/** A measured time: `38 ms`, `6.11 s`, `21.4 s`, `1 m 24 s`. */
export function took(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} m ${pad(Math.floor((ms % 60_000) / 1000))} s`;
  return `${Math.floor(ms / 3_600_000)} h ${pad(Math.floor((ms % 3_600_000) / 60_000))} m`;
}

/** A running timer: `2:14`, `1:02:14`. */
export function timer(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(seconds % 60)}` : `${minutes}:${pad(seconds % 60)}`;
}

/** An age in words: `12 s`, `14 min`, `3 h`, `2 d`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${pad(Math.floor((seconds % 3600) / 60))} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

const THIN_SPACE = '\u2009';

export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US').replaceAll(',', THIN_SPACE);
}

/** `7.9 M`, `61 204`. */
export function amount(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toFixed(1)} G`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  if (value >= 1e5) return `${Math.round(value / 1000)} k`;
  return count(value);
}

/** `$4.12`; a cost too small for cents is not called nothing. */
export function usd(value: number): string {
  if (value > 0 && value < 0.005) return '<$0.01';
  return `$${value >= 1000 ? count(value) : value.toFixed(2)}`;
}

/** What was spent, and how it is known: an estimate is never shown as a bill, and what has no price never as nothing. */
export function costWords(usage: Pick<Usage, 'costUsd' | 'costStatus' | 'unpriced'>): { amount: string; word: string; says: string } {
  const left = usage.unpriced.length === 0 ? '' : `; without ${usage.unpriced.join(', ')}, which ${usage.unpriced.length === 1 ? 'has' : 'have'} no price`;
  if (usage.costUsd === undefined || usage.costStatus === 'unpriced') return { amount: '', word: 'unpriced', says: `Cost: nobody reported it, and the model has no price${left}` };
  if (usage.costStatus === 'estimated') return { amount: usd(usage.costUsd), word: 'estimated', says: `Cost, estimated from tokens and prices${left}` };
  return { amount: usd(usage.costUsd), word: 'reported', says: `Cost, as the client reported it${left}` };
}

/** Tokens: `412`, `58.1 k`, `7.9 M`. */
export function tokens(value: number): string {
  if (value >= 999_500) return amount(value);
  return value >= 1000 ? `${(value / 1000).toFixed(value < 99_950 ? 1 : 0)} k` : count(value);
}

export function bytes(value: number): string {
  if (value < 1024) return `${value} B`;
  if (value < 1024 * 1024) return `${(value / 1024).toFixed(value < 10_240 ? 1 : 0)} KiB`;
  return `${(value / 1024 / 1024).toFixed(1)} MiB`;
}

export function percent(part: number, whole: number): string {
  if (whole <= 0) return 'none';
  if (part === 0) return '0%';
  const value = (part / whole) * 100;
  return value < 0.1 ? '<0.1%' : `${value.toFixed(value < 10 ? 1 : 0)}%`;
}

export function rate(value: number): string {
  return value >= 10 || value === 0 ? count(value) : value.toFixed(1);
}

/** `1 error`, `2 errors`. */
export function many(number: number, word: string): string {
  return `${count(number)} ${word}${number === 1 ? '' : 's'}`;
}
