// Which language is spoken, and how values stand in it: plurals, times, sizes and numbers come from the browser (`Intl`).

import { LANGUAGES } from "./i18n/all";
import type { Words } from "./i18n/words";

const RIGHT_TO_LEFT = ["ar", "he"];
const DAY_MS = 86_400_000;

/** The first of `wished` (`pt-BR`, `de`) that is spoken here, as it was wished; English without any. */
export function choose(wished: readonly (string | null | undefined)[]): string {
  for (const wish of wished) {
    // The old code of Hebrew is still around.
    const tag = wish?.trim().replace(/_/gu, "-").replace(/^iw\b/iu, "he");
    if (!tag || !LANGUAGES[primary(tag)]) continue;
    try {
      return Intl.getCanonicalLocales(tag)[0] ?? "en";
    } catch {
      continue;
    }
  }
  return "en";
}

/** A language in use. */
export class Speech {
  readonly words: Words;
  readonly direction: "ltr" | "rtl";

  constructor(readonly tag: string) {
    this.words = (LANGUAGES[primary(tag)] ?? LANGUAGES.en) as Words;
    this.direction = RIGHT_TO_LEFT.includes(primary(tag)) ? "rtl" : "ltr";
  }

  /** `3 unread messages`. */
  unread(count: number): string {
    const forms = this.words.unread;
    const form = forms[new Intl.PluralRules(this.tag).select(count)] ?? forms.other;
    return fill(form, { n: this.number(count) });
  }

  number(value: number): string {
    return new Intl.NumberFormat(this.tag).format(value);
  }

  /** Hours and minutes. */
  time(at: number): string {
    return new Intl.DateTimeFormat(this.tag, { hour: "numeric", minute: "2-digit" }).format(at);
  }

  /** The day of `at`, as it is called on the day of `now`. */
  day(at: number, now: number): string {
    const days = Math.round((midnight(at) - midnight(now)) / DAY_MS);
    if (days === 0 || days === -1) return capital(new Intl.RelativeTimeFormat(this.tag, { numeric: "auto" }).format(days, "day"), this.tag);
    const year = new Date(at).getFullYear() === new Date(now).getFullYear() ? {} : ({ year: "numeric" } as const);
    return new Intl.DateTimeFormat(this.tag, { weekday: "short", day: "numeric", month: "long", ...year }).format(at);
  }

  /** A moment to come: the hour, and the day where it is another one. */
  moment(at: number, now: number): string {
    const clock = { hour: "numeric", minute: "2-digit" } as const;
    const day = midnight(at) === midnight(now) ? {} : ({ weekday: "long", day: "numeric", month: "long" } as const);
    return new Intl.DateTimeFormat(this.tag, { ...day, ...clock }).format(at);
  }

  /** `5 seconds`, `2 minutes`. */
  duration(seconds: number): string {
    const long = seconds >= 90;
    const unit = long ? "minute" : "second";
    const count = Math.max(1, Math.ceil(long ? seconds / 60 : seconds));
    return new Intl.NumberFormat(this.tag, { style: "unit", unit, unitDisplay: "long" }).format(count);
  }

  /** `48 kB`, `2.4 MB`. */
  size(bytes: number): string {
    const large = bytes >= 1_000_000;
    const unit = large ? "megabyte" : bytes >= 1_000 ? "kilobyte" : "byte";
    const value = large ? bytes / 1_000_000 : bytes >= 1_000 ? bytes / 1_000 : bytes;
    const digits = large && value < 10 ? 1 : 0;
    return new Intl.NumberFormat(this.tag, { style: "unit", unit, maximumFractionDigits: digits }).format(value);
  }
}

/** Puts `values` into the places of `text`. A value is never looked into again. */
export function fill(text: string, values: { [place: string]: string }): string {
  return text.replace(/\{(\w+)\}/gu, (place, name: string) => values[name] ?? place);
}

function primary(tag: string): string {
  return tag.split("-")[0]?.toLowerCase() ?? "";
}

function midnight(at: number): number {
  const day = new Date(at);
  return Date.UTC(day.getFullYear(), day.getMonth(), day.getDate());
}

function capital(text: string, tag: string): string {
  const [first = "", ...rest] = Array.from(text);
  return first.toLocaleUpperCase(tag) + rest.join("");
}
