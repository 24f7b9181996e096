// The form before a conversation: who the visitor is, as far as the house asks, and what they want to say, in one step.
// When nobody is there it is the same form, and says how the answer will come.

import type { Profile } from "../frames";
import type { Session } from "../session";
import { length } from "../text";
import { el, mark, setText, show } from "./dom";
import type { Room } from "./room";

type Name = "name" | "email" | "message";

interface Field {
  name: Name;
  input: HTMLInputElement | HTMLTextAreaElement;
  error: HTMLElement;
}

/** Which fields are asked for; none where there is no need of a form. */
export function asked(session: Session): ("name" | "email")[] {
  const { welcome, transcript, outbox } = session;
  if (!welcome || session.ended || session.record.isIntroduced) return [];
  const began = outbox.list().length > 0 || transcript.entries().some((entry) => entry.from === "visitor");
  if (began) return [];
  if (!welcome.open && welcome.continued_by_mail && !session.isVouchedFor) return ["name", "email"];
  return welcome.ask;
}

export class Form {
  readonly node: HTMLFormElement;
  readonly #intro = el("p", "intro");
  readonly #fields: Field[];

  constructor(private readonly room: Room) {
    const { words } = room.speech;
    this.#fields = [
      this.#field("name", el("input", "", { type: "text", autocomplete: "name", maxlength: "200", dir: "auto" })),
      this.#field("email", el("input", "", { type: "email", autocomplete: "email", maxlength: "254", dir: "ltr" })),
      this.#field("message", el("textarea", "", { rows: "3", dir: "auto" })),
    ];
    const rows = this.#fields.map(({ name, input, error }) =>
      el("div", "field", { "data-field": name }, el("label", "", { for: name }, name === "message" ? words.placeholder : words[name]), input, error),
    );
    const submit = el("button", "primary", { type: "submit" }, words.send);
    this.node = el("form", "form", { novalidate: true, hidden: true }, this.#intro, ...rows, submit);
    this.node.onsubmit = (event) => {
      event.preventDefault();
      this.#submit();
    };
  }

  update(): void {
    const { session, speech } = this.room;
    const { words } = speech;
    const fields = asked(session);
    for (const { name, input } of this.#fields) {
      if (input.parentElement) show(input.parentElement, name === "message" || fields.includes(name));
    }
    const isOpen = session.welcome?.open !== false;
    setText(this.#intro, isOpen ? words.tellUs : session.welcome?.continued_by_mail ? words.byMail : words.byChat);
  }

  /** The first field that is empty. */
  focus(): void {
    const open = this.#shown();
    (open.find((field) => field.input.value === "") ?? open[0])?.input.focus();
  }

  /** Begins with what was already written elsewhere. */
  takeOver(text: string): void {
    const message = this.#fields.find((field) => field.name === "message");
    if (message && text !== "") message.input.value = text;
  }

  #submit(): void {
    const { session } = this.room;
    const wrong = this.#shown().filter((field) => !this.#check(field));
    const [first] = wrong;
    if (first) {
      first.input.focus();
      return;
    }
    const value = (name: Name): string => this.#shown().find((field) => field.name === name)?.input.value.trim() ?? "";
    const profile: Profile = {};
    if (value("name")) profile.name = value("name");
    if (value("email")) profile.email = value("email");
    session.introduce(profile);
    session.compose(value("message"));
    this.node.reset();
    this.room.focusMain();
  }

  #check({ name, input, error }: Field): boolean {
    const { words } = this.room.speech;
    const value = input.value.trim();
    // Whether the address works, only a mail can tell; this finds slips.
    const slipped = name === "email" && !/^[^\s@]+@[^\s@]+\.[^\s@.]+$/u.test(value);
    const tooLong = name === "message" && length(value) > this.room.session.limits.text;
    const problem = value === "" ? words.missing : slipped ? words.notEmail : tooLong ? words.tooLong : "";
    setText(error, problem.replace("{n}", () => this.#over(value)));
    show(error, problem !== "");
    mark(input, "aria-invalid", problem ? "true" : null);
    return problem === "";
  }

  #over(value: string): string {
    return this.room.speech.number(length(value) - this.room.session.limits.text);
  }

  #shown(): Field[] {
    return this.#fields.filter((field) => !field.input.parentElement?.hidden);
  }

  #field(name: Name, input: Field["input"]): Field {
    const error = el("p", "error", { id: `${name}-error`, hidden: true });
    input.id = name;
    input.placeholder = " ";
    input.setAttribute("aria-describedby", error.id);
    input.setAttribute("aria-required", "true");
    input.addEventListener("input", () => {
      show(error, false);
      mark(input, "aria-invalid", null);
    });
    return { name, input, error };
  }
}
