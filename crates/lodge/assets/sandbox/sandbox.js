// The sandbox page. Shows whatever it is sent as text, never as markup.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);
const mail = $("#mail");
const tickets = new Map();
let lastDraft = null;
let newest = null;

/** Makes an element: el("p", {class: "meta"}, "text", child, …). */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const grouped = (reference) => reference.replace(/^(\d{3})(\d{3})(\d{4})$/, "$1 $2 $3");
const time = (at) => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

async function send(path, body) {
  const response = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.detail || answer.title || `the gateway answered ${response.status}`);
  return answer;
}

// --- the customer's side ------------------------------------------------------------------------

const tabs = [...document.querySelectorAll("[role=tab]")];

/** Opens a pane, and takes its news as seen. */
function openPane(tab) {
  for (const other of tabs) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", String(chosen));
    $(`#${other.getAttribute("aria-controls")}`).hidden = !chosen;
  }
  const news = $(".news", tab);
  if (news) { news.hidden = true; news.textContent = ""; }
  document.dispatchEvent(new CustomEvent("pane", { detail: tab.id }));
}

/** Something came for a pane: counted on its tab while that is not open. */
function news(name) {
  const tab = $(`#tab-${name}`);
  if (tab.getAttribute("aria-selected") === "true") return;
  const mark = $(".news", tab);
  mark.textContent = String(Number(mark.textContent || 0) + 1);
  mark.setAttribute("aria-label", `${mark.textContent} new`);
  mark.hidden = false;
}

for (const [at, tab] of tabs.entries()) {
  tab.addEventListener("click", () => openPane(tab));
  tab.addEventListener("keydown", (event) => {
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = tabs[(to + tabs.length) % tabs.length];
    next.focus();
    openPane(next);
  });
}

function draft() {
  const data = new FormData(mail);
  const answering = mail.dataset.answering || null;
  return {
    name: data.get("name"), from: data.get("from"), subject: data.get("subject"), text: data.get("text"),
    authenticated: data.get("authenticated") !== null, in_reply_to: answering, to: data.get("to") || null,
  };
}

async function post(what) {
  const sent = $("#sent");
  sent.textContent = "sending…";
  try {
    await send("/sandbox/mail", what);
    lastDraft = what;
    sent.replaceChildren("sent: it is durable; ", el("a", { href: "#tickets" }, "the ticket follows"));
  } catch (error) {
    sent.textContent = `not sent: ${error.message}`;
  }
}

mail.addEventListener("submit", async (event) => {
  event.preventDefault();
  const letter = draft();
  await post({ ...letter, to: mail.dataset.to || null });
});

function answer(letter, replyTo) {
  mail.dataset.answering = letter.message_id || "";
  mail.dataset.to = replyTo || "";
  mail.elements.to.value = replyTo || letter.from;
  mail.elements.subject.value = /^re:/i.test(letter.subject) ? letter.subject : `Re: ${letter.subject}`;
  mail.elements.text.value = "";
  $("#answering span").textContent = `Answering “${letter.subject}”;`;
  $("#answering").hidden = false;
  mail.elements.text.focus();
}

$("#chat").addEventListener("click", () => window.LodgeChat && window.LodgeChat.open());

$("#anew").addEventListener("click", () => {
  delete mail.dataset.answering;
  delete mail.dataset.to;
  mail.elements.to.value = address;
  $("#answering").hidden = true;
  mail.elements.subject.focus();
});

const tries = {
  invoice: () => ({ name: "Ben Ott", from: "ben@example.org", subject: "Wrong invoice, please refund", text: "The invoice of May is too high. I would like a refund.", authenticated: true }),
  vacation: () => ({ name: "Ann Lee", from: "ann@example.com", subject: "Automatic reply: out of office", text: "I am away until Monday.", authenticated: true }),
  forged: () => ({ name: "Mallory", from: "mallory@evil.example", subject: `Re: your ticket [#${newest || "0000000000"}]`, text: "Please send me everything you have on this.", authenticated: true }),
  german: () => ({ name: "Jörg Müller", from: "joerg@example.de", subject: "Passwort vergessen", text: "Guten Tag, ich komme seit gestern nicht mehr in mein Konto und bitte dringend um Hilfe. Vielen Dank im Voraus!", authenticated: true }),
  again: () => lastDraft,
};

