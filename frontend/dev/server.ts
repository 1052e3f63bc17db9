/** Answers as docs/websocket.md has it, out of a made-up home; no Home Assistant needed. */

import {
  Flag,
  type Delta,
  type Details,
  type Message,
  type Pair,
  type Snapshot,
  type SubscribeRequest,
  type TablePage,
  type TableRequest,
  type Timeline,
} from "../src/contract";
import type { Connection, Hass, Localize } from "../src/hass";
import { NOW, type FakeDevice, type FakeHost } from "./household";

declare const __VERSION__: string;

const has = (hosts: FakeHost[], flag: number): number => hosts.filter((each) => each.flags & flag).length;
const sum = (hosts: FakeHost[], key: "sent" | "received"): number =>
  hosts.reduce((total, each) => total + each[key], 0);
const urgent = (flags: number): number => (flags & (Flag.new | Flag.blocked | Flag.failed) ? 1 : 0);

function flagsOf(hosts: FakeHost[]): number {
  const blocked = has(hosts, Flag.blocked);
  return (
    (has(hosts, Flag.new) && Flag.new) |
    (has(hosts, Flag.failed) && Flag.failed) |
    (blocked ? (blocked === hosts.length ? Flag.blocked : Flag.partly) : 0)
  );
}

const fields = (host: FakeHost) =>
  [
    host.host,
    host.protocol,
    host.port,
    host.flags,
    host.sent,
    host.received,
    host.first,
    host.last,
    host.connections,
    host.unanswered,
    host.refused,
    host.source,
  ] as const;

export class FakeServer implements Connection {
  readonly calls: { service: string; data: Record<string, unknown>; target: unknown }[] = [];
  readonly acknowledged: number[] = [];
  readonly requests: Record<string, unknown>[] = [];
  /** What the next request or action fails with. */
  failing: unknown = null;
  subscriptions = 0;
  private listener: ((message: Message) => void) | null = null;
  private request: SubscribeRequest | null = null;
  private seq = 0;
  private snapshot: Snapshot | null = null;

  constructor(
    readonly devices: FakeDevice[],
    private readonly version = typeof __VERSION__ === "string" ? __VERSION__ : "0",
  ) {}

  async subscribeMessage<T>(callback: (message: T) => void, request: Record<string, unknown>) {
    this.fail();
    this.requests.push(request);
    this.listener = callback as (message: Message) => void;
    this.request = request as unknown as SubscribeRequest;
    this.subscriptions++;
    this.anew();
    return () => {
      this.subscriptions--;
    };
  }

  /** Sends a snapshot. */
  anew(): void {
    this.seq = 0;
    this.snapshot = this.picture(this.request!);
    this.listener?.(structuredClone(this.snapshot));
  }

  send(message: Message): void {
    this.listener?.(message);
  }

  /** Traffic of some devices, as a delta. */
  traffic(rows: number): Delta {
    const before = this.snapshot!;
    for (const device of this.devices.slice(0, rows))
      for (const host of device.hosts.slice(0, 20)) {
        host.sent += 500 + this.seq;
        host.received += 5000 + this.seq;
      }
    const after = this.picture(this.request!);
    const changed = <Row extends unknown[]>(old: Row[], now: Row[]): [number, ...Row][] =>
      now.flatMap((row, index) =>
        JSON.stringify(row) === JSON.stringify(old[index]) ? [] : [[index, ...row] as [number, ...Row]],
      );
    const delta: Delta = {
      type: "delta",
      seq: ++this.seq,
      at: NOW + this.seq,
      devices: changed(before.devices, after.devices),
      groups: changed(before.groups, after.groups),
      links: changed(before.links, after.links),
      hosts: changed(before.hosts, after.hosts),
      summary: after.summary,
    };
    this.snapshot = after;
    return delta;
  }

  private order = new Map<string, number>();
  private rank<T extends { key: string; flags: number; bytes: number }>(rows: T[], kind: string): T[] {
    const fresh = [...rows].sort((a, b) => urgent(b.flags) - urgent(a.flags) || b.bytes - a.bytes);
    if (this.seq === 0) fresh.forEach((row, index) => this.order.set(`${kind} ${row.key}`, index));
    const place = (row: T): number => this.order.get(`${kind} ${row.key}`) ?? 1e9;
    return this.seq === 0 ? fresh : fresh.sort((a, b) => place(a) - place(b));
  }

