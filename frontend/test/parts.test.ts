import { expect, test } from "vitest";
import { fakeHass, FakeServer } from "../dev/server";
import { check } from "../src/config";
import { inverse, perform, type Deed } from "../src/deeds";
import { colour, hue, linkEnds } from "../src/ends";
import { Column } from "../src/column";
import { matters } from "../src/hass";
import { Picture } from "../src/model";
import { focusOf, pathOf } from "../src/panel";
import { merge } from "../src/timeline";
import { snapshotOf } from "./snapshot";

test.each([
  [{}],
  [{ device: "0123" }],
  [{ destination: "meethue.com" }],
  [{ destination: "a b/ü?#.example" }],
])("the address of %j leads back to it", (on) => expect(focusOf(pathOf(on))).toEqual(on));

test("an address that cannot be read leads home", () => expect(focusOf("/%E0%A4%A")).toEqual({}));

test.each([
  [{ window: "2h" }, "window: 5m, 1h, 24h, 7d"],
  [{ view: "graph" }, "view: picture, table, timeline"],
  [{ rows: 3 }, "rows: 4-40"],
  [{ rows: "14" }, "rows: 4-40"],
  [{ device: "1", destination: "x" }, "not both"],
])("%j is refused", (config, text) => expect(() => check(config as never)).toThrow(text));

test("every deed that can be taken back is, by its inverse", () => {
  for (const action of ["block_device", "block_destination", "allow_destination"] as const) {
    const deed: Deed = { action, devices: ["1"], destination: "example.com", duration: 60 };
    const back = inverse(deed)!;
    expect(back.duration).toBeUndefined();
    const again = inverse(back)!;
    expect([again.action, again.allowed ?? true]).toEqual([action, true]);
  }
  expect(inverse({ action: "forget_destination", devices: [] })).toBeNull();
});

test("a deed is an action of the integration", async () => {
  const server = new FakeServer([]);
  await server.subscribeMessage(() => undefined, { window: "1h" });
  await perform(fakeHass(server), {
    action: "block_destination",
    devices: ["1"],
    destination: "x",
    duration: 60,
  });
  expect(server.calls).toEqual([
    {
      service: "block_destination",
      data: { destination: "x", duration: { seconds: 60 } },
      target: { device_id: ["1"] },
    },
  ]);
});

test("devices have colours of their own, and keep them", () => {
  colour(["b", "a", "c"]);
  const before = ["a", "b", "c"].map(hue);
  expect(new Set(before).size).toBe(3);
  colour(["d", "c"]);
  expect(["a", "b", "c"].map(hue)).toEqual(before);
  expect(hue("never heard of")).toBeTypeOf("number");
});

test("what runs to rows below the cut runs to the rest", async () => {
  const picture = new Picture(await snapshotOf());
  const devices = new Column().arrange(picture.devices, 2, 0);
  const groups = new Column().arrange(picture.groups, 2, 0);
  const ends = linkEnds(devices, groups, picture.links);
  expect(devices.hidden).toBeGreaterThan(0);
  expect(ends.some(({ from }) => from === devices.rows.length)).toBe(true);
  expect(ends.some(({ to }) => to === groups.rows.length)).toBe(true);
  for (const { from, to } of ends) {
    expect(from).toBeLessThanOrEqual(devices.rows.length);
    expect(to).toBeLessThanOrEqual(groups.rows.length);
  }
});

test("a later version of an entry takes the place of the earlier", () => {
  const [first, second, again] = [1, 2, 1].map((id, at) => ({ id, at, kind: "blocked_attempt" }));
  expect(merge([first!, second!], [again!])).toEqual([again, second]);
});

test("a new state of some entity changes nothing that is drawn", () => {
  const hass = fakeHass(new FakeServer([]));
  expect(matters({ ...hass, entities: {} }, hass)).toBe(false);
  expect(matters({ ...hass, language: "nl" }, hass)).toBe(true);
});
