// The thin shell around the session: a WebSocket, a timer, and the events of page and machine that matter to it. Decides
// nothing; what happens is told to the session, what it wants is done.

import type { ClientFrame } from "./frames";
import { Session } from "./session";
import type { Settings } from "./settings";
import { browserStorage, SafeStore } from "./store";
import { uuid7 } from "./uuid";

const PROTOCOL = "lodge.chat.v1";
/** How often a quiet page looks whether it has slept. */
const PULSE_MS = 15_000;
/** A timer this late, on a page that is looked at, means that the machine slept. */
const SLEPT_MS = 30_000;
/** A page hidden for longer than this believes no connection. */
const HIDDEN_MS = 60_000;

/** What the client tells its owner. */
export interface Owner {
  changed(): void;
  tell(event: string, detail?: unknown): void;
}

export class Client {
  readonly session: Session;
  readonly #store: SafeStore;
  #socket: WebSocket | null = null;
  #timer: number | undefined;
  #timerDue = 0;
  #hiddenSince: number | null = null;
  #queued = false;

  constructor(
    private readonly settings: Settings,
    language: string,
    private readonly owner: Owner,
  ) {
    const place = new URL(settings.base);
    this.#store = new SafeStore(browserStorage("localStorage"), `lodge-chat:${place.host}/${settings.inbox}:`);
    this.session = new Session({
      now: () => Date.now(),
      random: () => Math.random(),
      id: () => uuid7(Date.now(), crypto.getRandomValues(new Uint8Array(10))),
      store: this.#store,
      connect: (turn) => this.#connect(turn),
      drop: () => this.#drop(),
      send: (frame) => this.#send(frame),
      // Neither query nor fragment: they may hold what is nobody's business.
      page: () => ({ url: location.origin + location.pathname, title: document.title }),
      language,
      changed: () => this.#changed(),
      tell: (event, detail) => this.owner.tell(event, detail),
    });
    this.#listen();
  }

  #listen(): void {
    const { session } = this;
    window.addEventListener("online", () => session.revive());
    window.addEventListener("storage", (event) => {
      // `key` is null where everything was cleared.
      if (event.key === null) session.stored("session");
      const key = this.#store.own(event.key);
      if (key !== null) session.stored(key);
    });
    window.addEventListener("pagehide", () => session.sleep());
    window.addEventListener("pageshow", (event) => {
      if (event.persisted) session.hurry();
    });
    document.addEventListener("visibilitychange", () => this.#visibility());
  }

  #visibility(): void {
    if (document.visibilityState === "hidden") {
      this.#hiddenSince = Date.now();
      return;
    }
    const away = this.#hiddenSince === null ? 0 : Date.now() - this.#hiddenSince;
    this.#hiddenSince = null;
    if (away > HIDDEN_MS) this.session.revive();
    else this.session.hurry();
    this.owner.changed();
  }

  #connect(turn: number): void {
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.settings.socket, PROTOCOL);
    } catch {
      // A policy of the page forbids it. Reported later, as a socket would: the session is in the middle of something.
      setTimeout(() => this.session.closed(turn, 1006));
      return;
    }
    this.#socket = socket;
    socket.onopen = () => this.session.opened(turn);
    socket.onmessage = (event) => {
      if (typeof event.data === "string") this.session.received(turn, event.data);
    };
    socket.onclose = (event) => this.session.closed(turn, event.code);
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #send(frame: ClientFrame): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  /** Once for all changes of one turn of the loop: shows, and sets the timer anew. */
  #changed(): void {
    if (this.#queued) return;
    this.#queued = true;
    queueMicrotask(() => {
      this.#queued = false;
      this.#setTimer();
      this.owner.changed();
    });
  }

  #setTimer(): void {
    clearTimeout(this.#timer);
    const now = Date.now();
    const wake = this.session.wakeAt();
    const pulse = this.session.link.phase === "idle" ? null : now + PULSE_MS;
    const due = Math.min(wake ?? Infinity, pulse ?? Infinity);
    if (due === Infinity) return;
    this.#timerDue = Math.max(due, now);
    this.#timer = window.setTimeout(() => this.#fire(), this.#timerDue - now);
  }

  #fire(): void {
    const late = Date.now() - this.#timerDue;
    // Hidden pages have slow timers; for them `visibility` decides.
    if (late > SLEPT_MS && document.visibilityState === "visible") this.session.revive();
    this.session.wake();
    this.#setTimer();
  }
}