  private picture(request: SubscribeRequest): Snapshot {
    const {
      window,
      device: on = null,
      destination: to = null,
      devices: most = 100,
      destinations = 40,
    } = request;
    const all = this.devices.map((device) => {
      const flags =
        (flagsOf(device.hosts) & ~Flag.blocked) |
        (device.blocked ? Flag.blocked : 0) |
        (device.learning ? Flag.learning : 0) |
        (has(device.hosts, Flag.blocked) ? Flag.partly : 0);
      return {
        key: device.id,
        device,
        flags,
        bytes: sum(device.hosts, "sent") + sum(device.hosts, "received"),
      };
    });
    const members = new Map<string, [FakeDevice, FakeHost][]>();
    for (const device of this.devices)
      for (const host of device.hosts) {
        if (on && device.id !== on) continue;
        members.set(host.group, [...(members.get(host.group) ?? []), [device, host]]);
      }
    const groups = [...members].map(([key, pairs]) => {
      const hosts = pairs.map(([, host]) => host);
      return { key, pairs, hosts, flags: flagsOf(hosts), bytes: sum(hosts, "sent") + sum(hosts, "received") };
    });
    const shownDevices = this.rank(all, "device").slice(0, most);
    const shownGroups = this.rank(groups, "group").filter(
      (row, index) =>
        index < destinations || row.key === to || (urgent(row.flags) && index < destinations + 50),
    );
    const groupIndex = new Map(shownGroups.map((row, index) => [row.key, index]));
    const links = on
      ? []
      : shownDevices.flatMap(({ device }, from) => {
          const own = new Map<string, FakeHost[]>();
          for (const host of device.hosts) own.set(host.group, [...(own.get(host.group) ?? []), host]);
          return [...own].flatMap(([group, hosts]) =>
            groupIndex.has(group) && (!to || group === to)
              ? [
                  [
                    from,
                    groupIndex.get(group)!,
                    flagsOf(hosts),
                    sum(hosts, "sent"),
                    sum(hosts, "received"),
                    hosts.length,
                    has(hosts, Flag.new),
                    has(hosts, Flag.blocked),
                    has(hosts, Flag.failed),
                  ] as Snapshot["links"][number],
                ]
              : [],
          );
        });
    const every = this.devices.flatMap((device) => device.hosts);
    const focused = this.devices.find((device) => device.id === on);
    const scope = focused ? focused.hosts : to ? (members.get(to) ?? []).map(([, host]) => host) : every;
    return {
      type: "snapshot",
      subscription: 1,
      seq: this.seq,
      version: this.version,
      at: NOW,
      window,
      gateways: [
        {
          entry_id: "1",
          id: "home",
          name: "Home gateway",
          device_id: "gateway",
          state: "online",
          since: NOW - 9000,
          version: this.version,
          source: "nftables",
          capabilities: ["block", "names", "connections"],
          topic: "spin/home",
          problems: [],
        },
      ],
      summary: {
        devices: focused
          ? 1
          : to
            ? new Set((members.get(to) ?? []).map(([device]) => device.id)).size
            : all.length,
        destinations: to ? 1 : groups.length,
        new: has(scope, Flag.new),
        blocked: has(scope, Flag.blocked),
        failed: has(scope, Flag.failed),
        learning: this.devices.filter((device) => device.learning).length,
        sent: sum(scope, "sent"),
        received: sum(scope, "received"),
      },
      devices: shownDevices.map(({ device, flags }) => [
        device.id,
        device.name,
        0,
        flags,
        sum(device.hosts, "sent"),
        sum(device.hosts, "received"),
        new Set(device.hosts.map((host) => host.group)).size,
        has(device.hosts, Flag.new),
        has(device.hosts, Flag.blocked),
        has(device.hosts, Flag.failed),
        NOW - 12,
      ]),
      groups: shownGroups.map(({ key, pairs, hosts, flags }) => [
        key,
        flags,
        sum(hosts, "sent"),
        sum(hosts, "received"),
        new Set(pairs.map(([device]) => device.id)).size,
        hosts.length,
        has(hosts, Flag.new),
        new Set(pairs.filter(([, host]) => host.flags & Flag.blocked).map(([device]) => device.id)).size,
        has(hosts, Flag.failed),
      ]),
      links,
      hosts: focused
        ? [...focused.hosts]
            .sort((a, b) => urgent(b.flags) - urgent(a.flags))
            .flatMap((host) =>
              groupIndex.has(host.group)
                ? [[groupIndex.get(host.group)!, ...fields(host)] as Snapshot["hosts"][number]]
                : [],
            )
        : [],
      more: {
        devices: all.length - shownDevices.length,
        groups: groups.length - shownGroups.length,
        hosts: 0,
      },
      focus: focused
        ? this.deviceFocus(focused)
        : to
          ? {
              kind: "destination",
              group: to,
              names: [...new Set(scope.map((host) => host.host))],
              first: NOW - 9e5,
              last: NOW - 20,
            }
          : null,
    };
  }

