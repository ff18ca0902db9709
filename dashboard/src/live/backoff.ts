// How long to wait before the next try to connect: endless, from half a second to ten, with jitter.

export const RETRY_MS_MIN = 500;
export const RETRY_MS_MAX = 10_000;

/** `attempt` counts from 0; `random` lies in 0..1. The jitter keeps many tabs from coming back in the same moment. */
export function retryDelay(attempt: number, random: number): number {
  const full = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(attempt, 16));
  return Math.round(full * (0.5 + random * 0.5));
}
