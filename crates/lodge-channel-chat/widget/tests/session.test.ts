// The session against a server in memory: resume, resend, refusals, two tabs. Numbers are those of the acceptance list.

import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { World } from "./world";

const live = (world = new World()) => {
  const tab = world.tab();
  tab.session.engage();
  world.settle();
  equal(tab.session.link.phase, "live");
  return { world, tab, server: world.server };
};

test("h01 random drops, reloads and two tabs lose nothing and double nothing", () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const world = new World(seed);
    const tabs = [world.tab(), world.tab()];
    tabs[0]?.session.engage();
    world.settle();
    tabs[1]?.session.start();
    world.settle();
    const written: string[][] = [[], []];
    for (let step = 0; step < 120; step += 1) {
      const which = world.random() < 0.5 ? 0 : 1;
      const tab = tabs[which];
      ok(tab);
      const dice = world.random();
      if (dice < 0.15) {
        const text = `v${which}-${step}`;
        ok(tab.session.compose(text));
        written[which]?.push(text);
      } else if (dice < 0.3) world.server.say("agent", `a${step}`);
      else if (dice < 0.38) tab.pipe?.cut(1006);
      else if (dice < 0.41) tab.reload();
      else if (dice < 0.43) tab.session.revive();
      else if (dice < 0.45) world.server.isUp = !world.server.isUp;
      else if (dice < 0.5) world.pass(Math.floor(world.random() * 20));
      else world.stepAny();
    }
    world.server.isUp = true;
    world.pass(200);
    const log = world.server.log.map((said) => said.text);
    equal(new Set(log).size, log.length, `seed ${seed}: something is in the log twice`);
    for (const tab of tabs) deepEqual(tab.texts(), log, `seed ${seed}: a tab shows something else than the log`);
    written.forEach((texts, at) => deepEqual(log.filter((text) => text.startsWith(`v${at}-`)), texts, `seed ${seed}: order`));
    equal(world.shared.kept.get("outbox"), undefined);
  }
});

test("h01 ten minutes without network: everything missed arrives in order, once", () => {
  const { world, tab, server } = live();
  server.say("agent", "one");
  world.settle();
  server.isUp = false;
  tab.pipe?.cut(1006);
  server.say("agent", "two");
  tab.session.compose("mine");
  world.pass(600);
  server.say("agent", "three");
  server.isUp = true;
  tab.session.revive();
  world.settle();
  deepEqual(tab.texts(), ["one", "two", "three", "mine"]);
  equal(server.hellos.at(-1)?.after, 1);
});

test("h02 what was not accepted goes again, in order, with its id; a repeated answer changes nothing", () => {
  const { world, tab, server } = live();
  // The server stores, and the answer is lost.
  server.scripted.push((frame, pipe) => {
    if (frame.t === "message") server.say("visitor", frame.text, frame.id);
    pipe.cut(1006);
    return true;
  });
  tab.session.compose("first");
  tab.session.compose("second");
  world.pass(60);
  deepEqual(server.log.map((said) => said.text), ["first", "second"]);
  deepEqual(tab.texts(), ["first", "second"]);
});

test("h02 a draft is in the store before anything is sent", () => {
  const world = new World();
  const tab = world.tab();
  tab.session.compose("before any connection");
  equal(tab.sent.length, 0);
  ok(world.shared.kept.get("outbox")?.includes("before any connection"));
});

test("an accepted message that never comes means a dead connection", () => {
  const { world, tab, server } = live();
  server.scripted.push(() => true);
  tab.session.compose("into the void");
  world.pass(19);
  equal(server.log.length, 0);
  world.pass(10);
  deepEqual(server.log.map((said) => said.text), ["into the void"]);
});

