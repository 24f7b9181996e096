// The panel: header, notice, log and what stands at its foot: composer, form, or the question whether to end.

import { cleanName } from "../text";
import { fill } from "../i18n";
import { authorOf } from "./bubble";
import { Composer } from "./composer";
import { button, el, setText, show } from "./dom";
import { asked, Form } from "./form";
import { Header } from "./header";
import { Notice } from "./notice";
import type { Room } from "./room";
import { Thread } from "./thread";

/** What stands at the foot of the panel. */
type Foot = "composer" | "form" | "ended" | "ending";

export class Panel {
  readonly node: HTMLElement;
  readonly thread: Thread;
  readonly #composer: Composer;
  readonly #form: Form;
  readonly #header: Header;
  readonly #notice: Notice;
  readonly #typing: HTMLElement;
  readonly #typist = el("span", "");
  readonly #feet: { [foot in Foot]: HTMLElement };
  #foot: Foot = "composer";
  #isEnding = false;

  constructor(
    private readonly room: Room,
    close: () => void,
  ) {
    const { words } = room.speech;
    this.thread = new Thread(room);
    this.#composer = new Composer(room);
    this.#form = new Form(room);
    this.#notice = new Notice(room);
    this.#header = new Header(room, close, () => this.#askEnd(true));
    const dots = el("span", "dots", { "aria-hidden": "true" }, el("i", ""), el("i", ""), el("i", ""));
    this.#typing = el("div", "typing", { hidden: true }, dots, this.#typist);
    this.#feet = {
      composer: this.#composer.node,
      form: this.#form.node,
      ended: el(
        "div",
        "closing",
        { hidden: true },
        el("p", "", {}, words.ended),
        button("primary", words.again, () => this.#again()),
      ),
      ending: el(
        "div",
        "closing",
        { hidden: true },
        el("p", "", {}, words.endAsk),
        button("primary", words.end, () => this.#end()),
        button("quiet", words.cancel, () => this.#askEnd(false)),
      ),
    };
    const drop = el("div", "drop", { "aria-hidden": "true" }, words.drop);
    const body = el("div", "body", {}, this.thread.node, this.thread.newest);
    this.node = el(
      "section",
      "panel",
      { role: "dialog", "aria-labelledby": "title", tabindex: "-1", hidden: true },
      this.#header.node,
      this.#notice.node,
      body,
      this.#typing,
      ...Object.values(this.#feet),
      drop,
    );
    this.#takeDrops();
  }

  get isOpen(): boolean {
    return !this.node.hidden;
  }

  /** Where the visitor goes on: the field, the form, or the button that is left. */
  focus(): void {
    if (this.#foot === "form") this.#form.focus();
    else if (this.#foot === "composer") this.#composer.field.focus();
    else this.#feet[this.#foot].querySelector("button")?.focus();
  }

  /** After the panel was shown: what depends on sizes. */
  shown(): void {
    this.#composer.grow();
    this.update();
  }

  update(): void {
    const { session } = this.room;
    this.#header.update();
    this.#notice.update(this.isOpen);
    this.thread.update();
    this.#showTyping();
    if (session.link.phase !== "live") this.#isEnding = false;
    this.#stand(session.ended ? "ended" : this.#isEnding ? "ending" : asked(session).length > 0 ? "form" : "composer");
    this.#form.update();
    this.#composer.update();
  }

  /** Leaves nothing of what was written or said here in the page either. */
  forget(): void {
    this.#composer.clear();
    this.#form.node.reset();
    this.update();
  }

  #stand(foot: Foot): void {
    const before = this.#foot;
    this.#foot = foot;
    for (const [name, node] of Object.entries(this.#feet)) show(node, name === foot);
    if (before === foot) return;
    if (before === "composer" && foot === "form") this.#form.takeOver(this.#composer.takeText());
    if (foot === "composer") this.#composer.grow();
    if (foot === "ended") this.room.announce(this.room.speech.words.ended);
  }

  #showTyping(): void {
    const { session, speech } = this.room;
    show(this.#typing, session.typing !== null);
    if (session.typing === null) return;
    const name = session.typing.name ?? authorOf({ from: session.typing.from, name: null }, this.room);
    setText(this.#typist, fill(speech.words.typing, { name: cleanName(name) }));
  }

  #askEnd(ask: boolean): void {
    this.#isEnding = ask;
    this.update();
    this.focus();
  }

  #end(): void {
    this.#isEnding = false;
    this.room.session.end();
    this.update();
    this.focus();
  }

  #again(): void {
    this.room.session.restart();
    this.update();
    this.focus();
  }

  #takeDrops(): void {
    const over = (event: DragEvent): void => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      this.node.classList.toggle("dropping", this.#composer.takesFiles);
    };
    this.node.addEventListener("dragenter", over);
    this.node.addEventListener("dragover", over);
    this.node.addEventListener("dragleave", (event) => {
      if (!this.node.contains(event.relatedTarget as Node | null)) this.node.classList.remove("dropping");
    });
    this.node.addEventListener("drop", (event) => {
      this.node.classList.remove("dropping");
      if (!event.dataTransfer || event.dataTransfer.files.length === 0) return;
      event.preventDefault();
      this.#composer.drop(Array.from(event.dataTransfer.files));
    });
  }
}
