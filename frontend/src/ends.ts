/** Which rows the ribbons join, for each of the three pictures: the whole home, one device, one destination. */

import type { Shown } from "./column";
import type { End } from "./layout";
import { bytesOf, type Device, type Group, type Host, type Link } from "./model";

/** Hues of ordinary ribbons, clear of the signal colours. */
const HUES = [199, 290, 145, 250, 330, 172, 222, 268];

const given = new Map<string, number>();

/** Give devices colours that differ as long as there are some left; each keeps its own. */
export function colour(ids: readonly string[]): void {
  for (const id of [...ids].sort()) if (!given.has(id)) given.set(id, HUES[given.size % HUES.length]!);
}

export const hue = (id: string): number => given.get(id) ?? HUES[0]!;

const indexOf = (rows: readonly { key: string }[]): Map<string, number> =>
  new Map(rows.map((row, index) => [row.key, index]));

/** Ribbons of links; what runs to a row below the cut runs to the "k more" under the column. */
export function linkEnds(devices: Shown<Device>, groups: Shown<Group>, links: readonly Link[]): End[] {
  const left = indexOf(devices.rows);
  const right = indexOf(groups.rows);
  const below = { device: devices.rows.length, group: groups.rows.length };
  const ends: End[] = [];
  const gathered = new Map<number, number>();
  const rest = new Map(devices.rows.map((device) => [device.key, bytesOf(device)]));
  for (const { device, group, flags, bytes } of links) {
    const [from, to] = [left.get(device), right.get(group)];
    if (from !== undefined && to !== undefined) {
      ends.push({ from, to, flags, bytes, key: `${device} ${group}`, hue: hue(device) });
      rest.set(device, rest.get(device)! - bytes);
    } else if (to !== undefined && devices.hidden) {
      gathered.set(to, (gathered.get(to) ?? 0) + bytes);
    }
  }
  for (const [to, bytes] of gathered) {
    ends.push({ from: below.device, to, flags: 0, bytes, key: `more ${to}`, hue: 220 });
  }
  if (groups.hidden) {
    devices.rows.forEach((device, from) => {
      const bytes = rest.get(device.key)!;
      if (bytes > 0)
        ends.push({ from, to: below.group, flags: 0, bytes, key: device.key, hue: hue(device.key) });
    });
  }
  return ends;
}

/** Ribbons from one device to its hosts. */
export function hostEnds(devices: Shown<Device>, hosts: Shown<Host>, device: string): End[] {
  const from = indexOf(devices.rows).get(device);
  if (from === undefined) return [];
  return hosts.rows.map((host, to) => ({
    from,
    to,
    flags: host.flags,
    bytes: bytesOf(host),
    key: host.key,
    hue: hue(device),
  }));
}
