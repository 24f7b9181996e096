// A world for sessions without a browser: a clock moved by hand, a store shared by tabs, a server with a log, and a network
// that a test may cut at any moment. Everything random comes from one seed.

import type { ClientFrame } from "../src/frames";
import { Session } from "../src/session";
import type { Store } from "../src/store";
import { uuid7 } from "../src/uuid";

/** Small, fast, the same everywhere (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mix = Math.imul(state ^ (state >>> 15), state | 1);
    mix ^= mix + Math.imul(mix ^ (mix >>> 7), mix | 61);
    return ((mix ^ (mix >>> 14)) >>> 0) / 4294967296;
  };
}

interface Said {
  seq: number;
  from: string;
  id?: string;
  text: string;
}

/** What the gateway keeps: one session's log. Frames are handled one after the other, as the gateway does. */
export class Server {
  log: Said[] = [];
  secret = "secret-1";
  isUp = true;
  /** Answers to give instead of the usual ones, once each. */
  scripted: ((frame: ClientFrame, pipe: Pipe) => boolean)[] = [];
  hellos: Extract<ClientFrame, { t: "hello" }>[] = [];
  readonly pipes = new Set<Pipe>();

  say(from: string, text: string, id?: string): Said {
    const said = { seq: this.log.length + 1, from, text, ...(id === undefined ? {} : { id }) };
    this.log.push(said);
    for (const pipe of this.pipes) if (pipe.greeted) pipe.down({ t: "message", at: "2026-11-21T09:00:00Z", ...said });
    return said;
  }

  hear(frame: ClientFrame, pipe: Pipe): void {
    if (frame.t === "hello") this.hellos.push(frame);
    const scripted = this.scripted[0];
    if (scripted) {
      this.scripted.shift();
      if (scripted(frame, pipe)) return;
    }
    if (frame.t === "hello") {
      if (frame.session !== undefined && frame.session !== this.secret) {
        pipe.down({ t: "error", code: "session_unknown", message: "" });
        return;
      }
      pipe.greeted = true;
      pipe.down({ t: "welcome", session: this.secret, seq: this.log.length, limits: {}, open: true, ask: [] });
      for (const said of this.log.slice(frame.after ?? 0)) pipe.down({ t: "message", at: "2026-11-21T09:00:00Z", ...said });
    } else if (frame.t === "message") {
      const known = this.log.find((said) => said.id === frame.id);
      const { seq } = known ?? this.say("visitor", frame.text, frame.id);
      pipe.down({ t: "accepted", id: frame.id, seq, reference: null });
    }
  }
}

/** One connection: frames in flight both ways, in order; what is in flight when it is cut is lost. */
export class Pipe {
  greeted = false;
  isOpen = false;
  private toServer: string[] = [];
  private toClient: string[] = [];

  constructor(
    private readonly server: Server,
    private readonly tab: Tab,
    readonly turn: number,
  ) {}

  up(frame: ClientFrame): void {
    this.toServer.push(JSON.stringify(frame));
  }

  down(frame: unknown): void {
    this.toClient.push(JSON.stringify(frame));
  }

  /** One thing happens on the line; false where nothing is left to happen. */
  step(serverFirst: boolean): boolean {
    if (!this.isOpen) {
      if (!this.server.isUp) {
        this.cut(1006);
        return true;
      }
      this.isOpen = true;
      this.server.pipes.add(this);
      this.tab.session.opened(this.turn);
      return true;
    }
    const first = serverFirst ? this.toServer : this.toClient;
    const queue = first.length > 0 ? first : serverFirst ? this.toClient : this.toServer;
    const text = queue.shift();
    if (text === undefined) return false;
    if (queue === this.toServer) this.server.hear(JSON.parse(text) as ClientFrame, this);
    else this.tab.session.received(this.turn, text);
    return true;
  }

  cut(code: number): void {
    this.server.pipes.delete(this);
    if (this.tab.pipe === this) this.tab.pipe = null;
    this.tab.session.closed(this.turn, code);
  }
}

/** The browser's storage: what one tab writes, the others are told. */
export class Shared {
  readonly kept = new Map<string, string>();
  tabs: Tab[] = [];

  of(tab: Tab): Store {
    const told = (key: string): void => this.tabs.filter((one) => one !== tab).forEach((one) => one.news.push(key));
    return {
      get: (key) => this.kept.get(key) ?? null,
      set: (key, value) => {
        if (this.kept.get(key) === value) return;
        this.kept.set(key, value);
        told(key);
      },
      remove: (key) => {
        if (this.kept.delete(key)) told(key);
      },
    };
  }
}

/** A page with a session in it. */
export class Tab {
  session: Session;
  pipe: Pipe | null = null;
  news: string[] = [];
  told: string[] = [];
  sent: ClientFrame[] = [];
  private ids = 0;

  constructor(
    private readonly world: World,
    readonly name: number,
  ) {
    this.session = this.load();
    world.shared.tabs.push(this);
  }

  /** The page is loaded anew: memory is gone, the store is not. */
  reload(): void {
    if (this.pipe) this.world.server.pipes.delete(this.pipe);
    this.pipe = null;
    this.news = [];
    this.session = this.load();
    this.session.start();
  }

  /** The texts that are shown, in order. */
  texts(): string[] {
    const { transcript, outbox } = this.session;
    const waiting = outbox.shown((id) => transcript.holds(id), this.world.now).map((draft) => draft.text);
    return [...transcript.entries().map((entry) => entry.text), ...waiting];
  }

  private load(): Session {
    const { world } = this;
    return new Session({
      now: () => world.now,
      random: world.random,
      id: () => {
        this.ids += 1;
        return uuid7(world.now, Uint8Array.from({ length: 10 }, (_, at) => (at === 0 ? this.name : at === 9 ? this.ids % 256 : at === 8 ? this.ids >> 8 : 0)));
      },
      store: world.shared.of(this),
      connect: (turn) => {
        this.pipe = new Pipe(world.server, this, turn);
      },
      drop: () => {
        if (this.pipe) world.server.pipes.delete(this.pipe);
        this.pipe = null;
      },
      send: (frame) => {
        this.sent.push(frame);
        this.pipe?.up(frame);
      },
      page: () => ({ url: "https://shop.example/", title: "Shop" }),
      language: "en",
      changed: () => undefined,
      tell: (event) => this.told.push(event),
    });
  }
}

export class World {
  now = Date.parse("2026-11-21T09:00:00Z");
  readonly server = new Server();
  readonly shared = new Shared();
  readonly random: () => number;

  constructor(seed = 1) {
    this.random = randomFrom(seed);
  }

  tab(): Tab {
    return new Tab(this, this.shared.tabs.length + 1);
  }

  /** Everything that can happen without time passing, happens. */
  settle(): void {
    for (let rounds = 0; rounds < 10_000; rounds += 1) if (!this.stepAny()) return;
    throw new Error("it never comes to rest");
  }

  /** Time passes, a second at a time. */
  pass(seconds: number): void {
    for (let second = 0; second < seconds; second += 1) {
      this.settle();
      this.now += 1000;
      for (const tab of this.shared.tabs) {
        const wake = tab.session.wakeAt();
        if (wake !== null && wake <= this.now) tab.session.wake();
      }
    }
    this.settle();
  }

  stepAny(): boolean {
    let moved = false;
    for (const tab of this.shared.tabs) {
      const key = tab.news.shift();
      if (key !== undefined) tab.session.stored(key);
      moved = (tab.pipe?.step(this.random() < 0.5) ?? false) || key !== undefined || moved;
    }
    return moved;
  }
}
