// Everything the widget says in words of its own. One interface, so that the compiler finds what a language lacks.

/** The words of one language. `{…}` are places for values. */
export interface Words {
  /** The panel's name, and the launcher's. */
  title: string;
  open: string;
  close: string;
  /** Unread messages by the plural categories of the language. */
  unread: { [category in Intl.LDMLPluralRule]?: string } & { other: string };
  greeting: string;
  messages: string;
  placeholder: string;
  send: string;
  attach: string;
  drop: string;
  you: string;
  team: string;
  bot: string;
  typing: string;
  sending: string;
  waiting: string;
  sent: string;
  read: string;
  notSent: string;
  retry: string;
  discard: string;
  newest: string;
  offline: string;
  patience: string;
  elsewhere: string;
  trouble: string;
  reference: string;
  tellUs: string;
  name: string;
  email: string;
  missing: string;
  notEmail: string;
  away: string;
  back: string;
  byMail: string;
  byChat: string;
  ended: string;
  again: string;
  options: string;
  end: string;
  endAsk: string;
  cancel: string;
  tooLong: string;
  fileTooLarge: string;
  fileType: string;
  fileFailed: string;
  tooManyFiles: string;
}
