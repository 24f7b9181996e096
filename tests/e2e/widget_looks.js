// What a designer's eye and WCAG 2.2 ask of what is seen now; run in the page, gives back what is wrong, in words. `root` is the
// widget's shadow root, `host` its element.

const wrong = [];
const seen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !element.closest(".unseen, [aria-hidden=true].drop");
const name = (element) => `${element.tagName.toLowerCase()}.${element.className.baseVal ?? element.className}`;

// ---- colours

const probe = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
/** Any colour of CSS as red, green, blue, and how much of it there is. */
function colour(text) {
  probe.clearRect(0, 0, 1, 1);
  probe.fillStyle = text;
  probe.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = probe.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
}
const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1];
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
};
const parent = (element) => element.parentElement ?? element.getRootNode().host ?? null;
/** What `element` stands on. */
function ground(element) {
  const layers = [];
  for (let at = element; at; at = parent(at)) {
    const layer = colour(getComputedStyle(at).backgroundColor);
    layers.push(layer);
    if (layer[3] === 1) break;
  }
  return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
}
/** How much of `element` is left by its own and its parents' opacity. */
function share(element) {
  let left = 1;
  for (let at = element; at; at = parent(at)) left *= Number(getComputedStyle(at).opacity);
  return left;
}
function ratio(element, text) {
  const below = ground(element);
  const [r, g, b, a] = colour(text);
  return contrast(over([r, g, b, a * share(element)], below), below);
}

const within = [...root.querySelectorAll(".panel *, .launcher, .launcher *")].filter(seen);
for (const element of within) {
  const style = getComputedStyle(element);
  const words = [...element.childNodes].filter((node) => node.nodeType === 3 && node.data.trim() !== "");
  if (words.length > 0 && element.getClientRects().length > 0) {
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const found = ratio(element, style.color);
    if (found < (large ? 3 : 4.5)) wrong.push(`${name(element)} is written at ${found.toFixed(2)}:1`);
    if (size < 12) wrong.push(`${name(element)} is written at ${size} px`);
  }
  if (element.matches("input, textarea") && element.placeholder) {
    const found = ratio(element, getComputedStyle(element, "::placeholder").color);
    if (found < 4.5) wrong.push(`${name(element)} has a placeholder at ${found.toFixed(2)}:1`);
  }
  if (element.matches("svg")) {
    const found = ratio(element.parentElement, style.stroke);
    // What is disabled needs none, and a file's drawing only repeats its name.
    if (found < 3 && !element.closest("[aria-disabled]")) wrong.push(`${name(element.parentElement)} is drawn at ${found.toFixed(2)}:1`);
  }
  if (element.matches(".field input, .field textarea")) {
    const found = contrast(colour(style.borderTopColor), ground(parent(element)));
    if (found < 3) wrong.push(`${name(element)} has an edge at ${found.toFixed(2)}:1`);
  }
}

// ---- where the keyboard is

const at = root.activeElement;
if (at?.matches(":focus-visible:not(.panel)")) {
  const style = getComputedStyle(at);
  const lines = style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2 ? [] : [style.outlineColor];
  lines.push(...(style.boxShadow.match(/rgba?\([^)]*\)(?= 0px 0px 0px [3-9]px)/g) ?? []));
  const best = Math.max(0, ...lines.map((line) => contrast(colour(line), ground(parent(at)))));
  if (best < 3) wrong.push(`${name(at)} has the focus and a ring at ${best.toFixed(2)}:1`);
}

// ---- what a finger has to hit

for (const element of within.filter((one) => one.matches("button, input, textarea, a.file"))) {
  const { width, height } = element.getBoundingClientRect();
  if (width < 43.9 || height < 43.9) wrong.push(`${name(element)} is ${width.toFixed(0)} by ${height.toFixed(0)}`);
}

// ---- nothing cut off, nothing outside

const page = document.documentElement;
if (page.scrollWidth > page.clientWidth) wrong.push(`the page is ${page.scrollWidth - page.clientWidth} wider than its window`);
const panel = root.querySelector(".panel");
if (seen(panel)) {
  const frame = panel.getBoundingClientRect();
  if (frame.left < -0.5 || frame.right > innerWidth + 0.5 || frame.top < -0.5 || frame.bottom > innerHeight + 0.5) {
    wrong.push(`the panel leaves the window: ${frame.left} ${frame.top} ${frame.right} ${frame.bottom} of ${innerWidth} by ${innerHeight}`);
  }
  for (const element of within.filter((one) => panel.contains(one) && one !== panel)) {
    const box = element.getBoundingClientRect();
    const isHidden = getComputedStyle(element).clipPath !== "none" || element.closest(".author, .drop");
    if (!isHidden && box.width > 0 && (box.left < frame.left - 0.5 || box.right > frame.right + 0.5)) {
      wrong.push(`${name(element)} leaves the panel: ${box.left.toFixed(0)} to ${box.right.toFixed(0)}`);
    }
    const cuts = getComputedStyle(element).overflowX !== "visible" || element.matches("button");
    if (cuts && !isHidden && element.scrollWidth > element.clientWidth + 1) wrong.push(`${name(element)} is cut off at its side`);
  }
}

// ---- the newest is in view

const log = root.querySelector(".log");
if (seen(panel) && log.scrollHeight - log.clientHeight - log.scrollTop > 2) {
  wrong.push(`the log stands ${Math.round(log.scrollHeight - log.clientHeight - log.scrollTop)} px before its end`);
}

// ---- mirrored as a whole

const rtl = getComputedStyle(root.querySelector(".frame")).direction === "rtl";
const middle = (element) => {
  const { left, right } = element.getBoundingClientRect();
  return (left + right) / 2;
};
const isOn = (element, side) => (middle(element) < middle(panel)) === (side === "left");
const end = rtl ? "left" : "right";
for (const field of within.filter((one) => one.matches("[dir=auto]:placeholder-shown"))) {
  const { direction, unicodeBidi } = getComputedStyle(field);
  // `plaintext` puts the caret of an empty field on the left, whatever its direction.
  if (direction !== (rtl ? "rtl" : "ltr") || (rtl && unicodeBidi === "plaintext")) wrong.push(`${name(field)} begins on the wrong side while it is empty`);
}
const start = rtl ? "right" : "left";
if (seen(panel)) {
  const sides = [[".close", end], [".send", end], [".attach", start], [".message.visitor .text", end], [".message.agent .text", start]];
  for (const [selector, side] of sides) {
    const element = root.querySelector(selector);
    if (element && seen(element) && !isOn(element, side)) wrong.push(`${selector} is not on the ${side}`);
  }
} else {
  const { left } = root.querySelector(".launcher").getBoundingClientRect();
  const isLeft = rtl === (host.dataset.position === "end");
  if (left < innerWidth / 2 !== isLeft) wrong.push("the launcher is in the wrong corner");
}
return wrong;
