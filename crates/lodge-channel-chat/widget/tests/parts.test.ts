// The small pure parts: frames, links, names, colours, ids, patience, languages, settings, storage.

import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { afterRestart, backoff } from "../src/backoff";
import { contrast, palette, parseColour } from "../src/colour";
import type { Rgb } from "../src/colour";
import { parse } from "../src/frames";
import { choose, fill, Speech } from "../src/i18n";
import { LANGUAGES } from "../src/i18n/all";
import { settings } from "../src/settings";
import { SafeStore } from "../src/store";
import { cleanName, grouped, length, linkify, webAddress } from "../src/text";
import { uuid7 } from "../src/uuid";
import { randomFrom } from "./world";

const links = (text: string) => linkify(text).filter((part) => part.href !== undefined);

test("t33 only web and mail addresses become links, and nothing of a text is lost", () => {
  const hostile = [
    "javascript:alert(1)",
    "JAVASCRIPT:alert(1)//http",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x file:///etc/passwd blob:https://a/b",
    "<a href=javascript:alert(1)>https</a>",
    "https://user:pass@evil.example/",
    "https://bank.example@evil.example/",
    "http://",
    "https://[::bad",
  ];
  for (const text of hostile) deepEqual(links(text), [], text);
  const mixed = "see https://a.example/x?y=1#z, mail ann@b.example or <script>alert(1)</script> (http://c.example/).";
  deepEqual(links(mixed).map((part) => part.href), ["https://a.example/x?y=1#z", "mailto:ann@b.example", "http://c.example/"]);
  equal(linkify(mixed).map((part) => part.text).join(""), mixed);
});

test("t33 a flood of links stays cheap and whole", () => {
  const text = "http://a.example/ ".repeat(400);
  equal(links(text).length, 100);
  equal(linkify(text).map((part) => part.text).join(""), text);
  const started = Date.now();
  for (const evil of ["a".repeat(8000) + "@", "a.".repeat(4000), "(".repeat(8000), "http://" + "(".repeat(7000), "a@" + "a.".repeat(3900)]) linkify(evil);
  ok(Date.now() - started < 1000);
});

test("t46 names lose what reorders and hides, and keep their end", () => {
  equal(cleanName("inv\u202egpj.exe"), "invgpj.exe");
  equal(cleanName("a\u0000b\u200bc\u2066d\nline"), "abcd line");
  equal(cleanName("  Zoe\u0308  M.  "), "Zo\u00eb M.");
  const long = cleanName(`${"x".repeat(300)}.pdf`);
  equal(length(long), 80);
  ok(long.endsWith(".pdf"));
});

test("t46 an address that reads unlike what it means shows what it means", () => {
  const [part] = links("https://аpple.example/");
  equal(part?.host, "xn--pple-43d.example");
  equal(links("https://apple.example/")[0]?.host, undefined);
});

test("t33 links of files are of the web or nothing", () => {
  const base = "https://help.example/chat/website";
  equal(webAddress("/blobs/x", base)?.href, "https://help.example/blobs/x");
  for (const href of ["javascript:alert(1)", "data:text/html,x", "blob:https://help.example/x", "file:///x"]) equal(webAddress(href, base), null);
});

test("frames that are none are dropped, never half understood", () => {
  const none = ["", "{", "[]", "null", "7", '{"t":"other"}', '{"t":"message","text":"no seq"}', '{"t":"message","seq":0}', '{"t":"accepted","seq":1}', '{"t":"welcome"}', '{"t":"read","seq":-1}', '{"t":"read","seq":1.5}'];
  for (const text of none) equal(parse(text), null, text);
  const message = parse('{"t":"message","seq":1,"from":"root","text":7,"attachments":[null,{"name":"a"}],"choices":["x",1," "],"__proto__":{"polluted":1}}');
  ok(message?.t === "message");
  equal(message.from, "system");
  equal(message.text, "");
  equal(message.attachments.length, 1);
  deepEqual(message.choices, ["x"]);
  equal(({} as { polluted?: number }).polluted, undefined);
});

test("every colour of a site can be read: 4.5 on, and beside it in both schemes", () => {
  const random = randomFrom(7);
  const grounds: [keyof ReturnType<typeof palette>, Rgb[]][] = [
    ["inkOnLight", [[255, 255, 255], [241, 243, 246]]],
    ["inkOnDark", [[26, 30, 35], [45, 50, 58]]],
  ];
  for (let at = 0; at < 2000; at += 1) {
    const colour = [0, 1, 2].map(() => Math.floor(random() * 256)) as unknown as Rgb;
    const made = palette(colour);
    const rgb = (text: string): Rgb => parseColour(text) ?? [0, 0, 0];
    ok(contrast(rgb(made.fill), rgb(made.onFill)) >= 4.5, `on ${colour.join()}`);
    for (const [name, all] of grounds) for (const ground of all) ok(contrast(rgb(made[name]), ground) >= 4.5, `${name} ${colour.join()}`);
  }
  deepEqual(parseColour("#0af"), [0, 170, 255]);
  equal(parseColour("red; background: url(x)"), null);
});

