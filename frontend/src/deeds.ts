/** What a user can have done, what takes it back, and how it is said. Every deed waits for the gateway's word. */

import type { Hass } from "./hass";
import type { Text } from "./texts";

export type Action =
  | "block_device"
  | "unblock_device"
  | "block_destination"
  | "unblock_destination"
  | "allow_destination"
  | "forget_destination"
  | "accept_all"
  | "restart_learning";

/** Something that a user asked for, before it was confirmed. */
export interface Ask {
  action: Action;
  devices: string[];
  /** Of the device, fit to be shown, or how many there are. */
  name: string;
  destination?: string;
  /** The registrable domain, where the destination is one name of it. */
  group?: string;
  /** What a block hits besides. */
  shares?: { names: string[]; devices: string[] };
}

export interface Deed {
  action: Action;
  devices: string[];
  destination?: string;
  duration?: number;
  allowed?: boolean;
}

export interface Choice {
  destination?: string;
  /** Seconds; none: without an end. */
  duration?: number;
}

/** These are asked for once more; the others can be taken back. */
const CONFIRMED: ReadonlySet<Action> = new Set([
  "block_device",
  "block_destination",
  "forget_destination",
  "accept_all",
  "restart_learning",
]);

export const needsConfirming = (action: Action): boolean => CONFIRMED.has(action);
export const isBlock = (action: Action): boolean =>
  action === "block_device" || action === "block_destination";

export const DURATIONS = [0, 1800, 3600, 28800, 86400, 604800];

const INVERSE: Partial<Record<Action, Action>> = {
  block_device: "unblock_device",
  unblock_device: "block_device",
  block_destination: "unblock_destination",
  unblock_destination: "block_destination",
  allow_destination: "allow_destination",
};

export function inverse(deed: Deed): Deed | null {
  const action = INVERSE[deed.action];
  if (!action) return null;
  const { duration: _, ...rest } = deed;
  return {
    ...rest,
    action,
    ...(action === "allow_destination" ? { allowed: !(deed.allowed ?? true) } : {}),
  };
}

/** The key of what is said when it is done. */
export const doneText = (deed: Deed): Text =>
  deed.allowed === false ? "done_unallow_destination" : `done_${deed.action}`;

export async function perform(hass: Hass, deed: Deed): Promise<void> {
  const { action, devices, destination, duration, allowed } = deed;
  const data = {
    ...(destination === undefined ? {} : { destination }),
    ...(duration ? { duration: { seconds: duration } } : {}),
    ...(allowed === undefined ? {} : { allowed }),
  };
  await hass.callService("spin", action, data, { device_id: devices }, false);
}
