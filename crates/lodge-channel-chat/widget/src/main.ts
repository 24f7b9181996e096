// Where the script begins: finds its own tag, reads it, and puts one widget into the page. A second tag changes nothing.

import { settings } from "./settings";
import { Widget } from "./widget";
import type { Api } from "./widget";

declare global {
  interface Window {
    LodgeChat?: Api;
  }
}

const tag =
  document.currentScript instanceof HTMLScriptElement
    ? document.currentScript
    : document.querySelector<HTMLScriptElement>('script[data-inbox][src*="widget.js"]');

function begin(script: HTMLScriptElement): void {
  const read = settings(script.src, script.dataset);
  if (!read) {
    console.error("lodge: the script tag needs data-inbox, the name of a chat inbox");
    return;
  }
  const widget = new Widget(read);
  window.LodgeChat = widget.api();
  if (document.body) widget.mount();
  else document.addEventListener("DOMContentLoaded", () => widget.mount());
}

if (tag && !window.LodgeChat) begin(tag);
