// The sandbox's messenger: a thread a person and network, filled from what the networks' stand-in sees.
"use strict";

(() => {
  const social = $("#social");
  const { network, name, text, picture } = social.elements;
  const thread = $("#thread");
  const written = $("#written");
  // Messages by network and account, and the account behind each name.
  const threads = new Map();
  const items = new Map();
  const accounts = new Map();
  const unseen = new Set();

  const person = () => `${network.value}/${name.value.trim()}`;
  const current = () => `${network.value}/${accounts.get(person())}`;
  const looking = () => !$("#pane-social").hidden && document.visibilityState === "visible";

  function render() {
    const messages = threads.get(current()) || [];
    thread.replaceChildren(...(messages.length ? messages : [el("li", { class: "empty" }, "No messages yet.")]));
    thread.scrollTop = thread.scrollHeight;
    if (!looking()) return;
    // What is looked at is read, and the network says so.
    for (const id of unseen) {
      if (items.get(id)?.thread !== current()) continue;
      unseen.delete(id);
      send("/sandbox/social/read", { id }).catch(() => {});
    }
  }

  shown.message = (what) => {
    const key = `${what.network}/${what.account}`;
    const mine = what.by === "customer";
    if (mine) accounts.set(`${what.network}/${what.name}`, what.account);
    const state = el("span", { class: "ticks" }, mine ? "sending" : "");
    const item = el("li", { class: mine ? "mine" : "theirs" },
      what.picture ? el("img", { src: what.picture, alt: "The picture" }) : null,
      what.text ? el("p", { class: "words" }, what.text) : null,
      el("p", { class: "meta" }, time(what.at), " ", state));
    items.set(what.id, { thread: key, state, mine });
    if (!threads.has(key)) threads.set(key, []);
    threads.get(key).push(item);
    if (!mine) news("social");
    render();
  };

  shown.receipt = (what) => {
    const item = items.get(what.id);
    if (!item) return;
    const words = { taken: "✓ taken by the gateway", delivered: "✓✓ delivered", read: "✓✓ read" };
    item.state.textContent = words[what.state] || what.state;
    item.state.classList.toggle("read", what.state === "read");
    // Read only after it was delivered.
    if (what.state === "delivered") { unseen.add(what.id); render(); }
    if (what.state === "read") unseen.delete(what.id);
  };

  const base64 = (file) => new Promise((done, failed) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => done(reader.result.split(",")[1]));
    reader.addEventListener("error", () => failed(reader.error));
    reader.readAsDataURL(file);
  });

  social.addEventListener("submit", async (event) => {
    event.preventDefault();
    const file = picture.files[0];
    written.textContent = "sending…";
    try {
      if (file && file.size > 1 << 20) throw new Error("a picture has at most 1 MiB here");
      const attached = file ? { media_type: file.type, data: await base64(file) } : null;
      await send("/sandbox/social/message", { network: network.value, name: name.value, text: text.value, picture: attached });
      text.value = "";
      picture.value = "";
      written.textContent = "";
      render();
    } catch (error) {
      written.textContent = `not sent: ${error.message}`;
    }
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); social.requestSubmit(); }
  });
  for (const field of [network, name]) field.addEventListener("input", render);
  document.addEventListener("pane", render);
  document.addEventListener("visibilitychange", render);
})();