test("ids are of version 7, sorted by time, and different", () => {
  const bytes = new Uint8Array(10).fill(255);
  const id = uuid7(Date.parse("2026-11-21T09:00:00Z"), bytes);
  ok(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/u.test(id));
  equal(Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16), Date.parse("2026-11-21T09:00:00Z"));
  ok(uuid7(1, bytes) < uuid7(2, new Uint8Array(10)));
});

test("patience grows to a minute and is spread; after a restart within fifteen seconds", () => {
  for (let attempt = 0; attempt < 40; attempt += 1) {
    const [least, most] = [backoff(attempt, 0), backoff(attempt, 0.999999)];
    equal(least, 1000);
    ok(most <= 60_000 && most >= Math.min(1900, 60_000));
  }
  ok(backoff(20, 0.9) > 50_000);
  ok(afterRestart(0) === 0 && afterRestart(0.99999) < 15_000);
});

test("every language has every word, with the same places in it", () => {
  const places = (text: string) => (text.match(/\{\w+\}/gu) ?? []).sort().join();
  const english = Object.entries(LANGUAGES.en ?? {});
  ok(english.length > 40 && Object.keys(LANGUAGES).length === 15);
  for (const [code, words] of Object.entries(LANGUAGES)) {
    for (const [name, text] of english) {
      const own = (words as unknown as { [name: string]: unknown })[name];
      if (typeof text !== "string") continue;
      ok(typeof own === "string" && own.trim() !== "", `${code}.${name}`);
      equal(places(own), places(text), `${code}.${name}`);
      ok(!own.includes("|"), `${code}.${name}: the build packs words with this sign`);
    }
    const speech = new Speech(code);
    for (const count of [1, 2, 3, 5, 11, 21, 100]) ok(!speech.unread(count).includes("{"));
  }
});

test("plural forms are the language's own", () => {
  equal(new Speech("ru").unread(3), "3 непрочитанных сообщения");
  equal(new Speech("pl").unread(5), "5 nieprzeczytanych wiadomości");
  equal(new Speech("ar").unread(2), "رسالتان غير مقروءتين");
  equal(new Speech("en").unread(1), "1 unread message");
});

test("the first wish that is spoken wins; regions and old codes are understood", () => {
  equal(choose([null, "xx", "pt-BR", "de"]), "pt-BR");
  equal(choose(["iw"]), "he");
  equal(choose(["zh_TW"]), "zh-TW");
  equal(choose(["de-<script>", ""]), "en");
  equal(new Speech("he").direction, "rtl");
  equal(fill("{a} {b}", { a: "{b}", b: "$&" }), "{b} $&");
});

test("times and sizes are words of the language", () => {
  const speech = new Speech("en-GB");
  equal(speech.size(48213), "48 kB");
  equal(speech.size(2_400_000), "2.4 MB");
  equal(speech.duration(7), "7 seconds");
  equal(speech.duration(150), "3 minutes");
  const noon = new Date(2026, 10, 21, 12).getTime();
  equal(speech.day(noon, noon), "Today");
  equal(speech.day(noon - 86_400_000, noon), "Yesterday");
});

test("the address of everything comes from the script's own", () => {
  const read = settings("https://help.example/widget.js?v=1", { inbox: "web site", open: "" });
  equal(read?.socket, "wss://help.example/chat/web%20site");
  equal(read?.base, "https://help.example/chat/web%20site");
  equal(read?.open, true);
  equal(settings("http://localhost:8080/widget.js", { inbox: "w", position: "start" })?.socket, "ws://localhost:8080/chat/w");
  equal(settings("https://help.example/widget.js", {}), null);
  equal(settings("file:///widget.js", { inbox: "w" }), null);
  equal(settings("https://help.example/widget.js", { inbox: "../../x" })?.base, "https://help.example/chat/..%2F..%2Fx");
});

test("a storage that throws, or is none, costs the next page and nothing else", () => {
  const angry = {
    getItem: (): string | null => {
      throw new Error("forbidden");
    },
    setItem: () => {
      throw new Error("full");
    },
    removeItem: () => {
      throw new Error("forbidden");
    },
  };
  for (const backing of [angry, null]) {
    const store = new SafeStore(backing, "p:");
    equal(store.get("a"), null);
    store.set("a", "1");
    equal(store.get("a"), "1");
    store.remove("a");
    equal(store.get("a"), null);
  }
});

test("482 913 6057", () => equal(grouped("4829136057"), "482\u00a0913\u00a06057"));
