// A stand-in for the gateway's chat door, in memory: speaks `lodge.chat.v1`, takes uploads, serves the widget and a page.
// For looking at the widget and for tests of it; it checks no origin and no token, and keeps nothing.

import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";

const here = dirname(fileURLToPath(import.meta.url));
const widget = join(here, "../../../assets/widget.js");
const LIMITS = { text: 8000, frame: 65536, messages: 20, seconds: 10, upload_bytes: 1_000_000, attachments: 5 };
/** The strictest policy under which the widget works; README.md names the parts. */
const POLICY =
  "default-src 'none'; script-src 'self'; connect-src 'self' ws:; img-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'";

/** `options`: what `welcome` says (`open`, `opens_at`, `ask`, `continued_by_mail`), and `page`: a query's attributes to markup. */
export class Mock {
  sessions = new Map();
  sockets = new Set();
  uploads = new Map();
  /** Every frame of clients, for tests. */
  heard = [];

  constructor(options = {}) {
    this.options = options;
    this.server = createServer((request, response) => this.http(request, response));
    new WebSocketServer({ server: this.server, handleProtocols: () => "lodge.chat.v1", maxPayload: 65536 }).on(
      "connection",
      (socket) => this.connected(socket),
    );
  }

  listen(port = 0) {
    return new Promise((done) => this.server.listen(port, "127.0.0.1", () => done(this.server.address().port)));
  }

  /** Cuts every socket, as a power failure would, and stops to listen. The log stays. */
  stop() {
    for (const socket of this.sockets) socket.terminate();
    return new Promise((done) => {
      this.server.close(done);
      this.server.closeAllConnections();
    });
  }

  /** Something is said in `session` (its id, or the only one) by `from`. */
  say(from, text, more = {}, session = [...this.sessions.values()][0]) {
    const message = { t: "message", seq: session.log.length + 1, from, text, at: new Date().toISOString(), ...more };
    session.log.push(message);
    this.cast(session, { ...message, attachments: this.links(message) });
    return message;
  }

  cast(session, frame) {
    for (const socket of this.sockets) if (socket.session === session) socket.send(JSON.stringify(frame));
  }

  connected(socket) {
    this.sockets.add(socket);
    socket.on("close", () => this.sockets.delete(socket));
    socket.on("error", () => {});
    socket.on("message", (data) => {
      const frame = JSON.parse(data.toString());
      this.heard.push(frame);
      const reply = (answer) => socket.send(JSON.stringify(answer));
      if (frame.t === "hello") this.hello(socket, frame, reply);
      else if (!socket.session) reply({ t: "error", code: "hello_first", message: "say hello first" });
      else if (frame.t === "message") this.message(socket.session, frame, reply);
      else if (frame.t === "end") this.end(socket.session);
      else if (frame.t === "read") socket.session.read = frame.seq;
    });
  }

  hello(socket, frame, reply) {
    let session = this.sessions.get(frame.session);
    if (frame.session && !session) return reply({ t: "error", code: "session_unknown", message: "no such session" });
    if (!session) {
      session = { secret: randomUUID(), log: [], ids: new Map(), reference: null, profile: null, ended: false };
      this.sessions.set(session.secret, session);
    }
    if (frame.profile) session.profile = frame.profile;
    socket.session = session;
    const { open = true, opens_at = null, ask = [], continued_by_mail = true } = this.options;
    reply({
      t: "welcome", session: session.secret, seq: session.log.length, limits: LIMITS, open, opens_at,
      ask: session.profile ? [] : ask, continued_by_mail, reference: session.reference,
    });
    for (const message of session.log.slice(frame.after ?? 0)) reply({ ...message, attachments: this.links(message) });
    if (session.ended) reply({ t: "ended" });
  }

  message(session, { id, text, attachments = [] }, reply) {
    if (Array.from(text).length > LIMITS.text) return reply({ t: "error", code: "text_too_long", message: "at most 8000", id });
    let seq = session.ids.get(id);
    if (!seq) {
      seq = this.say("visitor", text, { id, files: attachments }, session).seq;
      session.ids.set(id, seq);
    }
    session.reference ??= "4829136057";
    reply({ t: "accepted", id, seq, reference: session.reference });
    this.options.onMessage?.(this, session, text);
  }

  end(session) {
    session.ended = true;
    this.cast(session, { t: "ended" });
  }

  links(message) {
    const given = (message.files ?? []).map((id) => ({ ...this.uploads.get(id), href: `/blobs/${id}?${Date.now()}` }));
    return [...given, ...(message.attachments ?? [])];
  }

  async http(request, response) {
    const url = new URL(request.url, "http://mock");
    const send = (status, type, body) => response.writeHead(status, { "content-type": type, "cache-control": "no-store" }).end(body);
    if (url.pathname === "/widget.js") return send(200, "text/javascript; charset=utf-8", readFileSync(widget));
    if (url.pathname === "/page.js") return send(200, "text/javascript; charset=utf-8", this.options.pageScript ?? "");
    if (url.pathname.endsWith("/uploads")) return this.upload(request, send);
    if (url.pathname.startsWith("/blobs/")) {
      const { bytes, media_type } = this.uploads.get(url.pathname.slice(7)) ?? {};
      return bytes ? send(200, media_type, bytes) : send(404, "text/plain", "gone");
    }
    response.setHeader("content-security-policy", this.options.policy ?? POLICY);
    const data = [...url.searchParams].map(([name, value]) => ` data-${name}="${value.replaceAll('"', "&quot;")}"`).join("");
    send(200, "text/html; charset=utf-8", `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Shop</title>
      <body><h1>A shop</h1><p>${"Things to buy. ".repeat(60)}</p><button>Buy</button>
      <script src="/page.js"></script><script src="/widget.js" data-inbox="website"${data}></script></body></html>`);
  }

  async upload(request, send) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const problem = (status, detail) => send(status, "application/problem+json", JSON.stringify({ status, detail }));
    if (!this.sessions.has(request.headers.authorization?.replace("Bearer ", ""))) return problem(401, "no such session");
    if (body.length > LIMITS.upload_bytes) return problem(413, "too large");
    const head = body.subarray(0, body.indexOf("\r\n\r\n")).toString();
    const name = /filename="([^"]*)"/.exec(head)?.[1] ?? "file";
    if (name.endsWith(".exe")) return problem(415, "programs are not accepted");
    const media_type = /content-type: (\S+)/i.exec(head)?.[1] ?? "application/octet-stream";
    const id = randomUUID();
    const bytes = body.subarray(head.length + 4, body.lastIndexOf("\r\n--"));
    const file = { name, media_type, size: bytes.length };
    this.uploads.set(id, { ...file, bytes });
    send(201, "application/json", JSON.stringify({ id, ...file }));
  }
}
