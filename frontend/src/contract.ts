/** The messages of docs/websocket.md, as they come. Compact lists are tuples in the documented order. */

export const WINDOWS = ["5m", "1h", "24h", "7d"] as const;
export type Window = (typeof WINDOWS)[number];

export const Flag = {
  new: 1,
  blocked: 2,
  failed: 4,
  learning: 8,
  automatic: 16,
  timed: 32,
  allowed: 64,
  quiet: 128,
  attention: 256,
  partly: 512,
} as const;

export type DeviceRow = [
  id: string,
  name: string,
  gateway: number,
  flags: number,
  sent: number,
  received: number,
  groups: number,
  fresh: number,
  blocked: number,
  failed: number,
  last: number,
];
export type GroupRow = [
  group: string,
  flags: number,
  sent: number,
  received: number,
  devices: number,
  hosts: number,
  fresh: number,
  blocked: number,
  failed: number,
];
export type LinkRow = [
  device: number,
  group: number,
  flags: number,
  sent: number,
  received: number,
  hosts: number,
  fresh: number,
  blocked: number,
  failed: number,
];
type HostFields = [
  host: string,
  protocol: string,
  port: number,
  flags: number,
  sent: number,
  received: number,
  first: number,
  last: number,
  connections: number,
  unanswered: number,
  refused: number,
  source: string | null,
];
export type HostRow = [group: number, ...HostFields];
export type TableRow = [device: string, group: string, ...HostFields];
export type GroupHostRow = HostFields;
export type AddressRow = [
  address: string,
  sent: number,
  received: number,
  connections: number,
  unanswered: number,
  refused: number,
  first: number,
  last: number,
];

export interface Problem {
  code: string;
  text: string;
}

export interface Gateway {
  entry_id: string;
  id: string;
  name: string;
  device_id: string | null;
  state: "online" | "offline" | "loading";
  since: number | null;
  version: string | null;
  source: string | null;
  capabilities: string[];
  topic: string;
  problems: Problem[];
}

export interface Summary {
  devices: number;
  destinations: number;
  new: number;
  blocked: number;
  failed: number;
  learning: number;
  sent: number;
  received: number;
}

export interface More {
  devices: number;
  groups: number;
  hosts: number;
}

export interface Block {
  by: "user" | "automatic" | "device" | "everyone";
  user: string | null;
  since: number | null;
  until: number | null;
  rule: string | null;
}

export interface Chart {
  start: number;
  step: number;
  sent: number[];
  received: number[];
}

export interface DeviceFocus {
  kind: "device";
  id: string;
  name: string;
  manufacturer: string | null;
  model: string | null;
  firmware: string | null;
  area: string | null;
  macs: string[];
  addresses: string[];
  hostname: string | null;
  first: number;
  last: number;
  block: Block | null;
  learning: { state: "learning" | "over"; left: number | null };
  reaction: { entity_id: string; value: string; options: string[]; default: string } | null;
  switch: string | null;
  chart: Chart;
  timeline: number;
  topics: string[];
}

export interface DestinationFocus {
  kind: "destination";
  group: string;
  names: string[];
  first: number;
  last: number;
}

export type Focus = DeviceFocus | DestinationFocus;

export interface Snapshot {
  type: "snapshot";
  subscription: number;
  seq: number;
  version: string;
  at: number;
  window: Window;
  gateways: Gateway[];
  summary: Summary;
  devices: DeviceRow[];
  groups: GroupRow[];
  links: LinkRow[];
  hosts: HostRow[];
  more: More;
  focus: Focus | null;
}

type Indexed<Row extends unknown[]> = [index: number, ...Row];

export interface Delta {
  type: "delta";
  seq: number;
  at: number;
  gateways?: Gateway[];
  summary?: Summary;
  devices?: Indexed<DeviceRow>[];
  groups?: Indexed<GroupRow>[];
  links?: Indexed<LinkRow>[];
  hosts?: Indexed<HostRow>[];
  more?: More;
  focus?: Partial<DeviceFocus> | Partial<DestinationFocus>;
}

export interface Status {
  type: "status";
  seq?: number;
  gateways: Gateway[];
}

export type Message = Snapshot | Delta | Status;

export interface SubscribeRequest {
  gateway?: string | null;
  window: Window;
  device?: string | null;
  destination?: string | null;
  devices?: number;
  destinations?: number;
}

export const FILTERS = ["new", "blocked", "failed", "learning", "allowed"] as const;
export type Filter = (typeof FILTERS)[number];
export type Sort =
  "device" | "host" | "status" | "sent" | "received" | "total" | "first" | "last" | "port" | "connections";

export interface TableRequest {
  gateway?: string | null;
  window: Window;
  device?: string | null;
  destination?: string | null;
  filter: Filter[];
  search: string;
  sort: Sort;
  descending: boolean;
  offset: number;
  limit: number;
}

export interface TablePage {
  at: number;
  total: number;
  devices: Record<string, string>;
  rows: TableRow[];
}

export interface TimelineEntry {
  id: number;
  at: number;
  kind: string;
  host?: string | null;
  group?: string | null;
  protocol?: string;
  port?: number;
  count?: number;
  last?: number;
  by?: "user" | "automatic" | "timer";
  user?: string | null;
  until?: number | null;
  reason?: string;
  from?: string | null;
  to?: string | null;
  hosts?: number;
  ports?: number;
}

export interface Timeline {
  more: boolean;
  entries: TimelineEntry[];
}

export interface Pair {
  device: string;
  group: string;
  host?: string;
  protocol?: string;
  port?: number;
}

export interface Counts {
  sent: number;
  received: number;
  connections: number;
  unanswered: number;
  empty: number;
  blocked: number;
}

export interface Evidence {
  code: string;
  [placeholder: string]: string | number | null;
}

export interface Details extends Pair {
  device_name: string;
  flags: number;
  block: Block | null;
  at: number;
  first: number;
  last: number;
  looked_up: number | null;
  name_source: string | null;
  window: Counts;
  total: Counts;
  evidence: Evidence[];
  names: string[];
  addresses: AddressRow[];
  hosts: GroupHostRow[];
  also: [id: string, name: string][];
  shares: { names: string[]; devices: string[] };
  topic: string;
  raw: unknown;
}