test("a hole is asked for once, and given up where the server has none to fill it with", () => {
  const { world, tab, server } = live();
  server.say("agent", "one");
  world.settle();
  const hellos = server.hellos.length;
  tab.pipe?.down({ t: "message", seq: 4, from: "agent", text: "four", at: "" });
  tab.pipe?.down({ t: "message", seq: 5, from: "agent", text: "five", at: "" });
  world.pass(1);
  equal(server.hellos.length, hellos + 1);
  equal(server.hellos.at(-1)?.after, 1);
  server.log.push({ seq: 2, from: "agent", text: "two" }, { seq: 3, from: "agent", text: "three" });
  server.log.push({ seq: 4, from: "agent", text: "four" }, { seq: 5, from: "agent", text: "five" });
  tab.session.refresh(2);
  world.settle();
  deepEqual(tab.texts(), ["one", "two", "three", "four", "five"]);
  tab.pipe?.down({ t: "message", seq: 9, from: "agent", text: "nine", at: "" });
  world.settle();
  tab.pipe?.down({ t: "message", seq: 10, from: "agent", text: "ten", at: "" });
  world.settle();
  const asked = server.hellos.length;
  tab.pipe?.down({ t: "message", seq: 11, from: "agent", text: "eleven", at: "" });
  world.settle();
  equal(server.hellos.length, asked);
});

test("t09 an unknown session is forgotten, its drafts are not", () => {
  const { world, tab, server } = live();
  server.secret = "secret-2";
  tab.pipe?.cut(1006);
  tab.session.compose("still mine");
  world.pass(20);
  deepEqual(server.log.map((said) => said.text), ["still mine"]);
  equal(tab.session.record.secret, "secret-2");
  equal(server.hellos.at(-1)?.session, undefined);
});

test("t07 a renewed secret is kept and used from then on", () => {
  const { world, tab, server } = live();
  server.secret = "secret-2";
  tab.pipe?.down({ t: "welcome", session: "secret-2", seq: 0, limits: {}, open: true, ask: [] });
  world.settle();
  tab.reload();
  world.settle();
  equal(server.hellos.at(-1)?.session, "secret-2");
});

test("h05 a rate limit is waited for, then the same message goes again", () => {
  const { world, tab, server } = live();
  server.scripted.push((frame, pipe) => {
    if (frame.t !== "message") return false;
    pipe.down({ t: "error", code: "rate", message: "slow down", id: frame.id, retry_after: 7 });
    return true;
  });
  tab.session.compose("too fast");
  world.pass(6);
  equal(server.log.length, 0);
  world.pass(3);
  deepEqual(server.log.map((said) => said.text), ["too fast"]);
});

test("h05 the client keeps the server's pace by itself", () => {
  const { world, tab, server } = live();
  for (let at = 0; at < 30; at += 1) tab.session.compose(`m${at}`);
  world.settle();
  equal(server.log.length, 20);
  world.pass(11);
  equal(server.log.length, 30);
});

test("h05 a full house before the welcome is left alone for as long as it asks", () => {
  const world = new World();
  const tab = world.tab();
  world.server.scripted.push((_, pipe) => {
    pipe.down({ t: "error", code: "busy", message: "", retry_after: 30 });
    return true;
  });
  tab.session.engage();
  world.pass(29);
  equal(world.server.hellos.length, 1);
  world.pass(5);
  equal(tab.session.link.phase, "live");
});

test("a refused message fails alone; retry sends it with the same id, discard forgets it", () => {
  const { world, tab, server } = live();
  const refuse = () =>
    server.scripted.push((frame, pipe) => {
      if (frame.t !== "message") return false;
      pipe.down({ t: "error", code: "text_too_long", message: "", id: frame.id });
      return true;
    });
  refuse();
  tab.session.compose("bad");
  tab.session.compose("good");
  world.settle();
  deepEqual(server.log.map((said) => said.text), ["good"]);
  const draft = tab.session.outbox.list()[0];
  ok(draft);
  equal(draft.failed, "text_too_long");
  tab.reload();
  world.settle();
  equal(server.log.length, 1);
  tab.session.retry(draft.id);
  world.settle();
  deepEqual(server.log.map((said) => [said.text, said.id]), [["good", server.log[0]?.id], ["bad", draft.id]]);
  refuse();
  tab.session.compose("worse");
  world.settle();
  tab.session.discard(tab.session.outbox.list()[0]?.id ?? "");
  deepEqual(tab.texts(), ["good", "bad"]);
});

test("t70 a frame that the server closes on is not sent for ever", () => {
  const { world, tab, server } = live();
  server.scripted.push((_, pipe) => {
    pipe.cut(1009);
    return true;
  });
  tab.session.compose("huge");
  world.pass(30);
  equal(tab.session.outbox.list()[0]?.failed, "too_large");
  equal(server.log.length, 0);
});

