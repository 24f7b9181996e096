// The log: every message once, in order, at the end of it unless the visitor reads further up. What arrives is read aloud;
// what is only replayed is not.

import { Bubble } from "./bubble";
import { button, el, mark, show } from "./dom";
import { items } from "./items";
import type { Item } from "./items";
import type { Room } from "./room";

/** Nearer to the end than this counts as being there. */
const NEAR_PX = 48;
/** How long a fresh link may take before the visitor is told. */
const RENEW_MS = 10_000;

export class Thread {
  readonly node: HTMLElement;
  /** Jumps to the end; shown where there is something new below. */
  readonly newest: HTMLButtonElement;
  readonly #list = el("div", "list");
  readonly #choices: HTMLElement;
  readonly #bubbles = new Map<string, Bubble>();
  readonly #days = new Map<string, HTMLElement>();
  #stick = true;
  #top = 0;
  #newestKey = "";
  #choicesOf = "";
  #renewing: { seq: number; index: number; since: number } | null = null;

  constructor(private readonly room: Room) {
    const { words } = room.speech;
    this.#choices = el("div", "choices", { role: "group", hidden: true });
    this.node = el(
      "div",
      "log",
      { role: "log", "aria-live": "off", "aria-relevant": "additions", "aria-label": words.messages, tabindex: "0" },
      el("p", "greeting", {}, words.greeting),
      this.#list,
      this.#choices,
    );
    this.newest = button("newest", words.newest, () => this.toEnd());
    this.newest.hidden = true;
    this.node.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    // The window changes, and what stands in it: a picture takes its room only when it has come.
    const observer = new ResizeObserver(() => this.#settle());
    observer.observe(this.node);
    observer.observe(this.#list);
  }

  /** Whether the end of the log is in view. */
  get atEnd(): boolean {
    return this.#stick;
  }

  update(): void {
    const { session, speech } = this.room;
    const now = Date.now();
    const all = items(session, now, (at) => speech.day(at, now));
    this.#rows(all, now);
    this.#offer(all.at(-1));
    this.#live(session.catchingUp());
    this.#followRenewed();
    const last = all.at(-1);
    if (last && last.key !== this.#newestKey) {
      // What the visitor wrote themselves is always shown to them.
      if (last.from === "visitor") this.#stick = true;
      else if (!this.#stick && this.#newestKey !== "") show(this.newest, true);
      this.#newestKey = last.key;
    }
    this.#settle();
  }

  toEnd(): void {
    this.#stick = true;
    this.#settle();
    this.room.focusMain();
  }

  /** Puts every node in its place, and touches none that is there already: moving one would have it read again. */
  #rows(all: Item[], now: number): void {
    const kept = new Set<Node>();
    let place: ChildNode | null = this.#list.firstChild;
    const put = (node: HTMLElement): void => {
      kept.add(node);
      if (node === place) place = place.nextSibling;
      else this.#list.insertBefore(node, place);
    };
    let day = "";
    for (const item of all) {
      const today = this.room.speech.day(item.at, now);
      if (today !== day) put(this.#day(today));
      day = today;
      const known = this.#bubbles.get(item.key);
      const bubble = known ?? new Bubble(this.room, this, item);
      if (known) known.update(item);
      else this.#bubbles.set(item.key, bubble);
      put(bubble.node);
    }
    for (const [key, bubble] of this.#bubbles) if (!kept.has(bubble.node)) this.#bubbles.delete(key);
    for (const node of [...this.#list.childNodes]) if (!kept.has(node)) node.remove();
  }

  #day(name: string): HTMLElement {
    const known = this.#days.get(name);
    if (known) return known;
    const node = el("div", "day", {}, el("span", "", {}, name));
    this.#days.set(name, node);
    return node;
  }

  /** The answers that the newest message proposes. */
  #offer(last: Item | undefined): void {
    const choices = last && last.from !== "visitor" && !this.room.session.ended ? last.choices : [];
    const key = choices.length > 0 ? `${last?.key} ${choices.join("\n")}` : "";
    if (key === this.#choicesOf) return;
    this.#choicesOf = key;
    const buttons = choices.slice(0, 20).map((choice) => button("choice", choice, () => this.#choose(choice)));
    for (const one of buttons) one.dir = "auto";
    this.#choices.replaceChildren(...buttons);
    show(this.#choices, choices.length > 0);
  }

  #choose(choice: string): void {
    if (this.room.session.compose(choice)) this.room.focusMain();
    else this.room.announce(this.room.speech.words.trouble);
  }

  #live(catchingUp: boolean): void {
    mark(this.node, "aria-busy", catchingUp ? "true" : null);
    if (catchingUp) mark(this.node, "aria-live", "off");
    // Only after what is old stands there.
    else setTimeout(() => mark(this.node, "aria-live", this.room.session.catchingUp() ? "off" : "polite"), 300);
  }

  #scrolled(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.node;
    const was = this.#stick;
    // Only who scrolls up leaves the end; what grows below, between our own move and this, does not.
    this.#stick = scrollHeight - scrollTop - clientHeight < NEAR_PX || (was && scrollTop >= this.#top);
    this.#top = scrollTop;
    if (!this.#stick) return;
    show(this.newest, false);
    if (!was) this.room.refresh();
  }

  #settle(): void {
    if (!this.#stick) return;
    this.node.scrollTop = this.node.scrollHeight;
    show(this.newest, false);
  }

  // ---- files whose links are too old

  renew(seq: number, index: number): void {
    this.#renewing = { seq, index, since: Date.now() };
    this.room.session.refresh(seq);
    setTimeout(() => {
      if (this.#renewing?.seq !== seq) return;
      this.#renewing = null;
      this.room.announce(this.room.speech.words.trouble);
    }, RENEW_MS);
  }

  #followRenewed(): void {
    const wanted = this.#renewing;
    if (!wanted) return;
    const entry = this.room.session.transcript.entries().find((one) => one.seq === wanted.seq);
    if (!entry || entry.got < wanted.since) return;
    this.#renewing = null;
    const files = this.#bubbles.get(entry.id !== null && entry.from === "visitor" ? entry.id : `#${entry.seq}`)?.node;
    const links = files?.querySelectorAll<HTMLAnchorElement>(".file");
    links?.[wanted.index]?.click();
  }
}
