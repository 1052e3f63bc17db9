import { expect, test } from "vitest";
import type { TablePage, TableRow } from "../src/contract";
import { cell, csv } from "../src/csv";

test.each([
  ["plain", "plain"],
  [12, "12"],
  [-3, "-3"],
  [null, ""],
  ['say "hi", now', '"say ""hi"", now"'],
  ["two\nlines", '"two\nlines"'],
  ["=1+1", "'=1+1"],
  ["@SUM(A1)", "'@SUM(A1)"],
  ["-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"],
])("%j is written %s", (value, text) => expect(cell(value)).toBe(text));

const row = (host: string): TableRow => ["id", "example", host, "tcp", 443, 1, 5, 6, 0, 60, 3, 0, 0, "dns"];

test("all pages, one line a row", async () => {
  const hosts = ["a.example", "b.example", "c.example"];
  const pages: number[] = [];
  const read = async (offset: number): Promise<TablePage> => {
    pages.push(offset);
    return {
      at: 0,
      total: 3,
      devices: { id: "Bridge, upstairs" },
      rows: hosts.slice(offset, offset + 2).map(row),
    };
  };
  const lines = (await csv(read)).split("\r\n");
  expect(pages).toEqual([0, 2]);
  expect(lines).toHaveLength(5);
  expect(lines[1]).toBe(
    '"Bridge, upstairs",example,a.example,tcp,443,new,5,6,1970-01-01T00:00:00.000Z,1970-01-01T00:01:00.000Z,3,0,0,dns',
  );
});

test("a table that shrinks meanwhile ends all the same", async () => {
  const text = await csv(async () => ({ at: 0, total: 9, devices: {}, rows: [] }));
  expect(text.split("\r\n")).toHaveLength(2);
});