test("two tabs: a draft is shown once in each, and a tab that dies leaves its draft to the other", () => {
  const { world, tab, server } = live();
  const other = world.tab();
  other.session.start();
  world.settle();
  tab.session.compose("shared");
  tab.pipe = null;
  world.settle();
  deepEqual(other.texts(), ["shared"]);
  world.shared.tabs = [other];
  world.pass(5);
  deepEqual(server.log.map((said) => said.text), ["shared"]);
  deepEqual(other.texts(), ["shared"]);
});

test("forget in one tab is forget in all; another conversation in one tab is shown by the other", () => {
  const { world, tab, server } = live();
  const other = world.tab();
  other.session.start();
  server.say("agent", "private");
  world.settle();
  deepEqual(other.texts(), ["private"]);
  tab.session.forget();
  world.settle();
  deepEqual([tab.texts(), other.texts()], [[], []]);
  equal(other.session.link.phase, "idle");
  equal(world.shared.kept.size, 0);
  server.secret = "secret-2";
  server.log = [];
  tab.session.engage();
  world.settle();
  server.say("agent", "new");
  world.settle();
  deepEqual(other.texts(), ["new"]);
});

test("nobody who never chats costs a connection", () => {
  const world = new World();
  const tab = world.tab();
  tab.session.start();
  tab.session.revive();
  tab.session.hurry();
  world.pass(100);
  equal(tab.pipe, null);
  equal(world.server.hellos.length, 0);
});

test("an ended conversation rests; a new one starts without the old secret", () => {
  const { world, tab, server } = live();
  server.say("agent", "bye");
  tab.pipe?.down({ t: "ended" });
  world.pass(100);
  equal(tab.session.ended, true);
  equal(tab.session.link.phase, "idle");
  deepEqual(tab.texts(), ["bye"]);
  server.log = [];
  server.secret = "secret-2";
  tab.session.restart();
  world.settle();
  equal(server.hellos.at(-1)?.session, undefined);
  deepEqual(tab.texts(), []);
});

test("h03 a refused identity is told to the page, and the visitor goes on without it", () => {
  const world = new World();
  const tab = world.tab();
  world.server.scripted.push((frame, pipe) => {
    equal(frame.t === "hello" ? frame.identity : null, "jwt");
    pipe.down({ t: "error", code: "identity_refused", message: "" });
    return true;
  });
  tab.session.identify("jwt");
  tab.session.engage();
  world.settle();
  ok(tab.told.includes("identity_refused"));
  equal(tab.session.link.phase, "live");
  equal(world.server.hellos.at(-1)?.identity, undefined);
});

test("unread counts what others said and nobody saw, over reloads", () => {
  const { world, tab, server } = live();
  server.say("agent", "one");
  tab.session.compose("mine");
  world.settle();
  equal(tab.session.unread(), 1);
  tab.session.seen();
  equal(tab.session.unread(), 0);
  tab.reload();
  world.settle();
  equal(tab.session.unread(), 0);
  server.say("agent", "two");
  world.settle();
  equal(tab.session.unread(), 1);
  deepEqual(tab.sent.filter((frame) => frame.t === "read"), [{ t: "read", seq: 2 }]);
});

test("typing is sent at most every three seconds, and shown for six", () => {
  const { world, tab } = live();
  for (let at = 0; at < 5; at += 1) {
    tab.session.typed();
    world.pass(1);
  }
  equal(tab.sent.filter((frame) => frame.t === "typing").length, 2);
  tab.pipe?.down({ t: "typing", from: "agent", name: "Mara" });
  world.settle();
  equal(tab.session.typing?.name, "Mara");
  world.pass(7);
  equal(tab.session.typing, null);
});

test("what an old socket still reports is not heard", () => {
  const { world, tab } = live();
  const old = tab.session.link.turn;
  tab.session.revive();
  world.settle();
  tab.session.received(old, '{"t":"message","seq":1,"from":"agent","text":"ghost","at":""}');
  tab.session.closed(old, 1006);
  tab.session.opened(old);
  deepEqual(tab.texts(), []);
  equal(tab.session.link.phase, "live");
});

test("a message written with the form goes once, after the introduction", () => {
  const { world, tab } = live();
  tab.session.introduce({ name: "Ann", email: "ann@example.com" });
  tab.session.compose("hello");
  world.settle();
  deepEqual(tab.sent.map((frame) => frame.t), ["hello", "hello", "message"]);
});
