import { expect, test } from "vitest";
import { Column } from "../src/column";
import { Flag } from "../src/contract";

const rows = (...names: string[]) =>
  names.map((name) => ({ key: name.toLowerCase(), flags: name === name.toLowerCase() ? 0 : Flag.new }));
const keys = ({ rows }: { rows: { key: string }[] }): string => rows.map((row) => row.key).join("");

test("the cut counts what it hides, and what the server left out", () => {
  const shown = new Column().arrange(rows(..."abcdef"), 4, 10);
  expect(keys(shown)).toBe("abcd");
  expect(shown.hidden).toBe(12);
});

test("what is new stands above the cut", () => {
  expect(keys(new Column().arrange(rows(..."abcdeF"), 3, 0))).toBe("abcf");
});

test("the order stays, whatever the server's ranking becomes", () => {
  const column = new Column();
  column.arrange(rows(..."abcd"), 3, 0);
  expect(keys(column.arrange(rows(..."dcxba"), 3, 0))).toBe("abc");
  column.reset();
  expect(keys(column.arrange(rows(..."dcba"), 3, 0))).toBe("dcb");
});

test("a row that was shown stays when it is no longer new", () => {
  const column = new Column();
  column.arrange(rows(..."abcD"), 2, 0);
  expect(keys(column.arrange(rows(..."abcd"), 2, 0))).toBe("abd");
});

test("the row in focus is there, wherever it ranks", () => {
  expect(keys(new Column().arrange(rows(..."abcdef"), 2, 0, "e"))).toBe("abe");
});

test("more comes in steps, to an end", () => {
  const column = new Column();
  const many = Array.from({ length: 500 }, (_, index) => ({ key: `${index}`, flags: 0 }));
  column.expand();
  expect(column.arrange(many, 10, 0).rows).toHaveLength(30);
  for (let step = 0; step < 20; step++) column.expand();
  expect(column.isFull).toBe(true);
  expect(column.arrange(many, 10, 0).rows).toHaveLength(130);
});

test("a flood of new rows does not make the picture endless", () => {
  const many = Array.from({ length: 5000 }, (_, index) => ({ key: `${index}`, flags: Flag.new }));
  expect(new Column().arrange(many, 14, 0).rows).toHaveLength(50);
});
