// One message: who, what, files, when, and how far it has come. Built once, then only its state changes.

import type { Attachment } from "../frames";
import { fill } from "../i18n";
import { cleanName, length, linkify, webAddress } from "../text";
import { button, el, icon, mark, setText, show } from "./dom";
import type { Item, State } from "./items";
import type { Room } from "./room";

/** Links are good for five minutes; a little less, for clocks and slow clicks. */
const FRESH_MS = 4.5 * 60_000;
/** What is shown as a picture, where it comes from our own server. Never a drawing that may hold scripts. */
const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/** What a bubble asks of the log. */
export interface Asks {
  /** A link is too old: gets a fresh one and follows it. */
  renew(seq: number, index: number): void;
}

export class Bubble {
  readonly node: HTMLElement;
  readonly #state: HTMLElement;
  readonly #trouble: HTMLElement;
  readonly #reason: HTMLElement;
  readonly #files: HTMLElement;
  #filesOf: readonly Attachment[] = [];
  #item: Item;

  constructor(
    private readonly room: Room,
    private readonly asks: Asks,
    item: Item,
  ) {
    this.#item = item;
    const { words, tag } = room.speech;
    const author = authorOf(item, room);
    const iso = new Date(item.at).toISOString();
    const time = el("time", "", { datetime: iso }, room.speech.time(item.at));
    time.title = new Intl.DateTimeFormat(tag, { dateStyle: "full", timeStyle: "short" }).format(item.at);
    this.#state = el("span", "state");
    this.#reason = el("span", "reason");
    const retry = button("link", words.retry, () => room.session.retry(item.key));
    const discard = button("link", words.discard, () => room.session.discard(item.key));
    this.#trouble = el("div", "trouble", { hidden: true }, this.#reason, retry, discard);
    this.#files = el("div", "files");
    this.node = el(
      "div",
      `message ${item.from}`,
      { "data-key": item.key },
      el("div", "author", {}, el("bdi", "", {}, author)),
      ...textOf(item.text),
      this.#files,
      el("div", "meta", {}, time, this.#state),
      this.#trouble,
    );
    this.update(item);
  }

  update(item: Item): void {
    const failsNow = item.state === "failed" && this.#item.state !== "failed";
    this.#item = item;
    mark(this.node, "data-first", item.first ? "" : null);
    mark(this.node, "data-last", item.last ? "" : null);
    mark(this.node, "data-state", item.state);
    setText(this.#state, item.state && item.state !== "failed" ? this.#stateWord(item.state) : "");
    show(this.#trouble, item.state === "failed");
    if (item.state === "failed") setText(this.#reason, this.#reasonFor(item.code));
    if (failsNow) this.room.announce(this.#reasonFor(item.code));
    if (item.attachments !== this.#filesOf && !same(item.attachments, this.#filesOf)) {
      this.#filesOf = item.attachments;
      this.#files.replaceChildren(...item.attachments.map((file, index) => this.#fileOf(file, index)));
    }
  }

  #stateWord(state: Exclude<State, "failed">): string {
    return this.room.speech.words[state];
  }

  #reasonFor(code: string | null): string {
    const { speech, session } = this.room;
    const { words } = speech;
    if (code === "text_too_long") {
      const over = Math.max(1, length(this.#item.text) - session.limits.text);
      return `${words.notSent}. ${fill(words.tooLong, { n: speech.number(over) })}`;
    }
    if (code === "upload_refused") return `${words.notSent}. ${words.fileFailed}`;
    return words.notSent;
  }

  #fileOf(file: Attachment, index: number): HTMLElement {
    const url = webAddress(file.href, this.room.settings.base);
    const name = cleanName(file.name) || "?";
    const link = el(
      "a",
      "file",
      { target: "_blank", rel: "noopener noreferrer", onclick: (event: MouseEvent) => this.#follow(event, index) },
      icon("file"),
      el("bdi", "name", {}, name),
      el("bdi", "size", {}, this.room.speech.size(file.size)),
    );
    link.href = url?.href ?? "#";
    link.referrerPolicy = "no-referrer";
    const ours = url?.origin === new URL(this.room.settings.base).origin;
    if (ours && PICTURES.includes(file.media_type)) this.#picture(link, url.href, name);
    return link;
  }

  /** Shows the picture in place of its name; what cannot be loaded stays a name. */
  #picture(link: HTMLElement, href: string, name: string): void {
    const image = el("img", "", { alt: name, decoding: "async", referrerpolicy: "no-referrer" });
    image.onload = () => link.classList.add("pictured");
    image.onerror = () => image.remove();
    image.src = href;
    link.prepend(image);
  }

  #follow(event: MouseEvent, index: number): void {
    const isFresh = Date.now() - this.#item.got < FRESH_MS && this.#filesOf[index]?.href;
    if (isFresh) return;
    event.preventDefault();
    if (this.#item.seq !== null) this.asks.renew(this.#item.seq, index);
  }
}

/** Who speaks, in words for everybody; in the log it is shown above the first of a group. */
export function authorOf(item: Pick<Item, "from" | "name">, room: Room): string {
  const { words } = room.speech;
  const name = item.name === null ? "" : cleanName(item.name);
  if (item.from === "visitor") return words.you;
  return name || (item.from === "bot" ? words.bot : words.team);
}

function textOf(text: string): HTMLElement[] {
  if (text === "") return [];
  const body = el("div", "text", { dir: "auto" });
  // Overrides of direction have no use in a text, but to make it read as another.
  for (const part of linkify(text.replace(/[\u202d\u202e]/gu, ""))) {
    if (part.href === undefined) {
      body.append(part.text);
      continue;
    }
    const link = el("a", "", { rel: "noopener noreferrer", target: "_blank" }, part.text);
    link.href = part.href;
    link.referrerPolicy = "no-referrer";
    body.append(link);
    if (part.host !== undefined) body.append(el("span", "host", {}, ` (${part.host})`));
  }
  return [body];
}

function same(a: readonly Attachment[], b: readonly Attachment[]): boolean {
  return a.length === b.length && a.every((one, at) => one.href === b[at]?.href && one.name === b[at]?.name);
}
