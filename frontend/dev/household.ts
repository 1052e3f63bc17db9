/** A made-up home for the development page, the unit tests and the benchmark. */

import { Flag } from "../src/contract";

export interface FakeHost {
  group: string;
  host: string;
  protocol: string;
  port: number;
  flags: number;
  sent: number;
  received: number;
  first: number;
  last: number;
  connections: number;
  unanswered: number;
  refused: number;
  source: string | null;
}

export interface FakeDevice {
  id: string;
  name: string;
  learning: boolean;
  blocked: boolean;
  hosts: FakeHost[];
}

export const NOW = 1_577_883_600;

function host(group: string, name: string, more: Partial<FakeHost> = {}): FakeHost {
  return {
    group,
    host: name,
    protocol: "tcp",
    port: 443,
    flags: 0,
    sent: 12_000,
    received: 48_000,
    first: NOW - 500_000,
    last: NOW - 40,
    connections: 12,
    unanswered: 0,
    refused: 0,
    source: "dns",
    ...more,
  };
}

function device(name: string, hosts: FakeHost[], more: Partial<FakeDevice> = {}): FakeDevice {
  const id = name.toLowerCase().replace(/[^a-z0-9]+/g, "_");
  return { id, name, learning: false, blocked: false, hosts, ...more };
}

const ntp = (group: string, name: string): FakeHost =>
  host(group, name, { protocol: "udp", port: 123, sent: 5_320, received: 5_320, connections: 70 });

/** An ordinary home in which something is going on. */
export function home(): FakeDevice[] {
  return [
    device("Hue bridge", [
      host("meethue.com", "ws.meethue.com", { flags: Flag.failed, unanswered: 12, sent: 1_900, received: 0 }),
      host("meethue.com", "diagnostics.meethue.com", { sent: 31_000, received: 8_200 }),
      host("google.com", "www.google.com", {
        flags: Flag.new,
        sent: 2_100,
        received: 1_800,
        first: NOW - 900,
      }),
      host("baidu.com", "www.baidu.com", { flags: Flag.new, sent: 1_300, received: 900, first: NOW - 880 }),
      ntp("ntp.org", "0.pool.ntp.org"),
      ntp("ntp.org", "1.pool.ntp.org"),
    ]),
    device("Living room TV", [
      host("nflxvideo.net", "ipv4-c001-ams001-ix.1.oca.nflxvideo.net", {
        received: 2_900_000_000,
        sent: 41_000_000,
      }),
      host("netflix.com", "api-global.netflix.com", { received: 5_100_000, sent: 900_000 }),
      host("samsungads.com", "ads.samsungads.com", {
        flags: Flag.blocked,
        refused: 214,
        sent: 18_000,
        received: 0,
      }),
      host("samsungcloud.com", "time.samsungcloud.com"),
    ]),
    device("Doorbell", [
      host("ring.com", "fw.ring.com", { received: 900_000, sent: 310_000_000 }),
      host("amazonaws.com", "ec2-203-0-113-7.eu-west-1.compute.amazonaws.com", {
        protocol: "udp",
        port: 3478,
      }),
    ]),
    device("Anna's phone", [
      host("apple.com", "gateway.icloud.com", { port: 5223 }),
      host("whatsapp.net", "g.whatsapp.net", { received: 39_000_000, sent: 8_000_000 }),
      host("google.com", "www.google.com", { received: 11_000_000 }),
    ]),
    device("Washing machine", [host("home-connect.com", "eu.services.home-connect.com")], { learning: true }),
    device("Thermostat", [host("nest.com", "frontdoor.nest.com"), ntp("google.com", "time.google.com")]),
    device("Robot vacuum", [
      host("example-robots.cn", "eu.mqtt.example-robots.cn", {
        port: 8883,
        received: 210_000,
        sent: 2_600_000,
      }),
      host("198.51.100.77", "198.51.100.77", {
        flags: Flag.new,
        port: 23,
        source: null,
        sent: 700,
        received: 0,
        first: NOW - 300,
      }),
    ]),
    device("Printer", [host("hp.com", "chat.hpeprint.com")], { blocked: true }),
  ];
}

/** As many as wanted, spread as in a home: few talk much, most little. */
export function large(devices: number, destinations: number): FakeDevice[] {
  return Array.from({ length: devices }, (_, index) => {
    const hosts = Array.from({ length: destinations }, (_, row) => {
      const number = (index * 7 + row * 13) % (destinations * 2);
      const isNew = (index * destinations + row) % 997 === 0;
      const isBlocked = (index * destinations + row) % 1499 === 1;
      return host(`group${number}.example`, `host${row % 3}.group${number}.example`, {
        sent: Math.round(3e7 / (1 + row * row)),
        received: Math.round(9e8 / (1 + row * row)),
        flags: isNew ? Flag.new : isBlocked ? Flag.blocked : 0,
      });
    });
    return device(`Device ${index}`, hosts);
  });
}

/** Names as somebody unkind would choose them. */
export function hostile(): FakeDevice[] {
  const long = `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(57)}.example`;
  return [
    device("<img src=x onerror=alert(1)>", [
      host("<b>bold</b>", "<script>alert(1)</script>"),
      host("{count}", "'{'{count}'}'"),
      host("example", long, { flags: Flag.new }),
      host("xn--e1awd7f.example", "xn--e1awd7f.example"),
      host("пример.example", "мoзила.пример.example"),
      host("مثال.example", "مثال.example", { flags: Flag.blocked }),
    ]),
    device("\u202Egnp.exe\u0000\u0007 turned", [host("example.net", "a\u2066b.example.net")]),
    device("W".repeat(64), [host("example.org", "www.example.org")]),
    device("__proto__", [host("constructor", "constructor")]),
  ];
}
