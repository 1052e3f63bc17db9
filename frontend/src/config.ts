/** What a user can set on a card, and the form for it. */

import { WINDOWS, type Window } from "./contract";

export const MODES = ["picture", "table", "timeline"] as const;
export type Mode = (typeof MODES)[number];

export interface Config {
  type?: string;
  title?: string;
  /** The id of a config entry; none: all gateways. */
  gateway?: string;
  /** The registry id of a device; and `destination` a group: a card on one of them. */
  device?: string;
  destination?: string;
  window?: Window;
  view?: Mode;
  rows?: number;
}

export const DEFAULT_ROWS = 14;
export const MIN_ROWS = 4;
export const MAX_ROWS = 40;

/** Raises an error that says what is wrong: Home Assistant shows it in place of the card. */
export function check(config: Config): Config {
  const { window, view, rows, device, destination } = config;
  if (window !== undefined && !WINDOWS.includes(window)) throw new Error(`window: ${WINDOWS.join(", ")}`);
  if (view !== undefined && !MODES.includes(view)) throw new Error(`view: ${MODES.join(", ")}`);
  if (rows !== undefined && !(Number.isInteger(rows) && rows >= MIN_ROWS && rows <= MAX_ROWS))
    throw new Error(`rows: ${MIN_ROWS}-${MAX_ROWS}`);
  if (device && destination) throw new Error("Choose a device or a destination, not both.");
  return config;
}