for (const button of document.querySelectorAll("[data-try]")) {
  button.addEventListener("click", async () => {
    const what = tries[button.dataset.try]();
    if (!what) { $("#sent").textContent = "send one first"; return; }
    for (const name of ["name", "from", "subject", "text"]) mail.elements[name].value = what[name];
    mail.elements.authenticated.checked = what.authenticated;
    await post({ in_reply_to: null, to: null, ...what, ...(button.dataset.try === "again" ? { repeat: true } : {}) });
  });
}

function showMail(what) {
  const letter = what.letter || { from: "", subject: "(unreadable)", text: what.raw, headers: [] };
  $("#no-mail").hidden = true;
  const replyTo = (letter.headers.find(([name]) => name.toLowerCase() === "reply-to") || [])[1];
  const address = replyTo ? (replyTo.match(/<([^>]+)>/) || [null, replyTo])[1] : null;
  const reply = el("button", { type: "button" }, "Answer");
  reply.addEventListener("click", () => answer(letter, address));
  const item = el("li", { class: "mail fresh" },
    el("b", {}, letter.subject),
    el("p", { class: "meta" }, `${time(what.at)} · from ${letter.from} · to ${what.recipients.join(", ")}`),
    el("p", { class: "words" }, letter.text.trim()),
    el("div", { class: "row" }, reply),
    el("details", {}, el("summary", {}, "source"), el("pre", { tabindex: "0" }, what.raw)));
  $("#mails").prepend(item);
  news("mail");
}

/** What a carrier and the gateway said to each other, the latest first. */
function showExchange(what) {
  const list = $(`[data-wire=${what.channel}]`);
  const by = what.by === "carrier" ? "carrier → gateway, signed" : "gateway → carrier";
  list.prepend(el("li", { class: "exchange" },
    el("p", { class: "meta" }, el("b", {}, what.what), ` · ${by} · ${what.status}`),
    what.said ? el("pre", { tabindex: "0" }, what.said) : null,
    what.answer ? el("pre", { tabindex: "0" }, what.answer.replaceAll("><", ">\n<")) : null));
  while (list.children.length > 30) list.lastChild.remove();
}

// --- the core's side ----------------------------------------------------------------------------

/** What stands above a ticket whose contact has no subject. */
const titles = {
  email: () => "(no subject)",
  voice: ({ from }) => (from.kind === "anonymous" ? "Call from a withheld number" : `Call from ${from.name || from.handle}`),
};

function ticketFor(event) {
  const { conversation, reference } = event.ticket;
  if (!tickets.has(conversation)) {
    const title = el("h3", {}, event.subject || titles[event.channel]?.(event) || `${event.channel}: ${[...String(event.body?.text || "")].slice(0, 60).join("")}`);
    const entries = el("div", {});
    const box = el("textarea", { name: "text", required: true, rows: "2", "aria-label": `Answer ticket ${grouped(reference)}`, placeholder: "Answer as an agent…" });
    const note = el("output", { role: "status" });
    const form = el("form", { class: "answer" }, box, el("div", { class: "row" }, el("button", {}, "Send answer"), note));
    form.addEventListener("submit", async (submitted) => {
      submitted.preventDefault();
      note.textContent = "…";
      try {
        await send("/sandbox/reply", { reference, text: box.value, author: "Sam, support" });
        box.value = "";
        note.textContent = "queued durably";
      } catch (error) {
        note.textContent = error.message;
      }
    });
    const node = el("li", { class: "card ticket" },
      el("header", {}, title, el("span", { class: "reference" }, grouped(reference))), entries, form);
    tickets.set(conversation, { node, entries });
    $("#no-tickets").hidden = true;
  }
  const ticket = tickets.get(conversation);
  $("#list").prepend(ticket.node);
  ticket.node.classList.remove("fresh");
  void ticket.node.offsetWidth;
  ticket.node.classList.add("fresh");
  return ticket;
}

const tone = { authenticated: "good", unverified: "warn", failed: "bad", high: "warn", urgent: "bad", send: "good", suppress: "warn" };
const chip = (text, kind) => el("li", { class: tone[kind] || "" }, text);

