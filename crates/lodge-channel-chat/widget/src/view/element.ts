// The custom element: a shadow root that lets no style in or out, styles that need no permission for inline ones, and
// colours from the site's own.

import { palette, parseColour } from "../colour";
import type { Rgb } from "../colour";
import type { Settings } from "../settings";
import css from "../styles.css";

const TAG = "lodge-chat";
const OWN_COLOUR: Rgb = [45, 85, 170];

class LodgeChatElement extends HTMLElement {}

/** A new element with an open shadow root, styled, not yet in the page. */
export function createHost(settings: Settings): { host: HTMLElement; root: ShadowRoot } {
  if (!customElements.get(TAG)) customElements.define(TAG, LodgeChatElement);
  const host = document.createElement(TAG);
  host.dataset.position = settings.position;
  host.dataset.theme = settings.theme;
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets = [sheet];
  return { host, root };
}

/** Derives every colour from the site's; call it when `host` is in the page, because a colour's name has to be looked up. */
export function paint(host: HTMLElement, colour: string | null): void {
  const { fill, onFill, inkOnLight, inkOnDark } = palette((colour && (parseColour(colour) ?? named(colour, host))) || OWN_COLOUR);
  host.style.setProperty("--lodge-fill", fill);
  host.style.setProperty("--lodge-on-fill", onFill);
  host.style.setProperty("--lodge-ink-light", inkOnLight);
  host.style.setProperty("--lodge-ink-dark", inkOnDark);
}

/** A colour by its name, or in any notation that the browser turns into red, green and blue. */
function named(colour: string, host: HTMLElement): Rgb | null {
  const probe = document.createElement("i");
  probe.style.color = colour;
  if (probe.style.color === "") return null;
  host.shadowRoot?.append(probe);
  const computed = getComputedStyle(probe).color;
  probe.remove();
  return parseColour(computed);
}
