// The widget as a whole: launcher and panel in one element, opening and closing, focus, and what other scripts of the
// page may ask for (`window.LodgeChat`).

import { Client } from "./client";
import { choose, Speech } from "./i18n";
import type { Settings } from "./settings";
import { browserStorage, SafeStore } from "./store";
import { el, icon, mark, setText, show } from "./view/dom";
import { createHost, paint } from "./view/element";
import { Panel } from "./view/panel";
import type { Room } from "./view/room";
import { followViewport, SMALL } from "./view/viewport";

/** `window.LodgeChat`. */
export interface Api {
  open(): void;
  close(): void;
  toggle(): void;
  /** A signed-in visitor: a JWT that the site's own server made. */
  identify(token: string): void;
  /** Forgets the conversation on this device; call it when somebody signs out. */
  forget(): void;
  /** Listens to `open`, `close`, `message`, `unread`, `accepted`, `ended`, `identity_refused`; gives back how to stop. */
  on(name: string, listener: (detail: unknown) => void): () => void;
}

export class Widget {
  readonly #client: Client;
  readonly #speech: Speech;
  readonly #panel: Panel;
  readonly #host: HTMLElement;
  readonly #root: ShadowRoot;
  readonly #launcher: HTMLButtonElement;
  readonly #badge = el("span", "badge", { "aria-hidden": "true", hidden: true });
  readonly #status = el("div", "unseen", { role: "status" });
  readonly #tab: SafeStore;
  readonly #listeners = new Map<string, Set<(detail: unknown) => void>>();
  #unread = 0;

