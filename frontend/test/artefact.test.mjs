// @vitest-environment node
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

test("what is committed is what the sources give, within the budget", () => {
  const text = execFileSync("node", ["build.mjs", "--check"], { encoding: "utf8" });
  expect(text).toMatch(/before the first picture: \d+ bytes/);
});
