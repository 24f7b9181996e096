// The visitor's side of a conversation as a state machine: what to say to the server, what to keep, what to show. No
// page, no socket, no clock of its own: they come in by `Ports`, so that a test can lose every frame it likes.
//
// The promise: what the visitor sent is kept until the server accepted it, and goes again after every `welcome`, in order;
// what the server sent is shown once, in order of `seq`, however often the connection is lost.

import { DEFAULT_LIMITS, parse } from "./frames";
import type { ClientFrame, Failure, From, Hello, Limits, Message, Profile, Welcome } from "./frames";
import { Link } from "./link";
import { ACCEPT_MS, Outbox } from "./outbox";
import type { Uploaded } from "./outbox";
import { Record } from "./record";
import type { Store } from "./store";
import { Transcript } from "./transcript";

/** What a session needs of the world. */
export interface Ports {
  /** Milliseconds since 1970. */
  now(): number;
  /** In [0, 1). */
  random(): number;
  /** A new UUIDv7. */
  id(): string;
  store: Store;
  /** Opens a socket; what it reports carries `turn`. */
  connect(turn: number): void;
  /** Closes the socket without waiting for it; nothing it reports counts any more. */
  drop(): void;
  send(frame: ClientFrame): void;
  page(): { url: string; title: string };
  language: string;
  /** Something to show has changed. */
  changed(): void;
  /** Something that the page may listen to has happened. */
  tell(event: string, detail?: unknown): void;
}

/** Who is typing, and until when that is believed. */
export interface Typing {
  from: From;
  name: string | null;
  until: number;
}

const TYPING_SHOWN_MS = 6_000;
const TYPING_SENT_MS = 3_000;
/** Refusals of a single message that only its author can answer. */
const REFUSED = ["text_too_long", "too_large", "upload_refused", "bad_frame"];

export class Session {
  readonly link = new Link();
  readonly outbox: Outbox;
  readonly transcript = new Transcript();
  readonly record: Record;
  limits: Limits = DEFAULT_LIMITS;
  /** The last `welcome`; null before the first. */
  welcome: Welcome | null = null;
  reference: string | null = null;
  typing: Typing | null = null;
  ended = false;
  /** What the server complained about in general; shown until the next good news. */
  complaint: { code: string; message: string } | null = null;
  /** Own messages up to here were read by somebody. */
  readUpTo = 0;

  #identity: string | null = null;
  #profile: Profile | null = null;
  /** Whether a `hello` is on its way; messages wait for its `welcome`, which would have them sent twice. */
  #isGreeting = false;
  #typingSent = 0;
  #readSent = 0;
  /** The hole that the server was asked about, and whether its `welcome` came since. */
  #gap: { after: number; answered: boolean } | null = null;

  constructor(private readonly ports: Ports) {
    this.outbox = new Outbox(ports.store);
    this.record = new Record(ports.store);
  }

  // ---- what the visitor and the page do

  /** A page has loaded: connects only where there is something to go on with. */
  start(): void {
    if (this.record.secret !== null || this.outbox.list().length > 0) this.engage();
  }

  /** The visitor wants to chat. */
  engage(): void {
    if (!this.link.busy() && !this.ended) this.#dial();
  }

  /** Sends a text; false where too much waits already. The draft is in the store before anything is sent. */
  compose(text: string, attachments: Uploaded[] = []): boolean {
    const draft = { id: this.ports.id(), text, attachments, at: this.ports.now() };
    if (!this.outbox.add(draft)) return false;
    this.complaint = null;
    this.#typingSent = 0;
    this.engage();
    this.#pump();
    this.ports.changed();
    return true;
  }

  retry(id: string): void {
    this.outbox.retry(id);
    this.#pump();
    this.ports.changed();
  }

  discard(id: string): void {
    this.outbox.remove(id);
    this.#pump();
    this.ports.changed();
  }

