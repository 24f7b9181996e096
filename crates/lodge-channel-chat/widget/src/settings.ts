// What the script tag says: which inbox, where the server is, and how the widget is to look. Pure.

/** The settings of one widget. */
export interface Settings {
  inbox: string;
  /** `https://host/chat/{inbox}`: uploads are posted below it. */
  base: string;
  /** The same place for the socket. */
  socket: string;
  language: string | null;
  colour: string | null;
  position: "start" | "end";
  theme: "light" | "dark" | "auto";
  identity: string | null;
  title: string | null;
  /** Opens by itself when the page has loaded. */
  open: boolean;
}

/** Reads the attributes of the script whose address is `src`; null where it names no inbox or no usable address. */
export function settings(src: string, data: { [name: string]: string | undefined }): Settings | null {
  const inbox = data.inbox?.trim();
  if (!inbox) return null;
  let base: URL;
  try {
    base = new URL(`chat/${encodeURIComponent(inbox)}`, src);
  } catch {
    return null;
  }
  if (base.protocol !== "https:" && base.protocol !== "http:") return null;
  const socket = new URL(base.href);
  socket.protocol = base.protocol === "https:" ? "wss:" : "ws:";
  const text = (value: string | undefined): string | null => value?.trim() || null;
  return {
    inbox,
    base: base.href,
    socket: socket.href,
    language: text(data.language),
    colour: text(data.color),
    position: data.position === "start" ? "start" : "end",
    theme: data.theme === "light" || data.theme === "dark" ? data.theme : "auto",
    identity: text(data.identity),
    title: text(data.title),
    open: data.open !== undefined && data.open !== "false",
  };
}
