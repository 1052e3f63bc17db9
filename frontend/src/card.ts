/** The card: `type: custom:spin-card`. */

import { html } from "lit/html.js";
import { check, type Config } from "./config";
import { css } from "./css";
import { theHass } from "./hass";
import { loadMore } from "./later";
import { View } from "./view";

/** Home Assistant's unit of a card's height is 50 px: rows and what stands around them. */
const AROUND = 4;

export class SpinCard extends View {
  constructor() {
    super(css`
      ha-card {
        overflow: clip;
      }
    `);
  }

  static async getConfigForm(): Promise<Record<string, unknown>> {
    const { form } = await loadMore();
    return form(theHass());
  }

  static getStubConfig(): Config {
    return { window: "24h" };
  }

  setConfig(config: Config): void {
    this.configure(check(config));
  }

  getCardSize(): number {
    return (this.config.rows ?? 14) + AROUND;
  }

  getGridOptions(): Record<string, unknown> {
    return { columns: "full", min_columns: 6, rows: "auto" };
  }

  protected override frame(content: unknown): unknown {
    return html`<ha-card>${content}</ha-card>`;
  }
}
