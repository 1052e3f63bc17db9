/** What the studies' commands and actions answer (docs/websocket.md, docs/case-study.md). */

export const KINDS = ["cloud_lost", "started_without_internet", "normal"] as const;
export type Kind = (typeof KINDS)[number];
export type ConnectivityCheck = "empty" | "probe" | null;

export interface Attempt {
  destination: string;
  named: boolean;
  protocol: string;
  port: number;
  /** Seconds after the beginning. */
  after: number;
  count: number;
  answer: "answered" | "refused" | "unanswered" | "pending";
  connectivity_check: ConnectivityCheck;
  usual: boolean;
}

export interface Experiment {
  id: string;
  kind: Kind;
  only: string[];
  outcome: "running" | "completed" | "stopped" | "interrupted";
  started: number;
  ends: number;
  ended: number | null;
  attempts: Attempt[];
  looked_up_only: string[];
  omitted: number;
}

export interface Capture {
  file: string;
  mac: string;
  device: string;
  began: number;
  seconds: number;
  packets: number;
  bytes: number;
  dropped: number;
  missing: number;
  headers_only: boolean;
  complete: boolean;
  reason: string;
}

export interface RunningCapture {
  device_id: string;
  began: number;
  seconds: number;
  max_bytes: number;
  /** Percent. */
  progress: number;
  packets: number;
  bytes: number;
  dropped: number;
}

export interface Captures {
  captures: Capture[];
  running: RunningCapture[];
  /** Why the last one of each gateway ended. */
  ended: Record<string, string>;
}

export interface Period {
  period: number;
  label: string | null;
  firmware: string | null;
  began: number;
  ended: number | null;
  exposure_hours: number;
  without_internet_hours: number;
  names: number;
  sent_bytes_per_day: number | null;
  received_bytes_per_day: number | null;
  time_requests_per_day: number | null;
}

export interface ComparedName {
  name: string;
  services: string[];
  only_without_internet: boolean;
  connectivity_check: ConnectivityCheck;
}

export interface Comparison {
  before: Period;
  after: Period;
  names_gone: ComparedName[];
  names_new: ComparedName[];
  names_kept: string[];
  services_gone: string[];
  services_new: string[];
  warnings: string[];
}

export interface Compared {
  periods: Period[];
  comparison: Comparison | null;
}

export interface Mud {
  mud: Record<string, unknown>;
  /** Addresses that such a file cannot have. */
  unnamed: string[];
}
