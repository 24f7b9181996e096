// Text from strangers, made fit to be shown: names without tricks, links as parts of a list, never as markup.
// Nothing here touches a page.

/** What reorders text, hides in it, or controls something: bidi controls, zero width, C0 and C1 but tab and newline. */
const TRICKS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

/** A name of a person or a file: composed, on one line, without tricks, at most 80 characters. */
export function cleanName(name: string): string {
  const plain = name.normalize("NFC").replace(TRICKS, "").replace(/\s+/gu, " ").trim();
  const letters = Array.from(plain);
  if (letters.length <= 80) return plain;
  // The end of a file's name says what it is.
  return `${letters.slice(0, 60).join("")}…${letters.slice(-19).join("")}`;
}

/** A part of a text; `href` where it is a link, `host` where the address reads unlike what it means. */
export interface Part {
  text: string;
  href?: string;
  host?: string;
}

const LINK = /(?:https?:\/\/|mailto:)[^\s<>"'`{}|\\^\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+|[\w.+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,4}/giu;
/** Most links of one text; the rest stays text, so that a flood costs nothing. */
const MOST_LINKS = 100;

/** Splits a text into plain parts and links (http, https, mailto; nothing else is ever one). */
export function linkify(text: string): Part[] {
  const parts: Part[] = [];
  let end = 0;
  let links = 0;
  for (const match of text.matchAll(LINK)) {
    const shown = trimmed(match[0]);
    const href = address(shown);
    // What stands in the middle of a word belongs to something else (`blob:https://…`).
    const isWithin = /[\w:@/]/u.test(text[match.index - 1] ?? " ");
    if (!href || isWithin || links >= MOST_LINKS) continue;
    if (match.index > end) parts.push({ text: text.slice(end, match.index) });
    parts.push(part(shown, href));
    end = match.index + shown.length;
    links += 1;
  }
  if (end < text.length) parts.push({ text: text.slice(end) });
  return parts;
}

/** The address that `href` names, if it is one of the web; `base` for relative ones. */
export function webAddress(href: string, base: string): URL | null {
  try {
    const url = new URL(href, base);
    return url.protocol === "https:" || url.protocol === "http:" ? url : null;
  } catch {
    return null;
  }
}

/** How many characters a person would count. */
export function length(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** `4829136057` as people read it out: `482 913 6057`. */
export function grouped(reference: string): string {
  return reference.replace(/^(\d{3})(\d{3})(\d{4})$/u, "$1\u00a0$2\u00a0$3");
}

/** Without what ends a sentence rather than an address, and without a bracket that was opened before it. */
function trimmed(link: string): string {
  let shown = link.replace(/[.,;:!?…»”’]+$/u, "");
  for (const [open, close] of ["()", "[]"]) {
    if (close && shown.endsWith(close) && !shown.includes(open ?? "")) shown = shown.slice(0, -1);
  }
  return shown;
}

function address(shown: string): URL | null {
  const isMail = !/^(?:https?|mailto):/iu.test(shown);
  try {
    const url = new URL(isMail ? `mailto:${shown}` : shown);
    const known = url.protocol === "https:" || url.protocol === "http:" || url.protocol === "mailto:";
    // `https://bank.example@evil.example` shows one house and leads to another.
    return known && url.username === "" && url.password === "" ? url : null;
  } catch {
    return null;
  }
}

function part(shown: string, url: URL): Part {
  const disguised = url.hostname.includes("xn--") && !shown.toLowerCase().includes(url.hostname);
  return disguised ? { text: shown, href: url.href, host: url.hostname } : { text: shown, href: url.href };
}
