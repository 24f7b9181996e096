// What is kept of a session between pages: its secret, whether the visitor introduced themselves, how far they have read.
// The secret goes to the store and into frames, never into an address.

import type { Store } from "./store";

interface Kept {
  secret: string;
  /** Ours: the same over renewals of the secret, another one in another conversation. */
  conversation: string;
  introduced: boolean;
}

/** What another tab did: a new secret for the same conversation, another conversation, or none any more. */
export type Change = "renewed" | "other" | "gone";

const SESSION = "session";
const SEEN = "seen";

export class Record {
  #kept: Kept | null;
  #early = false;

  constructor(private readonly store: Store) {
    this.#kept = this.#read();
  }

  get secret(): string | null {
    return this.#kept?.secret ?? null;
  }

  /** Whether the form was filled in. */
  get isIntroduced(): boolean {
    return this.#kept?.introduced ?? this.#early;
  }

  /** The highest `seq` that was before the visitor's eyes, in any tab. */
  get seen(): number {
    const seen = Number(this.store.get(SEEN));
    return Number.isSafeInteger(seen) && seen > 0 ? seen : 0;
  }

  keep(secret: string, id: () => string): void {
    if (secret === this.#kept?.secret) return;
    this.#kept = { secret, conversation: this.#kept?.conversation ?? id(), introduced: this.isIntroduced };
    this.#write();
  }

  introduced(): void {
    this.#early = true;
    if (!this.#kept) return;
    this.#kept = { ...this.#kept, introduced: true };
    this.#write();
  }

  saw(seq: number): void {
    this.store.set(SEEN, String(seq));
  }

  resetSeen(): void {
    this.store.remove(SEEN);
  }

  forget(): void {
    this.#kept = null;
    this.#early = false;
    this.store.remove(SESSION);
    this.store.remove(SEEN);
  }

  /** Reads what another tab wrote. */
  reload(): Change {
    const before = this.#kept;
    this.#kept = this.#read();
    if (!this.#kept) return "gone";
    return this.#kept.conversation === before?.conversation ? "renewed" : "other";
  }

  #write(): void {
    this.store.set(SESSION, JSON.stringify(this.#kept));
  }

  #read(): Kept | null {
    try {
      const value = JSON.parse(this.store.get(SESSION) ?? "null") as Partial<Kept> | null;
      if (typeof value?.secret !== "string" || typeof value.conversation !== "string") return null;
      return { secret: value.secret, conversation: value.conversation, introduced: value.introduced === true };
    } catch {
      return null;
    }
  }
}