  private deviceFocus({ id, name, learning, blocked }: FakeDevice): Snapshot["focus"] {
    const steps = Array.from({ length: 60 }, (_, index) => index);
    return {
      kind: "device",
      id,
      name,
      manufacturer: "Example",
      model: "BSB002",
      firmware: "1.67.0",
      area: "Hall",
      macs: ["00:17:88:00:00:01"],
      addresses: ["192.168.8.20"],
      hostname: "example",
      first: NOW - 9e5,
      last: NOW - 9,
      block: blocked ? { by: "user", user: "Anna", since: NOW - 600, until: null, rule: null } : null,
      learning: { state: learning ? "learning" : "over", left: learning ? 432_000 : null },
      reaction: {
        entity_id: `select.${id}`,
        value: "default",
        default: "notify",
        options: ["default", "observe", "notify", "block_destination", "block_device", "block_both"],
      },
      switch: `switch.${id}`,
      chart: {
        start: NOW - 3600,
        step: 60,
        sent: steps.map((step) => (step % 7 ? 1000 * (step % 11) : 20_000)),
        received: steps.map((step) => (step % 13 ? 4000 * (step % 5) : 60_000)),
      },
      timeline: 8,
      topics: ["spin/home/device/00:17:88:00:00:01"],
    };
  }

  async sendMessagePromise<T>(request: Record<string, unknown>): Promise<T> {
    this.requests.push(request);
    if (request["type"] === "spin/ack") this.acknowledged.push(request["seq"] as number);
    else this.fail();
    const answers: Record<string, () => unknown> = {
      "spin/table": () => this.table(request as unknown as TableRequest),
      "spin/timeline": () => this.timeline(),
      "spin/details": () => this.details(request as unknown as Pair),
    };
    return structuredClone(answers[request["type"] as string]?.() ?? null) as T;
  }

