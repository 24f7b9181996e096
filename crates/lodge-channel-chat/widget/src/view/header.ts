// The head of the panel: its name, the reference once there is one, ending, closing.

import { grouped } from "../text";
import { button, el, iconButton, mark, setText, show } from "./dom";
import type { Room } from "./room";

export class Header {
  readonly node: HTMLElement;
  readonly #reference = el("p", "reference", { hidden: true });
  readonly #options: HTMLButtonElement;
  readonly #menu: HTMLElement;

  constructor(
    private readonly room: Room,
    close: () => void,
    end: () => void,
  ) {
    const { words } = room.speech;
    this.#options = iconButton("options", "more", words.options, () => this.#toggle(this.#menu.hidden !== false));
    const item = button("", words.end, () => {
      this.#toggle(false);
      end();
    });
    this.#menu = el("div", "menu", { id: "menu", hidden: true }, item);
    this.#menu.addEventListener("keydown", (event) => this.#escape(event));
    this.#options.addEventListener("keydown", (event) => this.#escape(event));
    mark(this.#options, "aria-controls", "menu");
    mark(this.#options, "aria-expanded", "false");
    const title = el("h2", "", { id: "title" }, room.settings.title ?? words.title);
    this.node = el(
      "header",
      "",
      {},
      el("div", "titles", {}, title, this.#reference),
      this.#options,
      this.#menu,
      iconButton("close", "close", words.close, close),
    );
    this.node.addEventListener("focusout", (event) => {
      if (!this.node.contains(event.relatedTarget as Node | null)) this.#toggle(false);
    });
  }

  update(): void {
    const { session, speech } = this.room;
    const { reference } = session;
    show(this.#reference, reference !== null);
    setText(this.#reference, reference === null ? "" : `${speech.words.reference} ${grouped(reference)}`);
    const canEnd = session.link.phase === "live" && session.transcript.entries().some((entry) => entry.from === "visitor");
    show(this.#options, canEnd);
    if (!canEnd) this.#toggle(false);
  }

  #toggle(open: boolean): void {
    show(this.#menu, open);
    mark(this.#options, "aria-expanded", String(open));
    if (open) this.#menu.querySelector("button")?.focus();
  }

  /** Closes the menu only; the panel has its own Escape. */
  #escape(event: KeyboardEvent): void {
    if (event.key !== "Escape" || this.#menu.hidden) return;
    event.stopPropagation();
    this.#toggle(false);
    this.#options.focus();
  }
}
