// Files that are to go with the next message: each with its progress, a way to take it back, and a reason where it is refused.

import { fill } from "../i18n";
import type { Uploaded } from "../outbox";
import { cleanName } from "../text";
import { upload } from "../uploads";
import type { Upload } from "../uploads";
import { el, iconButton, mark, setText, show } from "./dom";
import type { Room } from "./room";

interface Chip {
  upload: Upload;
  node: HTMLElement;
  bar: HTMLElement;
  note: HTMLElement;
  told: boolean;
}

export class Tray {
  readonly node = el("ul", "tray", { role: "list", hidden: true });
  #chips: Chip[] = [];

  constructor(
    private readonly room: Room,
    private readonly changed: () => void,
  ) {}

  /** Whether something is still on its way. */
  get isBusy(): boolean {
    return this.#chips.some(({ upload: one }) => !one.done && !one.refused);
  }

  /** What has arrived. */
  get done(): Uploaded[] {
    return this.#chips.map((chip) => chip.upload.done).filter((one): one is Uploaded => one !== null);
  }

  /** Begins to upload `files`; those above the limit are named, not sent. */
  add(files: Iterable<File>): void {
    const { session, settings, speech } = this.room;
    for (const file of files) {
      const taken = this.#chips.filter((chip) => !chip.upload.refused).length;
      if (taken >= session.limits.attachments) {
        this.room.announce(fill(speech.words.tooManyFiles, { n: speech.number(session.limits.attachments) }));
        break;
      }
      const one = upload(file, settings.base, () => session.record.secret, session.limits, () => this.#update());
      this.#chips.push(this.#chip(one));
    }
    this.#update();
  }

  /** After they were sent. */
  clear(): void {
    this.#chips.forEach((chip) => chip.upload.cancel());
    this.#chips = [];
    this.#update();
  }

  #chip(one: Upload): Chip {
    const { speech } = this.room;
    const name = cleanName(one.file.name) || "?";
    const bar = el("span", "progress");
    const note = el("bdi", "note", {}, speech.size(one.file.size));
    const remove = iconButton("", "close", `${speech.words.discard}: ${name}`, () => this.#remove(one));
    const node = el("li", "chip", {}, el("span", "about", {}, el("bdi", "name", {}, name), note), remove, bar);
    this.node.append(node);
    return { upload: one, node, bar, note, told: false };
  }

  #remove(one: Upload): void {
    one.cancel();
    this.#chips = this.#chips.filter((chip) => chip.upload !== one);
    this.#update();
    this.room.focusMain();
  }

  #update(): void {
    for (const chip of this.#chips) {
      const { upload: one } = chip;
      chip.bar.style.setProperty("inline-size", `${Math.round(one.share * 100)}%`);
      show(chip.bar, !one.done && !one.refused);
      mark(chip.node, "data-refused", one.refused ? "" : null);
      if (!one.refused || chip.told) continue;
      chip.told = true;
      const reason = this.#reason(one);
      setText(chip.note, reason);
      this.room.announce(`${cleanName(one.file.name)}: ${reason}`);
    }
    this.node.replaceChildren(...this.#chips.map((chip) => chip.node));
    show(this.node, this.#chips.length > 0);
    this.changed();
  }

  #reason(one: Upload): string {
    const { words } = this.room.speech;
    const code = one.refused?.code;
    if (code === "too_large") return fill(words.fileTooLarge, { size: this.room.speech.size(this.room.session.limits.upload_bytes) });
    if (code === "type") return words.fileType;
    return one.refused?.detail ?? words.fileFailed;
  }
}