  /** The visitor is typing. */
  typed(): void {
    const now = this.ports.now();
    if (this.link.phase !== "live" || this.ended || now - this.#typingSent < TYPING_SENT_MS) return;
    this.#typingSent = now;
    this.ports.send({ t: "typing" });
  }

  /** The newest message is before the visitor's eyes. */
  seen(): void {
    const newest = this.transcript.newest();
    if (newest > this.record.seen) {
      this.record.saw(newest);
      this.ports.changed();
    }
    if (this.link.phase === "live" && newest > this.#readSent) {
      this.#readSent = newest;
      this.ports.send({ t: "read", seq: newest });
    }
  }

  /** The form was filled in. */
  introduce(profile: Profile): void {
    this.#profile = profile;
    this.record.introduced();
    this.#greet();
    this.ports.changed();
  }

  /** The page vouches for the visitor. */
  identify(token: string): void {
    if (token === this.#identity) return;
    this.#identity = token;
    this.#greet();
  }

  /** Nobody was here: a shared computer, a sign-out. */
  forget(): void {
    this.#identity = null;
    this.outbox.clear();
    this.record.forget();
    this.#blank();
    this.#hangUp("idle");
  }

  /** The visitor ends the conversation. */
  end(): void {
    if (this.link.phase === "live") this.ports.send({ t: "end" });
  }

  /** A new conversation after one that was ended. */
  restart(): void {
    this.record.forget();
    this.#blank();
    this.#hangUp("idle");
    this.engage();
  }

  /** Fresh links for the message `seq`: it is replayed, and its links replace the old ones. */
  refresh(seq: number): void {
    if (this.link.phase === "live") this.#hello(seq - 1);
  }

  // ---- what the socket reports

  opened(turn: number): void {
    if (turn !== this.link.turn) return;
    this.link.opened(this.ports.now());
    this.#hello(this.transcript.last);
  }

  closed(turn: number, code: number): void {
    if (turn !== this.link.turn) return;
    const sent = this.outbox.inFlight;
    // The server would close on the same frame for ever; the visitor has to know.
    if (sent && (code === 1009 || code === 1007)) this.outbox.fail(sent.id, "too_large");
    this.#lose(code);
  }

  received(turn: number, text: string): void {
    if (turn !== this.link.turn) return;
    const frame = parse(text);
    if (!frame) return;
    const now = this.ports.now();
    switch (frame.t) {
      case "welcome":
        this.#welcomed(frame);
        break;
      case "accepted":
        this.#accepted(frame.id, frame.seq, frame.reference);
        break;
      case "message":
        this.#heard(frame);
        break;
      case "typing":
        if (frame.from !== "visitor") this.typing = { from: frame.from, name: frame.name, until: now + TYPING_SHOWN_MS };
        break;
      case "read":
        this.readUpTo = Math.max(this.readUpTo, frame.seq);
        break;
      case "error":
        this.#failed(frame);
        break;
      case "ended":
        this.#finish();
        break;
    }
    this.#pump();
    this.ports.changed();
  }

  // ---- what time and the machine do

  /** When `wake` has something to do; null: never. */
  wakeAt(): number | null {
    const now = this.ports.now();
    const next = this.#canSend() ? this.outbox.next(now, this.limits) : null;
    const sendAt = next === null || typeof next === "number" ? next : now;
    const moments = [this.link.due, this.typing?.until ?? null, this.outbox.due(), sendAt];
    const set = moments.filter((moment): moment is number => moment !== null);
    return set.length > 0 ? Math.min(...set) : null;
  }

  wake(): void {
    const now = this.ports.now();
    if (this.typing && this.typing.until <= now) this.typing = null;
    if (this.link.due !== null && this.link.due <= now) {
      if (this.link.phase === "waiting") this.#dial();
      else this.#lose(1006);
    }
    const sent = this.outbox.inFlight;
    if (sent && this.link.phase === "live" && sent.since + ACCEPT_MS <= now) this.#lose(1006);
    this.#pump();
    this.ports.changed();
  }

  /** The network is back, or the machine woke up: what seemed open is not believed, and nothing waits any longer. */
  revive(): void {
    if (this.link.phase === "idle" || this.ended) return;
    this.#dial();
    this.ports.changed();
  }

  /** The page is looked at again: only a wait is cut short. */
  hurry(): void {
    if (this.link.phase === "waiting" || this.link.phase === "parked") this.revive();
  }

  /** The page goes away, perhaps to come back from the browser's cache. */
  sleep(): void {
    if (this.link.busy()) this.#hangUp("parked");
  }

  /** Another tab changed `key` of the store. */
  stored(key: string): void {
    if (key === "outbox") {
      this.outbox.reload(this.ports.now());
      this.#pump();
    } else if (key === "session") {
      this.#sessionStored();
    }
    this.ports.changed();
  }

  /** Whether the page said who the visitor is. */
  get isVouchedFor(): boolean {
    return this.#identity !== null;
  }

  /** Messages of others that nobody here has seen. */
  unread(): number {
    return this.transcript.entries().filter((one) => one.seq > this.record.seen && one.from !== "visitor").length;
  }

  /** Whether a replay is still on its way, so that what arrives is old. */
  catchingUp(): boolean {
    return this.welcome !== null && this.transcript.newest() < this.welcome.seq;
  }

  // ---- inside

  #dial(): void {
    this.ports.drop();
    this.#gap = null;
    this.#isGreeting = false;
    this.outbox.restart();
    this.ports.connect(this.link.dial(this.ports.now()));
  }

  #hangUp(phase: "idle" | "parked"): void {
    this.link.rest(phase);
    this.outbox.restart();
    this.ports.drop();
    this.ports.changed();
  }

