// When to try again: full jitter between one second and a minute, doubling. Pure: randomness comes in.

const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;
const RESTART_MS = 15_000;

/** Milliseconds to wait before attempt number `attempt` (0 is the first after a loss); `random` is in [0, 1). */
export function backoff(attempt: number, random: number): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt + 1, 10));
  return FIRST_MS + Math.floor(random * (ceiling - FIRST_MS));
}

/** Milliseconds to wait after a server said that it restarts (1012), so that not everybody comes back at once. */
export function afterRestart(random: number): number {
  return Math.floor(random * RESTART_MS);
}
