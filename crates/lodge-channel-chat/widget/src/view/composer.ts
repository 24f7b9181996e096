// Where the visitor writes: a field that grows, files by button, drop and paste, and a way to send. The draft survives a
// change of page; nothing is ever cut off, what is too long is said.

import { fill } from "../i18n";
import { length } from "../text";
import { el, iconButton, mark, setText, show } from "./dom";
import type { Room } from "./room";
import { Tray } from "./tray";

const DRAFT = "draft";
const TALLEST_PX = 160;

export class Composer {
  readonly node: HTMLElement;
  readonly field: HTMLTextAreaElement;
  readonly #tray: Tray;
  readonly #send: HTMLButtonElement;
  readonly #attach: HTMLButtonElement;
  readonly #note = el("p", "note error", { id: "note", hidden: true });

  constructor(private readonly room: Room) {
    const { words } = room.speech;
    this.#tray = new Tray(room, () => this.update());
    this.field = el("textarea", "", {
      rows: "1",
      "aria-label": words.placeholder,
      placeholder: words.placeholder,
      "aria-describedby": "note",
      autocomplete: "off",
      dir: "auto",
      oninput: () => this.#typed(),
      onkeydown: (event: KeyboardEvent) => this.#key(event),
      onpaste: (event: ClipboardEvent) => this.#pasted(event),
    });
    this.field.value = room.tab.get(DRAFT) ?? "";
    const picker = el("input", "", { type: "file", multiple: true, hidden: true, tabindex: "-1" });
    picker.onchange = () => {
      this.#tray.add(Array.from(picker.files ?? []));
      picker.value = "";
      this.field.focus();
    };
    this.#attach = iconButton("attach", "clip", words.attach, () => picker.click());
    this.#send = iconButton("send", "send", words.send, () => this.#submit());
    const row = el("div", "row", {}, this.#attach, this.field, this.#send);
    this.node = el("div", "composer", {}, this.#tray.node, this.#note, row, picker);
  }

  /** Whether files can be taken now. */
  get takesFiles(): boolean {
    const { session } = this.room;
    return session.link.phase === "live" && session.record.secret !== null && !this.node.hidden;
  }

  /** Files that were dropped on the panel. */
  drop(files: Iterable<File>): void {
    if (this.takesFiles) this.#tray.add(files);
    this.field.focus();
  }

  /** Hands over what was written so far, for a form that takes its place. */
  takeText(): string {
    const text = this.field.value;
    this.#set("");
    return text;
  }

  update(): void {
    const { speech, session } = this.room;
    const over = length(this.field.value) - session.limits.text;
    show(this.#note, over > 0);
    if (over > 0) setText(this.#note, fill(speech.words.tooLong, { n: speech.number(over) }));
    mark(this.field, "aria-invalid", over > 0 ? "true" : null);
    mark(this.#send, "aria-disabled", this.#isReady() ? null : "true");
    show(this.#attach, this.takesFiles);
  }

  /** Fits the field to its text. */
  grow(): void {
    const { style } = this.field;
    style.setProperty("height", "auto");
    const tall = this.field.scrollHeight;
    style.setProperty("height", `${Math.min(tall, TALLEST_PX)}px`);
    style.setProperty("overflow-y", tall > TALLEST_PX ? "auto" : "hidden");
  }

  #isReady(): boolean {
    const text = this.field.value;
    const something = text.trim() !== "" || this.#tray.done.length > 0;
    return something && !this.#tray.isBusy && length(text) <= this.room.session.limits.text;
  }

  #submit(): void {
    this.field.focus();
    if (!this.#isReady()) return;
    if (!this.room.session.compose(this.field.value.trim(), this.#tray.done)) {
      this.room.announce(this.room.speech.words.trouble);
      return;
    }
    this.clear();
  }

  /** Nothing written, nothing attached. */
  clear(): void {
    this.#set("");
    this.#tray.clear();
  }

  #set(text: string): void {
    this.field.value = text;
    this.room.tab.remove(DRAFT);
    this.grow();
    this.update();
  }

  #typed(): void {
    this.room.tab.set(DRAFT, this.field.value);
    if (this.field.value !== "") this.room.session.typed();
    this.grow();
    this.update();
  }

  /** Enter sends, with Shift it is a new line; on a screen keyboard it is always a new line. Never while a word is composed. */
  #key(event: KeyboardEvent): void {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    if (matchMedia("(pointer: coarse) and (hover: none)").matches) return;
    event.preventDefault();
    this.#submit();
  }

  #pasted(event: ClipboardEvent): void {
    const files = Array.from(event.clipboardData?.files ?? []);
    if (files.length === 0 || !this.takesFiles) return;
    event.preventDefault();
    this.#tray.add(files);
  }
}
