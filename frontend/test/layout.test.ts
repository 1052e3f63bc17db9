import { expect, test } from "vitest";
import { Flag } from "../src/contract";
import { layout, ROW, statusOf, thickness, type End } from "../src/layout";

const end = (from: number, to: number, bytes = 1000, flags = 0): End => ({
  from,
  to,
  bytes,
  flags,
  key: `${from} ${to}`,
  hue: 200,
});
/** The four heights at which a ribbon meets the columns: left top and bottom, right top and bottom. */
const heights = (path: string): number[] => {
  const numbers = path.match(/-?[\d.]+/g)!.map(Number);
  return [numbers[1]!, numbers.at(-1)!, numbers[7]!, numbers[8]!];
};

test("two kilobytes stay visible beside a stream", () => {
  expect(thickness(2000)).toBeGreaterThanOrEqual(2.5);
  expect(thickness(5e9)).toBeLessThanOrEqual(14);
  expect(thickness(0)).toBe(1);
  expect(thickness(-5)).toBe(1);
});

test("more data is never thinner", () => {
  const widths = Array.from({ length: 40 }, (_, power) => thickness(1.9 ** power));
  expect([...widths].sort((a, b) => a - b)).toEqual(widths);
});

test("ribbons stay within their rows, however many there are", () => {
  const ends = Array.from({ length: 60 }, (_, to) => end(3, to, 5e8));
  for (const { path, to } of layout(ends)) {
    const [leftTop, leftBottom, rightTop, rightBottom] = heights(path) as [number, number, number, number];
    expect(leftTop).toBeGreaterThanOrEqual(3 * ROW);
    expect(leftBottom).toBeLessThanOrEqual(4 * ROW);
    expect(rightTop).toBeGreaterThanOrEqual(to * ROW);
    expect(rightBottom).toBeLessThanOrEqual((to + 1) * ROW);
  }
});

test("ribbons of a row lie in the order of where they go", () => {
  const [low, high] = layout([end(0, 5), end(0, 1)]);
  expect(heights(high!.path)[0]!).toBeLessThan(heights(low!.path)[0]!);
});

test("the same ends give the same drawing", () => {
  const ends = [end(0, 1), end(1, 0, 7e6), end(1, 1, 50, Flag.new)];
  expect(layout(ends)).toEqual(layout(ends));
});

test("nothing to draw", () => expect(layout([])).toEqual([]));

test.each([
  [Flag.new | Flag.blocked, "blocked"],
  [Flag.new | Flag.failed, "new"],
  [Flag.failed, "failed"],
  [Flag.partly, "partly"],
  [Flag.allowed | Flag.quiet, null],
])("flags %i are drawn as %s", (flags, status) => expect(statusOf(flags)).toBe(status));
