// What the visitor wrote and the server has not accepted yet: kept in the store before it is sent, sent one at a time and in
// order, shared with the other tabs of the same site. Decides when; never sends itself.

import type { Limits } from "./frames";
import type { Store } from "./store";

/** An uploaded file, as the server described it. */
export interface Uploaded {
  id: string;
  name: string;
  media_type: string;
  size: number;
}

/** A message on its way; `failed` is the code of a refusal that only the visitor can answer. */
export interface Draft {
  id: string;
  text: string;
  attachments: Uploaded[];
  /** When it was written, in milliseconds. */
  at: number;
  failed?: string;
}

/** Most drafts that wait at once; more are refused, and stay in the composer. */
export const MOST_DRAFTS = 100;
/** How long another tab may take with its own draft before this one sends it too, and how long its trace stays. */
const OTHERS_MS = 3_000;
/** How long the server may take to accept; then the connection counts as dead. */
export const ACCEPT_MS = 20_000;

const KEY = "outbox";

export class Outbox {
  /** The one that was sent and not answered, and when. */
  inFlight: { id: string; since: number } | null = null;
  #drafts: Draft[];
  /** Nothing is sent before this moment, because the server asked for patience. */
  #heldUntil = 0;
  /** When this connection sent, for the server's limit of messages in a time. */
  #sentAt: number[] = [];
  /** Drafts of other tabs, and from when on this tab helps. */
  readonly #foreign = new Map<string, number>();
  /** Drafts that another tab got rid of; shown until the log has them. */
  #ghosts: { draft: Draft; until: number }[] = [];

  constructor(private readonly store: Store) {
    this.#drafts = this.#read();
  }

  /** Everything that waits, in order. */
  list(): readonly Draft[] {
    return this.#drafts;
  }

  /** Also what other tabs just sent and the log does not hold yet. */
  shown(logged: (id: string) => boolean, now: number): Draft[] {
    this.#ghosts = this.#ghosts.filter((ghost) => ghost.until > now && !logged(ghost.draft.id));
    return [...this.#ghosts.map((ghost) => ghost.draft), ...this.#drafts.filter((draft) => !logged(draft.id))];
  }

  get(id: string): Draft | undefined {
    return this.#drafts.find((draft) => draft.id === id);
  }

  /** Keeps `draft`; false where the box is full. */
  add(draft: Draft): boolean {
    this.#drafts = this.#read();
    if (this.#drafts.length >= MOST_DRAFTS) return false;
    this.#drafts.push(draft);
    this.#write();
    return true;
  }

  /** Lets go of `id`: it was accepted, or the visitor discarded it. */
  remove(id: string): void {
    if (this.inFlight?.id === id) this.inFlight = null;
    this.#foreign.delete(id);
    this.#change((draft) => (draft.id === id ? null : draft));
  }

  /** Sets `id` aside until the visitor decides. */
  fail(id: string, code: string): void {
    if (this.inFlight?.id === id) this.inFlight = null;
    this.#change((draft) => (draft.id === id ? { ...draft, failed: code } : draft));
  }

  /** Sends `id` once more, in its old place. */
  retry(id: string): void {
    this.#change((draft) => {
      if (draft.id !== id) return draft;
      const { failed: _, ...rest } = draft;
      return rest;
    });
  }

  /** Sends nothing for `ms`; what was in flight goes again then. */
  hold(now: number, ms: number): void {
    this.#heldUntil = Math.max(this.#heldUntil, now + ms);
    this.inFlight = null;
  }

  /** Until when the server asked for patience; null where it did not. */
  held(now: number): number | null {
    return this.#heldUntil > now ? this.#heldUntil : null;
  }

  /** A new connection: nothing is in flight, and everything that waits goes again. */
  restart(): void {
    this.inFlight = null;
    this.#sentAt = [];
  }

  /** The draft to send now, or the moment to look again, or null: nothing to do. */
  next(now: number, limits: Limits): Draft | number | null {
    if (this.inFlight) return null;
    const draft = this.#drafts.find((one) => one.failed === undefined);
    if (!draft) return null;
    this.#sentAt = this.#sentAt.filter((at) => at > now - limits.seconds * 1000);
    const oldest = this.#sentAt[0];
    const paced = oldest !== undefined && this.#sentAt.length >= limits.messages ? oldest + limits.seconds * 1000 : 0;
    const from = Math.max(this.#heldUntil, paced, this.#foreign.get(draft.id) ?? 0);
    return from > now ? from : draft;
  }

  sent(id: string, now: number): void {
    this.inFlight = { id, since: now };
    this.#sentAt.push(now);
  }

  /** When something here changes by itself. */
  due(): number | null {
    const moments = this.#ghosts.map((ghost) => ghost.until);
    if (this.inFlight) moments.push(this.inFlight.since + ACCEPT_MS);
    return moments.length > 0 ? Math.min(...moments) : null;
  }

  /** Another tab changed the box. */
  reload(now: number): void {
    const before = this.#drafts;
    this.#drafts = this.#read();
    for (const draft of this.#drafts) {
      if (!before.some((one) => one.id === draft.id)) this.#foreign.set(draft.id, now + OTHERS_MS);
    }
    for (const draft of before) {
      if (this.get(draft.id)) continue;
      if (this.inFlight?.id === draft.id) this.inFlight = null;
      if (draft.failed === undefined) this.#ghosts.push({ draft, until: now + OTHERS_MS });
    }
  }

  clear(): void {
    this.restart();
    this.#ghosts = [];
    this.#foreign.clear();
    this.#drafts = [];
    this.store.remove(KEY);
  }

  #change(each: (draft: Draft) => Draft | null): void {
    this.#drafts = this.#read().map(each).filter((draft): draft is Draft => draft !== null);
    this.#write();
  }

  #read(): Draft[] {
    try {
      const value: unknown = JSON.parse(this.store.get(KEY) ?? "[]");
      return Array.isArray(value) ? value.filter(isDraft).slice(0, MOST_DRAFTS) : [];
    } catch {
      return [];
    }
  }

  #write(): void {
    if (this.#drafts.length > 0) this.store.set(KEY, JSON.stringify(this.#drafts));
    else this.store.remove(KEY);
  }
}

function isDraft(value: unknown): value is Draft {
  const draft = value as Partial<Draft> | null;
  return (
    typeof draft === "object" && draft !== null && typeof draft.id === "string" && typeof draft.text === "string" &&
    typeof draft.at === "number" && Array.isArray(draft.attachments)
  );
}
