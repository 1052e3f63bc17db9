/** The picture as the browser has it: a snapshot, kept current by deltas. No row moves or goes before the next snapshot. */

import {
  Flag,
  type Delta,
  type DeviceRow,
  type Focus,
  type Gateway,
  type GroupRow,
  type HostRow,
  type LinkRow,
  type More,
  type Snapshot,
  type Summary,
  type Window,
} from "./contract";

export interface Item {
  key: string;
  flags: number;
  sent: number;
  received: number;
}

export interface Device extends Item {
  name: string;
  gateway: number;
  groups: number;
  fresh: number;
  blocked: number;
  failed: number;
  last: number;
}

export interface Group extends Item {
  devices: number;
  hosts: number;
  fresh: number;
  blocked: number;
  failed: number;
}

export interface Host extends Item {
  group: string;
  host: string;
  protocol: string;
  port: number;
  first: number;
  last: number;
  connections: number;
  unanswered: number;
  refused: number;
  source: string | null;
}

export interface Link {
  device: string;
  group: string;
  flags: number;
  bytes: number;
  hosts: number;
  fresh: number;
  blocked: number;
  failed: number;
}

export const bytesOf = (item: { sent: number; received: number }): number => item.sent + item.received;

/** Whether a row has to stand above the cut. */
export const isUrgent = (flags: number): boolean =>
  (flags & (Flag.new | Flag.blocked | Flag.failed | Flag.partly)) !== 0;

export const hostKey = (host: string, protocol: string, port: number): string =>
  `${host} ${protocol} ${port}`;

function device([
  key,
  name,
  gateway,
  flags,
  sent,
  received,
  groups,
  fresh,
  blocked,
  failed,
  last,
]: DeviceRow): Device {
  return { key, name, gateway, flags, sent, received, groups, fresh, blocked, failed, last };
}

function group([key, flags, sent, received, devices, hosts, fresh, blocked, failed]: GroupRow): Group {
  return { key, flags, sent, received, devices, hosts, fresh, blocked, failed };
}

/** Raised when a delta does not fit what is there: the reader has to subscribe anew. */
export class Misfit extends Error {}

function put<T>(rows: T[], index: number, row: T): void {
  if (index > rows.length) throw new Misfit(`row ${index} of ${rows.length}`);
  rows[index] = row;
}

export class Picture {
  readonly window: Window;
  readonly version: string;
  readonly devices: Device[];
  readonly groups: Group[];
  readonly links: Link[];
  readonly hosts: Host[];
  gateways: Gateway[];
  summary: Summary;
  more: More;
  focus: Focus | null;
  at: number;
  seq: number;

  constructor(snapshot: Snapshot) {
    this.window = snapshot.window;
    this.version = snapshot.version;
    this.gateways = snapshot.gateways;
    this.summary = snapshot.summary;
    this.more = snapshot.more;
    this.focus = snapshot.focus;
    this.at = snapshot.at;
    this.seq = snapshot.seq;
    this.devices = snapshot.devices.map(device);
    this.groups = snapshot.groups.map(group);
    this.links = snapshot.links.map((row) => this.link(row));
    this.hosts = snapshot.hosts.map((row) => this.host(row));
  }

  apply(delta: Delta): void {
    if (delta.seq !== this.seq + 1) throw new Misfit(`${delta.seq} after ${this.seq}`);
    this.seq = delta.seq;
    this.at = delta.at;
    for (const [index, ...row] of delta.devices ?? []) put(this.devices, index, device(row));
    for (const [index, ...row] of delta.groups ?? []) put(this.groups, index, group(row));
    for (const [index, ...row] of delta.links ?? []) put(this.links, index, this.link(row));
    for (const [index, ...row] of delta.hosts ?? []) put(this.hosts, index, this.host(row));
    if (delta.gateways) this.gateways = delta.gateways;
    if (delta.summary) this.summary = delta.summary;
    if (delta.more) this.more = delta.more;
    if (delta.focus && this.focus) this.focus = { ...this.focus, ...delta.focus } as Focus;
  }

  device(id: string): Device | undefined {
    return this.devices.find((row) => row.key === id);
  }

  private link([from, to, flags, sent, received, hosts, fresh, blocked, failed]: LinkRow): Link {
    const device = this.devices[from]?.key;
    const group = this.groups[to]?.key;
    if (device === undefined || group === undefined) throw new Misfit(`link ${from} ${to}`);
    return { device, group, flags, bytes: sent + received, hosts, fresh, blocked, failed };
  }

  private host([
    to,
    host,
    protocol,
    port,
    flags,
    sent,
    received,
    first,
    last,
    connections,
    unanswered,
    refused,
    source,
  ]: HostRow): Host {
    const group = this.groups[to]?.key;
    if (group === undefined) throw new Misfit(`host of ${to}`);
    return {
      key: hostKey(host, protocol, port),
      group,
      host,
      protocol,
      port,
      flags,
      sent,
      received,
      first,
      last,
      connections,
      unanswered,
      refused,
      source,
    };
  }
}
