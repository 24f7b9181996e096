// The site's colour, and what can be read on and beside it: contrast by WCAG 2.2 (1.4.3, 1.4.11). Pure.

/** Red, green, blue, 0 to 255. */
export type Rgb = readonly [number, number, number];

/** The colours derived from one: the fill, what is written on it, and the same hue as ink on light and dark ground. */
export interface Palette {
  fill: string;
  onFill: string;
  inkOnLight: string;
  inkOnDark: string;
}

const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [17, 20, 24];
/** The darkest ground in the light scheme on which the ink stands, and the lightest in the dark one. */
const LIGHT_GROUND: Rgb = [241, 243, 246];
const DARK_GROUND: Rgb = [45, 50, 58];
/** A little more than the 4.5 that is asked for, because colours are rounded. */
const ENOUGH = 4.6;

/** Everything that is painted in the site's colour. */
export function palette(colour: Rgb): Palette {
  const readable = contrast(colour, WHITE) >= ENOUGH ? WHITE : BLACK;
  // A middle grey carries neither white nor our black well: it is made a little lighter then.
  const fill = readable === BLACK ? mixed(colour, WHITE, BLACK) : colour;
  return {
    fill: css(fill),
    onFill: css(readable),
    inkOnLight: css(mixed(colour, [0, 0, 0], LIGHT_GROUND)),
    inkOnDark: css(mixed(colour, WHITE, DARK_GROUND)),
  };
}

/** The colour that `text` names as `#rgb`, `#rrggbb` or `rgb(…)`; null for anything else. */
export function parseColour(text: string): Rgb | null {
  const short = /^#([0-9a-f])([0-9a-f])([0-9a-f])$/iu.exec(text.trim());
  if (short) return triple(short, (digit) => parseInt(digit + digit, 16));
  const long = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/iu.exec(text.trim());
  if (long) return triple(long, (digits) => parseInt(digits, 16));
  const called = /^rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})/iu.exec(text.trim());
  return called ? triple(called, (digits) => Math.min(255, Number(digits))) : null;
}

/** From 1 (none) to 21 (black on white). */
export function contrast(a: Rgb, b: Rgb): number {
  const [lighter, darker] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (lighter + 0.05) / (darker + 0.05);
}

/** `colour`, moved towards `end` until it can be read on `ground`. */
function mixed(colour: Rgb, end: Rgb, ground: Rgb): Rgb {
  for (let share = 0; share < 1; share += 0.04) {
    const mix = colour.map((part, at) => Math.round(part + ((end[at] ?? 0) - part) * share)) as unknown as Rgb;
    if (contrast(mix, ground) >= ENOUGH) return mix;
  }
  return end;
}

function luminance(colour: Rgb): number {
  const [red, green, blue] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function triple(match: RegExpExecArray, value: (digits: string) => number): Rgb {
  return [value(match[1] ?? "0"), value(match[2] ?? "0"), value(match[3] ?? "0")];
}

function css(colour: Rgb): string {
  return `rgb(${colour.join(" ")})`;
}
