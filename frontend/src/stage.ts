/** What the parts of the view have in common. */

import type { Pair, Window } from "./contract";
import type { Ask } from "./deeds";
import type { Hass } from "./hass";
import type { Words } from "./words";

export interface Dialog {
  template(): unknown;
}

export interface Stage {
  readonly hass: Hass;
  readonly words: Words;
  readonly window: Window;
  readonly phone: boolean;
  /** Whether the user may change something. */
  readonly may: boolean;
  /** Waiting for the gateway's word. */
  readonly busy: boolean;
  readonly isConnected: boolean;
  /** Why the last deed did not work. */
  readonly failure: string;
  /** Whether the device's gateway can block. */
  can(device?: string): boolean;
  draw(): void;
  ask(ask: Ask): void;
  show(pair: Pair): void;
  page(device: string): void;
  /** Shows a dialog; `end` is for it to call when it was closed. */
  open(make: (end: () => void) => Dialog, ...styles: string[]): void;
  /** Says why something could not be loaded. */
  refused(error: unknown): void;
}

/** A focus: one device, one destination, or the whole home. */
export interface FocusOn {
  device?: string;
  destination?: string;
}
