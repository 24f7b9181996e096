// Small screens: the panel fills what can be seen. Where a screen keyboard covers the page, the browser tells by
// `visualViewport` alone; its numbers go to the style sheet.

/** Small enough that the panel takes the whole screen. Said once more in `styles.css`. */
export const SMALL = "(max-width: 480px), (max-height: 480px)";

/** Keeps `panel` within the visible part of the window. */
export function followViewport(panel: HTMLElement, moved: () => void): void {
  const viewport = window.visualViewport;
  if (!viewport) return;
  const follow = (): void => {
    // Pinch zoom is the visitor's own business; only the keyboard moves the panel.
    const isZoomed = viewport.scale > 1.01;
    panel.style.setProperty("--visible-top", isZoomed ? "0px" : `${Math.round(viewport.offsetTop)}px`);
    panel.style.setProperty("--visible-height", isZoomed ? "100%" : `${Math.round(viewport.height)}px`);
    moved();
  };
  viewport.addEventListener("resize", follow);
  viewport.addEventListener("scroll", follow);
  follow();
}
