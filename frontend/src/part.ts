/** The base of our elements: draws a template into a shadow root, once for all changes of a turn. */

import { render } from "lit/html.js";

/** What Home Assistant may have set before the class was known. */
const EARLY = ["hass", "config", "route", "narrow"];

const sheets = new Map<string, CSSStyleSheet>();

function sheet(css: string): CSSStyleSheet {
  let made = sheets.get(css);
  if (!made) {
    made = new CSSStyleSheet();
    made.replaceSync(css);
    sheets.set(css, made);
  }
  return made;
}

export abstract class Part extends HTMLElement {
  protected readonly root = this.attachShadow({ mode: "open" });
  private isDrawing = false;

  constructor(...styles: string[]) {
    super();
    this.dress(styles);
  }

  protected dress(styles: readonly string[]): void {
    const worn = this.root.adoptedStyleSheets;
    this.root.adoptedStyleSheets = [...worn, ...styles.map(sheet).filter((each) => !worn.includes(each))];
  }

  protected abstract template(): unknown;
  /** After the template stands in the page. */
  protected drawn(): void {}

  connectedCallback(): void {
    const self = this as unknown as Record<string, unknown>;
    for (const name of EARLY) {
      if (!Object.hasOwn(self, name)) continue;
      const value = self[name];
      delete self[name];
      self[name] = value;
    }
    this.draw();
  }

  draw(): void {
    if (this.isDrawing) return;
    this.isDrawing = true;
    queueMicrotask(() => {
      this.isDrawing = false;
      if (!this.isConnected) return;
      render(this.template(), this.root, { host: this });
      this.drawn();
    });
  }
}
