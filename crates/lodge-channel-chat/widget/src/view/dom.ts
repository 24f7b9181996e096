// Building elements: by name, attribute and text. Nothing here, or anywhere, takes markup; a text stays a text.

/** Attributes; a boolean sets or leaves out, a function listens to the event after `on`. */
export interface Attributes {
  [name: string]: string | boolean | ((event: never) => void);
}

/** A new element of class `name`. Addresses are never set here: see `text.ts` for what may become one. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  name: string,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (name) element.className = name;
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.slice(2), value as (event: Event) => void);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** The widget's own drawings, as paths on 24 by 24. */
export const ICONS = {
  chat: "M21 11.5a8.4 8.4 0 0 1-8.5 8.3 9 9 0 0 1-3.9-.9L3.5 20.5l1.6-4.7A8 8 0 0 1 4 11.5a8.4 8.4 0 0 1 8.5-8.3 8.4 8.4 0 0 1 8.5 8.3z",
  close: "M6 6l12 12M18 6L6 18",
  down: "M6 9.5l6 6 6-6",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  send: "M12 19V5.5M6 11l6-6 6 6",
  clip: "M20.5 11.5l-8.3 8.2a5.2 5.2 0 0 1-7.4-7.4l8.6-8.5a3.5 3.5 0 0 1 4.9 4.9l-8.6 8.5a1.7 1.7 0 0 1-2.5-2.4l7.9-7.8",
  file: "M14 3.5H7A1.5 1.5 0 0 0 5.5 5v14A1.5 1.5 0 0 0 7 20.5h10a1.5 1.5 0 0 0 1.5-1.5V8zM14 3.5V8h4.5",
} as const;

/** A drawing that says nothing to a screen reader: whatever holds it has a label. */
export function icon(name: keyof typeof ICONS): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button that shows a drawing and is called `label`. */
export function iconButton(name: string, drawing: keyof typeof ICONS, label: string, pressed: () => void): HTMLButtonElement {
  return el("button", `icon ${name}`, { type: "button", "aria-label": label, title: label, onclick: pressed }, icon(drawing));
}

export function button(name: string, label: string, pressed: () => void): HTMLButtonElement {
  return el("button", name, { type: "button", onclick: pressed }, label);
}

/** Sets a text only where it changed, so that nothing is read aloud twice. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/** Shows `element` or not. */
export function show(element: HTMLElement, visible: boolean): void {
  if (element.hidden === visible) element.hidden = !visible;
}

/** Sets or removes an attribute, only where that changes something. */
export function mark(element: Element, name: string, value: string | null): void {
  if (element.getAttribute(name) === value) return;
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}