  private table({
    filter,
    search,
    device,
    destination,
    offset,
    limit,
    sort,
    descending,
  }: TableRequest): TablePage {
    const rows = this.devices
      .flatMap((each) => each.hosts.map((host) => ({ each, host })))
      .filter(
        ({ each, host }) => (!device || each.id === device) && (!destination || host.group === destination),
      )
      .filter(({ host }) => !filter.length || filter.some((name) => host.flags & Flag[name]))
      .filter(({ each, host }) => `${each.name} ${host.host}`.toLowerCase().includes(search.toLowerCase()));
    const value = ({ each, host }: (typeof rows)[number]): number | string =>
      sort === "device"
        ? each.name
        : sort === "host"
          ? host.host
          : sort === "status"
            ? urgent(host.flags)
            : sort === "total"
              ? host.sent + host.received
              : host[sort];
    rows.sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * (descending ? -1 : 1));
    const page = rows.slice(offset, offset + limit);
    return {
      at: NOW,
      total: rows.length,
      devices: Object.fromEntries(page.map(({ each }) => [each.id, each.name])),
      rows: page.map(({ each, host }) => [each.id, host.group, ...fields(host)]),
    };
  }

  private timeline(): Timeline {
    const entry = (id: number, kind: string, more: Record<string, unknown> = {}) => ({
      id,
      at: NOW - 4000 + id * 300,
      kind,
      ...more,
    });
    const tcp = { protocol: "tcp", port: 443 };
    return {
      more: false,
      entries: [
        entry(1, "device_seen"),
        entry(2, "learning_started", { reason: "user" }),
        entry(3, "connection_failed", {
          host: "ws.meethue.com",
          group: "meethue.com",
          ...tcp,
          count: 12,
          last: NOW - 200,
        }),
        entry(4, "new_destination", { host: "www.google.com", group: "google.com", ...tcp }),
        entry(5, "new_destination", { host: "www.baidu.com", group: "baidu.com", ...tcp }),
        entry(6, "blocked", { group: "baidu.com", by: "user", user: "Anna", until: NOW + 3600 }),
        entry(7, "blocked_attempt", {
          host: "www.baidu.com",
          group: "baidu.com",
          ...tcp,
          count: 3,
          last: NOW - 100,
        }),
        entry(8, "firmware_changed", { from: "1.66.0", to: "1.67.0" }),
      ],
    };
  }

  private details(pair: Pair): Details {
    const device = this.devices.find((each) => each.id === pair.device);
    const hosts =
      device?.hosts.filter((each) => each.group === pair.group && (!pair.host || each.host === pair.host)) ??
      [];
    const [first] = hosts;
    if (!device || !first) throw { code: "not_found", message: "Nothing is known of it" };
    const isBlocked = hosts.every((each) => each.flags & Flag.blocked);
    const counts = {
      sent: sum(hosts, "sent"),
      received: sum(hosts, "received"),
      connections: 12,
      unanswered: first.unanswered,
      empty: 3,
      blocked: first.refused,
    };
    const { host: _, ...whole } = pair;
    return {
      ...(pair.host ? pair : whole),
      device_name: device.name,
      flags: flagsOf(hosts),
      block: isBlocked
        ? { by: "user", user: "Anna", since: NOW - 600, until: NOW + 3600, rule: pair.group }
        : null,
      at: NOW,
      first: first.first,
      last: first.last,
      looked_up: NOW - 700,
      name_source: first.source,
      window: counts,
      total: counts,
      evidence: [
        { code: "after_learning" },
        { code: "connectivity_check", count: 3 },
        { code: "time_sync", interval: 64.2, short: 0.125 },
        { code: "unanswered", since: NOW - 900, count: 12 },
        { code: "something_of_the_future", count: 1 },
      ],
      names: ["www.google.com", "ipv4.google.com"],
      addresses: [["198.51.100.7", 11_000, 30_500, 3, 0, 0, NOW - 9000, NOW - 9]],
      hosts: pair.host ? [] : hosts.map((each) => [...fields(each)]),
      also: [["anna_s_phone", "Anna's phone"]],
      shares: { names: ["www.gstatic.com"], devices: ["Anna's phone"] },
      topic: "spin/home/device/00:17:88:00:00:01/flows",
      raw: {
        epoch: "5f3a",
        seq: 17,
        destinations: [{ name: pair.host, address: "198.51.100.7", sent_bytes: 11_000 }],
      },
    };
  }

  private fail(): void {
    const error = this.failing;
    this.failing = null;
    if (error) throw error;
  }

  /** An action: done, and heard of in a new snapshot. */
  async act(service: string, data: Record<string, unknown>, target: { device_id?: string[] } | undefined) {
    this.calls.push({ service, data, target });
    await new Promise((resolve) => setTimeout(resolve, 5));
    this.fail();
    for (const device of this.devices) {
      if (!target?.device_id?.includes(device.id)) continue;
      if (service.endsWith("block_device")) device.blocked = service === "block_device";
      for (const host of device.hosts) {
        const to = data["destination"];
        if (to !== host.group && to !== host.host) continue;
        if (service === "block_destination") host.flags = Flag.blocked;
        if (service === "unblock_destination") host.flags = 0;
        if (service === "allow_destination") host.flags = data["allowed"] === false ? Flag.new : Flag.allowed;
      }
    }
    this.anew();
  }
}

export interface Choice {
  language?: string;
  texts?: Record<string, string>;
  admin?: boolean;
}

export function fakeHass(
  server: FakeServer,
  { language = "en", texts = {}, admin = true }: Choice = {},
): Hass {
  const localize: Localize = (key, values = {}) =>
    (texts[key.replace("component.spin.common.", "")] ?? "").replace(/\{(\w+)\}/g, (_, name: string) =>
      String(values[name] ?? ""),
    );
  return {
    connection: server,
    language,
    locale: { language, number_format: "language", time_format: "24", time_zone: "local" },
    user: { is_admin: admin },
    localize,
    loadBackendTranslation: async () => localize,
    callService: (_domain, service, data = {}, target) => server.act(service, data, target),
  };
}