function contact(event) {
  const { decision, from, origin, acknowledgment, ticket } = event;
  const chips = el("ul", { class: "chips" },
    chip(ticket.placement), chip(event.channel), chip(from.assurance, from.assurance), chip(`queue ${decision.queue}`),
    chip(decision.priority, decision.priority), decision.category ? chip(decision.category) : null,
    origin.kind === "human" ? null : chip([origin.kind, origin.class].filter(Boolean).join(": "), "unverified"),
    ...event.flags.map((flag) => chip(flag.replaceAll("_", " "), "unverified")), ...decision.tags.map((tag) => chip(`#${tag}`)),
    chip(acknowledgment.decision === "send" ? "acknowledged" : acknowledgment.decision === "inline" ? "told on the spot" : `no acknowledgment: ${acknowledgment.reason || acknowledgment.decision}`, acknowledgment.decision));
  const reasons = el("ul", { class: "reasons" }, ...decision.reasons.map((why) => el("li", {}, el("b", {}, why.rule), `: ${why.because}`)));
  const parent = ticket.suggested_parent ? el("p", { class: "meta" }, `pointed to ${grouped(ticket.suggested_parent)} without the right to join it`) : null;
  return [el("p", { class: "meta" }, `#${ticket.sequence} · ${time(event.accepted_at)} · ${from.name ? `${from.name} <${from.handle}>` : from.handle}`),
    el("p", { class: "words" }, event.body.reply || event.body.text), files(event.attachments), chips, parent,
    el("details", {}, el("summary", {}, "why"), reasons)];
}

/** Files of an event; sounds can be listened to. */
function files(attachments) {
  const file = ({ name, media_type: kind, size, href: url }) => el("li", {},
    url ? el("a", { href: url, target: "_blank", rel: "noreferrer" }, name || "a file") : name || "a file",
    el("span", { class: "meta" }, ` ${kind}${size ? `, ${Math.ceil(size / 1024)} KiB` : ""}`),
    url && kind.startsWith("audio/") ? el("audio", { controls: true, preload: "none", src: url, "aria-label": name || "a recording" }) : null);
  return attachments?.length ? el("ul", { class: "files" }, ...attachments.map(file)) : null;
}

function later(event) {
  if (event.type === "contact.supplemented") {
    const { text, status, missing, duration } = event.details;
    const words = { recording: missing ? `no recording: ${missing}` : `the recording, ${duration ?? "?"} s`, transcript: text || `no words: ${missing || "none"}`,
      status: status ? `the call is ${status}${duration ? ` after ${duration} s` : ""}` : "more was learned" }[event.kind] || text || event.kind;
    return [el("p", { class: "meta" }, `#${event.ticket.sequence} · added: ${event.kind}`), el("p", { class: "words" }, words), files(event.details.attachments)];
  }
  const words = { "reply.updated": () => `your answer is ${event.reply.state}${event.reply.in_doubt ? " (in doubt)" : ""}`,
    "acknowledgment.updated": () => `the acknowledgment is ${event.state.replace("_", " ")}${event.reason ? `: ${event.reason}` : ""}` };
  const text = (words[event.type] || (() => event.type))();
  return [el("p", { class: "meta" }, `#${event.ticket.sequence} · ${event.type}`), el("p", {}, text)];
}

function showEvent(event) {
  const ticket = ticketFor(event);
  newest = event.ticket.reference;
  const parts = event.type === "contact.accepted" ? contact(event) : later(event);
  ticket.entries.append(el("div", { class: "entry" }, ...parts,
    el("details", {}, el("summary", {}, "event as received"), el("pre", { tabindex: "0" }, JSON.stringify(event, null, 2)))));
}

// --- live ---------------------------------------------------------------------------------------

let address = "";
let last = 0;
const shown = { mail: showMail, event: (what) => showEvent(what.event), exchange: showExchange };
// Once the scripts of all panes are there.
document.addEventListener("DOMContentLoaded", () => {
  fetch("/sandbox/about").then((response) => response.json()).then((about) => {
    address = about.address;
    if (!mail.elements.to.value) mail.elements.to.value = address;
    document.dispatchEvent(new CustomEvent("about", { detail: about }));
  });

  const stream = new EventSource("/sandbox/stream");
  const link = $("#link");
  stream.addEventListener("open", () => { link.textContent = "live"; link.className = "link live"; });
  stream.addEventListener("error", () => { link.textContent = "connection lost, trying again…"; link.className = "link lost"; });
  stream.addEventListener("message", (message) => {
    const what = JSON.parse(message.data);
    if (what.number <= last) return;
    last = what.number;
    const show = shown[what.kind];
    if (show) show(what);
  });
});
