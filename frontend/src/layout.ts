/**
 * Where the ribbons run. Rows are equally high, so everything follows from row numbers: nothing is measured.
 *
 * Across, the drawing is 100 units wide and stretched to the room there is; down, a unit is a CSS pixel.
 */

import { Flag } from "./contract";

export const ROW = 48;
export const WIDTH = 100;
/** The part of a row's height that its ribbons may fill. */
const BAND = 34;
const THINNEST = 1;
const THICKEST = 14;

export interface End {
  from: number;
  to: number;
  flags: number;
  bytes: number;
  /** What the ribbon stands for. */
  key: string;
  hue: number;
}

export interface Ribbon extends End {
  path: string;
  /** The line in the middle of it. */
  line: string;
  thickness: number;
  /** Where its sign stands: how far across (0 to 1), and at what height. */
  sign: { across: number; top: number };
  /** Drawn in full: what is new, blocked or does not answer. */
  status: Status | null;
}

export type Status = "new" | "blocked" | "failed" | "partly";

export function statusOf(flags: number): Status | null {
  if (flags & Flag.blocked) return "blocked";
  if (flags & Flag.new) return "new";
  if (flags & Flag.failed) return "failed";
  if (flags & Flag.partly) return "partly";
  return null;
}

/** Thickness in pixels, logarithmic: a call of 2 kB stays visible beside a camera's gigabytes. In half pixels, so that small changes draw nothing anew. */
export function thickness(bytes: number): number {
  const raw = THINNEST + 1.7 * Math.log10(1 + Math.max(0, bytes) / 200);
  return Math.round(Math.min(THICKEST, raw) * 2) / 2;
}

const round = (value: number): number => Math.round(value * 10) / 10;

interface Port {
  top: number;
  size: number;
}

/** Stacks the ribbons of each row, ordered by where they go, so that they cross little. */
function ports(ends: readonly End[], sizes: readonly number[], side: "from" | "to"): Port[] {
  const other = side === "from" ? "to" : "from";
  const rows = new Map<number, number[]>();
  ends.forEach((end, index) => {
    const row = rows.get(end[side]);
    if (row) row.push(index);
    else rows.set(end[side], [index]);
  });
  const placed: Port[] = new Array(ends.length);
  for (const [row, members] of rows) {
    members.sort((a, b) => ends[a]![other] - ends[b]![other] || a - b);
    const sum = members.reduce((total, index) => total + sizes[index]!, 0);
    const scale = Math.min(1, BAND / sum);
    let top = row * ROW + (ROW - sum * scale) / 2;
    for (const index of members) {
      const size = sizes[index]! * scale;
      placed[index] = { top, size };
      top += size;
    }
  }
  return placed;
}

/** Signs stand near the column whose rows they tell apart: how far along the line, and how far across that is. */
const NEAR_TO = { along: 0.85, across: 0.805 };
const NEAR_FROM = { along: 0.15, across: 0.195 };

/** The height of a ribbon's line, so far along. */
const heightAt = (along: number, from: number, to: number): number =>
  from + (to - from) * along * along * (3 - 2 * along);

export function layout(ends: readonly End[], side: "from" | "to" = "to"): Ribbon[] {
  const near = side === "to" ? NEAR_TO : NEAR_FROM;
  const sizes = ends.map((end) => thickness(end.bytes));
  const left = ports(ends, sizes, "from");
  const right = ports(ends, sizes, "to");
  const half = WIDTH / 2;
  return ends.map((end, index) => {
    const a = left[index]!;
    const b = right[index]!;
    const [a0, a1] = [round(a.top), round(a.top + a.size)];
    const [b0, b1] = [round(b.top), round(b.top + b.size)];
    const [am, bm] = [round((a0 + a1) / 2), round((b0 + b1) / 2)];
    return {
      ...end,
      path: `M0 ${a0}C${half} ${a0} ${half} ${b0} ${WIDTH} ${b0}V${b1}C${half} ${b1} ${half} ${a1} 0 ${a1}Z`,
      line: `M0 ${am}C${half} ${am} ${half} ${bm} ${WIDTH} ${bm}`,
      thickness: sizes[index]!,
      sign: { across: near.across, top: round(heightAt(near.along, am, bm)) },
      status: statusOf(end.flags),
    };
  });
}
