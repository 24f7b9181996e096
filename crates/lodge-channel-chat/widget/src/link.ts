// Whether there is a connection and when to try the next one: phases, turns, patience. Pure; whoever holds it opens the
// socket. Every attempt has a turn, so that what an old socket still reports is told from the present one.

import { afterRestart, backoff } from "./backoff";

/** `idle`: not wanted. `greeting`: open, `hello` said. `waiting`: until `due`. `parked`: until somebody asks. */
export type Phase = "idle" | "connecting" | "greeting" | "live" | "waiting" | "parked";

/** How long a connection may take until `welcome`. */
const WELCOME_MS = 15_000;
/** How long a connection must have lived for the next loss to count as the first. */
const STABLE_MS = 10_000;

export class Link {
  phase: Phase = "idle";
  turn = 0;
  /** When the present phase ends by itself. */
  due: number | null = null;
  /** Failed attempts in a row. */
  attempt = 0;
  #liveSince = 0;

  /** Begins an attempt and gives its turn. */
  dial(now: number): number {
    this.phase = "connecting";
    this.due = now + WELCOME_MS;
    this.turn += 1;
    return this.turn;
  }

  opened(now: number): void {
    this.phase = "greeting";
    this.due = now + WELCOME_MS;
  }

  welcomed(now: number): void {
    if (this.phase !== "live") this.#liveSince = now;
    this.phase = "live";
    this.due = null;
  }

  /** The connection is gone: when to try again follows from the close code. */
  lost(code: number, now: number, random: number): void {
    if (this.phase === "live" && now - this.#liveSince >= STABLE_MS) this.attempt = 0;
    this.phase = "waiting";
    this.due = now + (code === 1012 ? afterRestart(random) : backoff(this.attempt, random));
    this.attempt += 1;
    this.turn += 1;
  }

  /** No attempts until somebody asks. */
  rest(phase: "idle" | "parked"): void {
    this.phase = phase;
    this.due = null;
    this.attempt = 0;
    this.turn += 1;
  }

  /** Whether a socket is open or being opened. */
  busy(): boolean {
    return this.phase === "connecting" || this.phase === "greeting" || this.phase === "live";
  }
}
