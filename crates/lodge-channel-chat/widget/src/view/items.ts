// What the log shows, in order: what was said, then what is on its way; with days and groups. Pure.

import type { Attachment, From } from "../frames";
import type { Session } from "../session";

/** How far an own message has come. */
export type State = "sending" | "waiting" | "failed" | "sent" | "read";

/** A message as it is shown. */
export interface Item {
  /** Stays the same from draft to log. */
  key: string;
  seq: number | null;
  from: From;
  name: string | null;
  text: string;
  attachments: readonly Attachment[];
  choices: readonly string[];
  at: number;
  /** When the links were fresh. */
  got: number;
  /** Of own messages. */
  state: State | null;
  /** Why it failed. */
  code: string | null;
  /** Whether another author, or a pause, or another day is before or after it. */
  first: boolean;
  last: boolean;
}

/** Messages of one author within this time stand together. */
const GROUP_MS = 5 * 60_000;

/** Everything to show. `day` tells the day of a moment, so that groups do not cross midnight. */
export function items(session: Session, now: number, day: (at: number) => string): Item[] {
  const { transcript, outbox, link, readUpTo } = session;
  const all: Item[] = transcript.entries().map((entry) => ({
    ...bare,
    ...entry,
    key: entry.id !== null && entry.from === "visitor" ? entry.id : `#${entry.seq}`,
    state: entry.from !== "visitor" ? null : entry.seq <= readUpTo ? "read" : "sent",
  }));
  for (const draft of outbox.shown((id) => transcript.holds(id), now)) {
    const attachments = draft.attachments.map((one) => ({ ...one, href: "" }));
    const state = draft.failed !== undefined ? "failed" : link.phase === "live" ? "sending" : "waiting";
    const { id: key, text, at } = draft;
    all.push({ ...bare, key, text, at, attachments, state, from: "visitor", code: draft.failed ?? null });
  }
  all.forEach((item, index) => {
    const before = all[index - 1];
    item.first = !before || !together(before, item, day);
    if (before) before.last = item.first;
  });
  return all;
}

const bare = { seq: null, name: null, choices: [], got: 0, code: null, first: true, last: true } as const;

function together(a: Item, b: Item, day: (at: number) => string): boolean {
  return a.from === b.from && a.name === b.name && b.at - a.at < GROUP_MS && day(a.at) === day(b.at);
}