  #lose(code: number): void {
    this.typing = null;
    this.outbox.restart();
    this.link.lost(code, this.ports.now(), this.ports.random());
    this.ports.drop();
    this.ports.changed();
  }

  /** Says `hello` again where a connection is open; the next one says it anyway. */
  #greet(): void {
    if (this.link.phase === "live" || this.link.phase === "greeting") this.#hello(this.transcript.last);
  }

  #hello(after: number): void {
    const frame: Hello = { t: "hello", page: this.ports.page(), language: this.ports.language };
    if (this.record.secret !== null) {
      frame.session = this.record.secret;
      frame.after = after;
    }
    if (this.#identity !== null) frame.identity = this.#identity;
    if (this.#profile !== null) frame.profile = this.#profile;
    this.#isGreeting = true;
    this.ports.send(frame);
  }

  #welcomed(frame: Welcome): void {
    const now = this.ports.now();
    if (frame.session !== null) this.record.keep(frame.session, this.ports.id);
    this.limits = frame.limits;
    this.welcome = frame;
    this.reference = frame.reference ?? this.reference;
    if (this.#profile !== null && frame.ask.length === 0) this.#profile = null;
    this.link.welcomed(now);
    this.#isGreeting = false;
    this.complaint = null;
    if (frame.seq < this.transcript.last) {
      // Another log than the one we know: what is shown would be mixed up with it.
      this.transcript.clear();
      this.record.resetSeen();
      this.#readSent = 0;
      if (frame.seq > 0) this.#hello(0);
    }
    if (this.#gap) this.#gap.answered = true;
    this.outbox.restart();
  }

  #accepted(id: string, seq: number, reference: string | null): void {
    this.link.attempt = 0;
    this.reference = reference ?? this.reference;
    const draft = this.outbox.get(id);
    if (draft) {
      const { text, at } = draft;
      // The links of its files come with the server's own copy, at the next replay.
      const attachments = draft.attachments.map(({ name, media_type, size }) => ({ name, media_type, size, href: "" }));
      const own: Message = { t: "message", seq, from: "visitor", id, name: null, text, attachments, choices: [], at };
      this.transcript.add(own, this.ports.now());
      this.outbox.remove(id);
      this.#fillGap(false);
    }
    this.ports.tell("accepted", { id, reference });
  }

  #heard(message: Message): void {
    // What another tab or an earlier page of ours sent has arrived; `accepted` may never reach this page.
    if (message.from === "visitor" && message.id !== null) this.outbox.remove(message.id);
    const old = this.catchingUp();
    const added = this.transcript.add(message, this.ports.now());
    this.#fillGap(true);
    if (added === "known" || message.from === "visitor") return;
    this.typing = null;
    if (!old) this.ports.tell("message", { seq: message.seq, from: message.from });
  }

  /** Asks for what is missing before the newest message; once. Where the answer begins behind the hole, it stays one. */
  #fillGap(fromServer: boolean): void {
    const { last } = this.transcript;
    if (this.transcript.newest() <= last) {
      this.#gap = null;
    } else if (this.#gap?.after !== last) {
      this.#gap = { after: last, answered: false };
      this.#hello(last);
    } else if (this.#gap.answered && fromServer) {
      this.transcript.giveUpGap();
      this.#gap = null;
    }
  }

  #failed(failure: Failure): void {
    const now = this.ports.now();
    const patience = (failure.retry_after ?? 5) * 1000;
    // An answer to a `hello` that is no `welcome` is an answer too.
    if (failure.id === null) this.#isGreeting = false;
    const about = failure.id ?? this.outbox.inFlight?.id ?? null;
    switch (failure.code) {
      case "closing":
        return;
      case "hello_first":
        this.#hello(this.transcript.last);
        return;
      case "rate":
      case "busy":
        if (this.link.phase === "live") this.outbox.hold(now, patience);
        else this.#turnedAway(now + patience);
        return;
      case "session_unknown":
        this.record.forget();
        this.transcript.clear();
        this.reference = null;
        this.#readSent = 0;
        this.#hello(0);
        return;
      case "session_ended":
        this.#finish();
        return;
      case "identity_refused":
        this.#identity = null;
        this.ports.tell("identity_refused");
        if (this.link.phase === "greeting") this.#hello(this.transcript.last);
        return;
      case "too_many_sockets":
        this.complaint = { code: failure.code, message: failure.message };
        this.#hangUp("parked");
        return;
    }
    if (about !== null && (failure.id !== null || REFUSED.includes(failure.code))) {
      this.outbox.fail(about, failure.code);
    } else {
      this.complaint = { code: failure.code, message: failure.message };
    }
  }

  /** The house is full before it said `welcome`: comes back, and not earlier than it was asked to. */
  #turnedAway(until: number): void {
    this.#lose(1013);
    this.link.due = Math.max(this.link.due ?? 0, until);
  }

  #finish(): void {
    this.ended = true;
    this.typing = null;
    this.ports.tell("ended");
    this.#hangUp("idle");
  }

  #blank(): void {
    this.transcript.clear();
    this.ended = false;
    this.welcome = null;
    this.reference = null;
    this.complaint = null;
    this.typing = null;
    this.#profile = null;
    this.readUpTo = 0;
    this.#readSent = 0;
    this.#gap = null;
  }

  #canSend(): boolean {
    return this.link.phase === "live" && !this.ended && !this.#isGreeting;
  }

  #pump(): void {
    if (!this.#canSend()) return;
    const now = this.ports.now();
    const next = this.outbox.next(now, this.limits);
    if (next === null || typeof next === "number") return;
    this.outbox.sent(next.id, now);
    const frame: ClientFrame = { t: "message", id: next.id, text: next.text };
    if (next.attachments.length > 0) frame.attachments = next.attachments.map((one) => one.id);
    this.ports.send(frame);
  }

  #sessionStored(): void {
    const change = this.record.reload();
    if (change === "renewed") return;
    this.#blank();
    if (change === "gone") this.#hangUp("idle");
    else if (this.link.phase !== "idle") this.#dial();
    else this.start();
  }
}
