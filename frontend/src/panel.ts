/** The panel in the sidebar: the same on a whole page. `/spin/<device>` and `/spin/to/<destination>` lead to a focus. */

import { html } from "lit/html.js";
import { css } from "./css";
import { navigate } from "./hass";
import type { FocusOn } from "./stage";
import { View } from "./view";

const TO = "to/";

export function focusOf(path: string): FocusOn {
  let rest: string;
  try {
    rest = decodeURIComponent(path.replace(/^\/+|\/+$/g, ""));
  } catch {
    return {};
  }
  if (!rest) return {};
  return rest.startsWith(TO) ? { destination: rest.slice(TO.length) } : { device: rest };
}

export function pathOf({ device, destination }: FocusOn): string {
  if (device) return `/${encodeURIComponent(device)}`;
  return destination ? `/${TO}${encodeURIComponent(destination)}` : "";
}

const panelStyle = css`
  :host {
    display: block;
    min-height: 100%;
    background: var(--primary-background-color, #fafafa);
    --ha-card-background: var(--primary-background-color, #fafafa);
  }
  .bar {
    display: flex;
    align-items: center;
    height: var(--header-height, 56px);
    padding: 0 12px;
    font-size: 20px;
    background: var(--app-header-background-color, var(--primary-color));
    color: var(--app-header-text-color, #fff);
    border-bottom: var(--app-header-border-bottom, none);
    position: sticky;
    top: 0;
    z-index: 3;
  }
  h1 {
    font: inherit;
    margin: 0 8px;
  }
  main {
    max-width: 1240px;
    margin: 0 auto;
  }
  @media print {
    .bar {
      display: none;
    }
  }
`;

export class SpinPanel extends View {
  private isNarrow = false;
  private path = "";
  private base = "/spin";

  constructor() {
    super(panelStyle);
  }

  set narrow(narrow: boolean) {
    this.isNarrow = narrow;
    this.draw();
  }

  set route({ prefix, path }: { prefix: string; path: string }) {
    this.base = prefix;
    if (path === this.path) return;
    this.path = path;
    this.focusOn(focusOf(path), true);
  }

  protected override focused(on: FocusOn): void {
    this.path = pathOf(on);
    navigate(this.base + this.path);
  }

  protected override frame(content: unknown): unknown {
    return html`<div class="bar">
        <ha-menu-button .hass=${this.hass} .narrow=${this.isNarrow}></ha-menu-button>
        <h1>SPIN</h1>
      </div>
      <main>${content}</main>`;
  }
}
