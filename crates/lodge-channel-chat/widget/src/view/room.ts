// What all parts of the panel share.

import type { Session } from "../session";
import type { Settings } from "../settings";
import type { Speech } from "../i18n";
import type { Store } from "../store";

export interface Room {
  readonly session: Session;
  readonly settings: Settings;
  readonly speech: Speech;
  /** Of this tab: the draft, and whether the panel is open. */
  readonly tab: Store;
  /** Has a screen reader say `text` when it is done with what it says now. */
  announce(text: string): void;
  /** Puts the focus where the visitor goes on. */
  focusMain(): void;
  /** Shows everything anew, soon. */
  refresh(): void;
}
