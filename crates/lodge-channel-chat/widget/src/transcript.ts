// What was said in a session, by `seq`: in order, each once, however often and in whatever order it arrives.
// Knows nothing of sockets; says where something is missing, and never asks for it itself.

import type { Message } from "./frames";

/** A message of the log; `got` is when its links were last fresh, in milliseconds. */
export interface Logged extends Message {
  got: number;
}

/** What `add` found. */
export type Added = "new" | "known";

export class Transcript {
  /** Everything up to here is known, without holes. */
  last = 0;
  readonly #bySeq = new Map<number, Logged>();
  #sorted: Logged[] | null = null;

  /** Takes a message. A known one only brings fresh links: what was said is never rewritten. */
  add(message: Message, now: number): Added {
    const known = this.#bySeq.get(message.seq);
    if (known) {
      if (message.attachments.length > 0) {
        known.attachments = message.attachments;
        known.got = now;
      }
      return "known";
    }
    if (message.seq <= this.last) return "known";
    this.#bySeq.set(message.seq, { ...message, got: now });
    this.#sorted = null;
    this.#advance();
    return "new";
  }

  /** Whether the log holds the visitor's message `id`. */
  holds(id: string): boolean {
    return this.entries().some((entry) => entry.id === id);
  }

  /** Gives up the hole after `last`: the server was asked and has nothing there. */
  giveUpGap(): void {
    const next = this.entries().find((entry) => entry.seq > this.last);
    if (next) this.last = next.seq;
    this.#advance();
  }

  /** All of it, by `seq`. */
  entries(): readonly Logged[] {
    this.#sorted ??= [...this.#bySeq.values()].sort((a, b) => a.seq - b.seq);
    return this.#sorted;
  }

  /** The highest `seq` seen, holes or not. */
  newest(): number {
    return Math.max(this.last, this.entries().at(-1)?.seq ?? 0);
  }

  clear(): void {
    this.#bySeq.clear();
    this.#sorted = null;
    this.last = 0;
  }

  #advance(): void {
    while (this.#bySeq.has(this.last + 1)) this.last += 1;
  }
}
