/** The form of the card's configuration, drawn by Home Assistant. */

import { MAX_ROWS, MIN_ROWS, MODES } from "./config";
import { WINDOWS } from "./contract";
import type { Hass } from "./hass";
import type { Text } from "./texts";
import { learn, Words } from "./words";

interface Field {
  name: string;
}

export async function form(hass: Hass): Promise<Record<string, unknown>> {
  const words = new Words(hass, await learn(hass));
  const select = (options: readonly string[], prefix: string) => ({
    select: {
      mode: "dropdown",
      options: options.map((value) => ({ value, label: words.t(`${prefix}_${value}` as Text) })),
    },
  });
  return {
    schema: [
      { name: "title", selector: { text: {} } },
      { name: "device", selector: { device: { integration: "spin" } } },
      { name: "destination", selector: { text: {} } },
      {
        name: "",
        type: "grid",
        schema: [
          { name: "window", selector: select(WINDOWS, "window") },
          { name: "view", selector: select(MODES, "view") },
          { name: "rows", selector: { number: { min: MIN_ROWS, max: MAX_ROWS, mode: "box" } } },
          { name: "gateway", selector: { config_entry: { integration: "spin" } } },
        ],
      },
    ],
    computeLabel: ({ name }: Field) => words.named("editor", name),
    computeHelper: ({ name }: Field) => words.named("editor", `${name}_help`, {}, "") || undefined,
  };
}
