// The one line between header and log: what the visitor should know about the connection and the house, and only when it
// lasts. A hiccup shows nothing.

import { fill } from "../i18n";
import { cleanName } from "../text";
import { button, el, mark, setText, show } from "./dom";
import { asked } from "./form";
import type { Room } from "./room";

/** A connection may be away this long before it is worth a word. */
const HICCUP_MS = 3_000;

interface Text {
  kind: "info" | "trouble";
  text: string;
  /** Whether to offer another attempt. */
  retry: boolean;
}

export class Notice {
  readonly node: HTMLElement;
  readonly #text = el("span", "");
  readonly #retry: HTMLButtonElement;
  #awaySince: number | null = null;
  #timer: number | undefined;
  #said = "";

  constructor(private readonly room: Room) {
    this.#retry = button("link", room.speech.words.retry, () => room.session.hurry());
    this.node = el("div", "notice", { hidden: true }, this.#text, this.#retry);
  }

  update(isOpen: boolean): void {
    const notice = this.#what(Date.now());
    show(this.node, notice !== null);
    if (notice) {
      setText(this.#text, notice.text);
      mark(this.node, "data-kind", notice.kind);
      show(this.#retry, notice.retry);
    }
    const text = notice?.text ?? "";
    if (isOpen && text !== "" && text !== this.#said) this.room.announce(text);
    this.#said = text;
  }

  #what(now: number): Text | null {
    const { session, speech } = this.room;
    const { words } = speech;
    const { phase } = session.link;
    if (session.complaint) {
      const { code, message } = session.complaint;
      const text = code === "too_many_sockets" ? words.elsewhere : cleanName(message) || words.trouble;
      return { kind: "trouble", text, retry: phase === "parked" };
    }
    if (phase === "idle" || phase === "live") this.#awaySince = null;
    else this.#awaySince ??= now;
    if (this.#awaySince !== null) {
      const left = this.#awaySince + HICCUP_MS - now;
      if (left > 0) this.#lookAgain(left);
      else return { kind: "trouble", text: words.offline, retry: phase === "waiting" };
    }
    const held = session.outbox.list().length > 0 ? session.outbox.held(now) : null;
    if (held !== null) {
      return { kind: "info", text: fill(words.patience, { time: speech.duration((held - now) / 1000) }), retry: false };
    }
    return session.ended ? null : this.#away(now);
  }

  #away(now: number): Text | null {
    const { welcome } = this.room.session;
    if (!welcome || welcome.open) return null;
    const { words } = this.room.speech;
    const opens = welcome.opens_at;
    const back = opens !== null && opens > now ? ` ${fill(words.back, { time: this.room.speech.moment(opens, now) })}` : "";
    const byMail = welcome.continued_by_mail && asked(this.room.session).length === 0 ? ` ${words.byMail}` : "";
    return { kind: "info", text: words.away + back + byMail, retry: false };
  }

  #lookAgain(after: number): void {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.room.refresh(), after + 50);
  }
}
