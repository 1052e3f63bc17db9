/** What the studies ask of Home Assistant. */

import type { Hass } from "./hass";

type Data = Record<string, unknown>;

/** Performs an action on a device. */
export async function act(hass: Hass, action: string, device: string, data: Data = {}): Promise<void> {
  await hass.callService("spin", action, data, { device_id: [device] }, false);
}

/** Performs an action that answers, and returns the answer for the device. */
export async function answer<T>(hass: Hass, action: string, device: string, data: Data = {}): Promise<T> {
  const { response } = await hass.connection.sendMessagePromise<{ response: { devices: Record<string, T> } }>(
    {
      type: "call_service",
      domain: "spin",
      service: action,
      service_data: data,
      target: { device_id: [device] },
      return_response: true,
    },
  );
  const [found] = Object.values(response.devices);
  if (!found) throw new Error("no answer");
  return found;
}

/** Has the browser follow a path that only administrators may read, in a new tab or as a download. */
export async function follow(hass: Hass, path: string, file?: string): Promise<void> {
  const signed = await hass.connection.sendMessagePromise<{ path: string }>({ type: "auth/sign_path", path });
  click(signed.path, file);
}

export function save(file: string, content: unknown): void {
  const text = JSON.stringify(content, null, 2);
  const url = URL.createObjectURL(new Blob([text], { type: "application/mud+json" }));
  click(url, file);
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function click(url: string, file?: string): void {
  const link = document.createElement("a");
  link.href = url;
  if (file === undefined) {
    link.target = "_blank";
    link.rel = "noreferrer";
  } else link.download = file;
  document.body.append(link);
  link.click();
  link.remove();
}

/** A name for a file that says of which device it is. */
export const fileName = (device: string, end: string): string =>
  `spin-${
    device
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
      .replace(/^-|-$/g, "") || "device"
  }${end}`;
