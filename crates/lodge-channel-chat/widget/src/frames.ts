// The frames of `lodge.chat.v1` as types, and the one place where text from the server becomes one of them.
// What does not fit its shape is null, never half a frame. Knows no socket and no page.

/** Who wrote a message. */
export type From = "visitor" | "agent" | "bot" | "system";

/** A file in a message. `href` is good for five minutes. */
export interface Attachment {
  name: string;
  media_type: string;
  /** In bytes. */
  size: number;
  href: string;
}

/** What the server allows; `text` in characters, `frame` and `upload_bytes` in bytes, `messages` in `seconds`. */
export interface Limits {
  text: number;
  frame: number;
  messages: number;
  seconds: number;
  upload_bytes: number;
  attachments: number;
}

/** Until a server says otherwise. */
export const DEFAULT_LIMITS: Limits = {
  text: 8000,
  frame: 65536,
  messages: 20,
  seconds: 10,
  upload_bytes: 26214400,
  attachments: 10,
};

/** Who a visitor says they are. */
export interface Profile {
  name?: string;
  email?: string;
}

export interface Hello {
  t: "hello";
  session?: string;
  after?: number;
  identity?: string;
  profile?: Profile;
  page?: { url: string; title: string };
  language?: string;
}

export type ClientFrame =
  | Hello
  | { t: "message"; id: string; text: string; attachments?: string[] }
  | { t: "typing" }
  | { t: "read"; seq: number }
  | { t: "end" };

export interface Welcome {
  t: "welcome";
  session: string | null;
  seq: number;
  limits: Limits;
  /** Whether somebody is there now; `opens_at` in milliseconds, if known. */
  open: boolean;
  opens_at: number | null;
  ask: ("name" | "email")[];
  continued_by_mail: boolean;
  reference: string | null;
}

export interface Message {
  t: "message";
  seq: number;
  from: From;
  id: string | null;
  name: string | null;
  text: string;
  attachments: Attachment[];
  choices: string[];
  /** In milliseconds. */
  at: number;
}

export interface Accepted {
  t: "accepted";
  id: string;
  seq: number;
  reference: string | null;
}

export interface Failure {
  t: "error";
  code: string;
  message: string;
  id: string | null;
  /** In seconds. */
  retry_after: number | null;
}

export type ServerFrame =
  | Welcome
  | Accepted
  | Message
  | { t: "typing"; from: From; name: string | null }
  | { t: "read"; seq: number }
  | Failure
  | { t: "ended" };

type Fields = Record<string, unknown>;

/** A frame of the server, or null for what is none: foreign kinds, missing fields, no JSON. */
export function parse(text: string): ServerFrame | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isFields(value)) return null;
  switch (value.t) {
    case "welcome":
      return welcome(value);
    case "accepted":
      return accepted(value);
    case "message":
      return message(value);
    case "typing":
      return { t: "typing", from: from(value.from), name: words(value.name) };
    case "read":
      return isSeq(value.seq) ? { t: "read", seq: value.seq } : null;
    case "error":
      return failure(value);
    case "ended":
      return { t: "ended" };
    default:
      return null;
  }
}

function welcome(value: Fields): Welcome | null {
  if (!isSeq(value.seq)) return null;
  const limits = isFields(value.limits) ? value.limits : {};
  const limit = (name: keyof Limits): number => count(limits[name]) ?? DEFAULT_LIMITS[name];
  return {
    t: "welcome",
    session: words(value.session),
    seq: value.seq,
    limits: {
      text: limit("text"),
      frame: limit("frame"),
      messages: limit("messages"),
      seconds: limit("seconds"),
      upload_bytes: limit("upload_bytes"),
      attachments: limit("attachments"),
    },
    open: value.open !== false,
    opens_at: moment(value.opens_at),
    ask: list(value.ask).filter((field): field is "name" | "email" => field === "name" || field === "email"),
    continued_by_mail: value.continued_by_mail === true,
    reference: words(value.reference),
  };
}

function accepted(value: Fields): Accepted | null {
  const id = words(value.id);
  if (id === null || !isSeq(value.seq)) return null;
  return { t: "accepted", id, seq: value.seq, reference: words(value.reference) };
}

function message(value: Fields): Message | null {
  if (!isSeq(value.seq) || value.seq === 0) return null;
  return {
    t: "message",
    seq: value.seq,
    from: from(value.from),
    id: words(value.id),
    name: words(value.name),
    text: typeof value.text === "string" ? value.text : "",
    attachments: list(value.attachments).map(attachment).filter((one): one is Attachment => one !== null),
    choices: list(value.choices).filter((one): one is string => typeof one === "string" && one.trim() !== ""),
    at: moment(value.at) ?? 0,
  };
}

function attachment(value: unknown): Attachment | null {
  if (!isFields(value)) return null;
  return {
    name: words(value.name) ?? "",
    media_type: words(value.media_type) ?? "",
    size: count(value.size) ?? 0,
    href: words(value.href) ?? "",
  };
}

function failure(value: Fields): Failure {
  return {
    t: "error",
    code: words(value.code) ?? "",
    message: words(value.message) ?? "",
    id: words(value.id),
    retry_after: count(value.retry_after),
  };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSeq(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function count(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : null;
}

function words(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function moment(value: unknown): number | null {
  const at = typeof value === "string" ? Date.parse(value) : NaN;
  return Number.isNaN(at) ? null : at;
}

/** An unknown author is treated as the house's own voice, never as the visitor. */
function from(value: unknown): From {
  return value === "visitor" || value === "agent" || value === "bot" ? value : "system";
}