  constructor(private readonly settings: Settings) {
    const wished = [settings.language, document.documentElement.lang, ...navigator.languages];
    this.#speech = new Speech(choose(wished));
    this.#tab = new SafeStore(browserStorage("sessionStorage"), `lodge-chat:${settings.base}:`);
    this.#client = new Client(settings, this.#speech.tag, {
      changed: () => this.#update(),
      tell: (event, detail) => this.#tell(event, detail),
    });
    const { host, root } = createHost(settings);
    this.#host = host;
    this.#root = root;
    this.#panel = new Panel(this.#room(), () => this.#close());
    this.#launcher = el(
      "button",
      "launcher",
      { type: "button", "aria-haspopup": "dialog", onclick: (event: MouseEvent) => this.#pressed(event) },
      icon("chat"),
      icon("down"),
      this.#badge,
    );
    const frame = el("div", "frame", { lang: this.#speech.tag, dir: this.#speech.direction }, this.#panel.node, this.#launcher, this.#status);
    host.dir = this.#speech.direction;
    root.append(frame);
    this.#keys(frame);
  }

  /** Puts the widget into the page, and goes on where the page before left it. */
  mount(): void {
    document.body.append(this.#host);
    paint(this.#host, this.settings.colour);
    this.#stay();
    followViewport(this.#panel.node, () => this.#panel.thread.update());
    window.addEventListener("focus", () => this.#update());
    if (this.settings.identity !== null) this.#client.session.identify(this.settings.identity);
    this.#client.session.start();
    const kept = this.#tab.get("open");
    // Never over the whole of a small screen, and never with the focus, unless somebody asked.
    const wanted = kept === "1" || (kept === null && this.settings.open);
    if (wanted && !matchMedia(SMALL).matches) this.#open(false);
    this.#update();
  }

  api(): Api {
    return {
      open: () => this.#open(true),
      close: () => this.#close(),
      toggle: () => (this.#panel.isOpen ? this.#close() : this.#open(true)),
      identify: (token) => this.#client.session.identify(String(token)),
      forget: () => this.#forget(),
      on: (name, listener) => this.#on(name, listener),
    };
  }

  #open(focus: boolean): void {
    if (!this.#panel.isOpen) {
      show(this.#panel.node, true);
      mark(this.#host, "data-open", "");
      this.#tab.set("open", "1");
      this.#client.session.engage();
      this.#client.session.hurry();
      this.#panel.shown();
      this.#update();
      this.#tell("open");
    }
    if (focus) this.#panel.focus();
  }

  #close(): void {
    if (!this.#panel.isOpen) return;
    const hadFocus = this.#root.activeElement !== null;
    show(this.#panel.node, false);
    mark(this.#host, "data-open", null);
    this.#tab.set("open", "0");
    this.#update();
    if (hadFocus) this.#launcher.focus();
    this.#tell("close");
  }

  /** With a finger, the focus stays out of the field: the screen keyboard would cover what there is to read. */
  #pressed(event: MouseEvent): void {
    if (this.#panel.isOpen) {
      this.#close();
      return;
    }
    const byFinger = (event as PointerEvent).pointerType === "touch";
    this.#open(!byFinger);
    if (byFinger) this.#panel.node.focus();
  }

  #forget(): void {
    this.#client.session.forget();
    this.#panel.forget();
    this.#close();
  }

  #update(): void {
    const { session } = this.#client;
    const focused = this.#root.activeElement;
    if (this.#panel.isOpen) {
      this.#panel.update();
      if (document.hasFocus() && document.visibilityState === "visible" && this.#panel.thread.atEnd) session.seen();
    }
    this.#showUnread(session.unread());
    // What had the focus may be gone; it does not fall back to the top of the page.
    if (focused instanceof HTMLElement && this.#panel.isOpen && focused.getClientRects().length === 0) this.#panel.focus();
  }

  #showUnread(unread: number): void {
    const { words } = this.#speech;
    const isOpen = this.#panel.isOpen;
    const label = isOpen ? words.close : unread > 0 ? `${words.open}, ${this.#speech.unread(unread)}` : words.open;
    mark(this.#launcher, "aria-label", label);
    mark(this.#launcher, "aria-expanded", String(isOpen));
    show(this.#badge, unread > 0 && !isOpen);
    setText(this.#badge, unread > 99 ? "99+" : this.#speech.number(unread));
    if (unread === this.#unread) return;
    if (unread > this.#unread && !isOpen && !this.#client.session.catchingUp()) this.#announce(this.#speech.unread(unread));
    this.#unread = unread;
    this.#tell("unread", { count: unread });
  }

  #room(): Room {
    return {
      session: this.#client.session,
      settings: this.settings,
      speech: this.#speech,
      tab: this.#tab,
      announce: (text) => this.#announce(text),
      focusMain: () => this.#panel.focus(),
      refresh: () => this.#update(),
    };
  }

  #announce(text: string): void {
    // The same text twice is two announcements.
    this.#status.textContent = "";
    setTimeout(() => setText(this.#status, text), 50);
  }

  /** Escape closes. Keys typed here stay here: pages have shortcuts, and a letter in a chat is none. */
  #keys(frame: HTMLElement): void {
    for (const type of ["keydown", "keyup", "keypress"] as const) {
      frame.addEventListener(type, (event) => {
        event.stopPropagation();
        if (type === "keydown" && event.key === "Escape" && !event.isComposing) this.#close();
      });
    }
  }

  /** Pages that swap their body (and keep their scripts) keep the widget. */
  #stay(): void {
    const back = (): void => {
      if (!this.#host.isConnected && document.body) document.body.append(this.#host);
    };
    const observer = new MutationObserver(() => {
      back();
      observe();
    });
    const observe = (): void => {
      observer.disconnect();
      observer.observe(document.documentElement, { childList: true });
      if (document.body) observer.observe(document.body, { childList: true });
    };
    observe();
  }

  #on(name: string, listener: (detail: unknown) => void): () => void {
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all.add(listener));
    return () => all.delete(listener);
  }

  #tell(name: string, detail?: unknown): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      // A page's mistake is the page's, and must not stop the chat.
      try {
        listener(detail);
      } catch (error) {
        console.error(error);
      }
    }
  }
}
