// What outlives a page: a few short texts under one prefix. The browser's storage may be absent, forbidden or full; then
// this page's memory holds what could not be written, and nothing throws.

/** Texts by name. */
export interface Store {
  get(key: string): string | null;
  set(key: string, value: string): void;
  remove(key: string): void;
}

/** The part of the browser's `Storage` that is used. */
export type Backing = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** A store over `backing`, which may be null or throw at any time. */
export class SafeStore implements Store {
  /** What the backing did not take; null: removed there in vain. */
  readonly #memory = new Map<string, string | null>();

  constructor(
    private readonly backing: Backing | null,
    private readonly prefix: string,
  ) {}

  get(key: string): string | null {
    const kept = this.#memory.get(key);
    if (kept !== undefined) return kept;
    try {
      return this.backing?.getItem(this.prefix + key) ?? null;
    } catch {
      return null;
    }
  }

  set(key: string, value: string): void {
    try {
      if (!this.backing) throw new Error("no storage");
      this.backing.setItem(this.prefix + key, value);
      this.#memory.delete(key);
    } catch {
      this.#memory.set(key, value);
    }
  }

  remove(key: string): void {
    try {
      this.backing?.removeItem(this.prefix + key);
      this.#memory.delete(key);
    } catch {
      this.#memory.set(key, null);
    }
  }

  /** The name behind a key of the backing, if it is one of ours. */
  own(key: string | null): string | null {
    return key?.startsWith(this.prefix) ? key.slice(this.prefix.length) : null;
  }
}

/** The browser's storage of this kind; null where asking for it already throws. */
export function browserStorage(kind: "localStorage" | "sessionStorage"): Storage | null {
  try {
    return window[kind];
  } catch {
    return null;
  }
}
