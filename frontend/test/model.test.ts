import { expect, test } from "vitest";
import { Flag } from "../src/contract";
import { bytesOf, isUrgent, Misfit, Picture } from "../src/model";
import { delta, snapshotOf } from "./snapshot";

test("rows have the names of their fields", async () => {
  const picture = new Picture(await snapshotOf({ device: "hue_bridge" }));
  const bridge = picture.device("hue_bridge")!;
  expect(bridge).toMatchObject({ name: "Hue bridge", fresh: 2, failed: 1, groups: 4 });
  const google = picture.hosts.find((host) => host.host === "www.google.com")!;
  expect(google).toMatchObject({
    group: "google.com",
    protocol: "tcp",
    port: 443,
    sent: 2100,
    received: 1800,
  });
  expect(bytesOf(google)).toBe(3900);
  expect(isUrgent(google.flags)).toBe(true);
});

test("a link names its ends, whatever their place", async () => {
  const picture = new Picture(await snapshotOf());
  const link = picture.links.find((each) => each.device === "printer")!;
  expect(link).toMatchObject({ group: "hp.com", hosts: 1, bytes: 60_000 });
});

test("a delta replaces rows in place and appends at the end", async () => {
  const picture = new Picture(await snapshotOf());
  const order = picture.devices.map((row) => row.key);
  const count = order.length;
  picture.apply(
    delta(1, {
      devices: [
        [1, order[1]!, "Renamed", 0, Flag.blocked, 1, 2, 3, 4, 5, 6, 7],
        [count, "late", "Latecomer", 0, Flag.new, 1, 2, 1, 1, 0, 0, 9],
      ],
      links: [[0, count, 0, Flag.new, 10, 20, 1, 1, 0, 0]],
      focus: { last: 3 },
    }),
  );
  expect(picture.devices.map((row) => row.key)).toEqual([...order, "late"]);
  expect(picture.devices[1]).toMatchObject({ name: "Renamed", flags: Flag.blocked, sent: 1, received: 2 });
  expect(picture.links[0]).toMatchObject({ device: "late", bytes: 30 });
  expect(picture.focus).toBeNull();
  expect(picture.at).toBe(5);
});

test.each([
  ["a gap in the sequence", delta(2)],
  ["a row far beyond the end", delta(1, { devices: [[99, "x", "X", 0, 0, 0, 0, 0, 0, 0, 0, 0]] })],
  ["a link to a row that is not there", delta(1, { links: [[0, 999, 0, 0, 0, 0, 0, 0, 0, 0]] })],
])("%s does not fit", async (_, message) => {
  const picture = new Picture(await snapshotOf());
  expect(() => picture.apply(message)).toThrow(Misfit);
});

test("keys without change stay as they were", async () => {
  const snapshot = await snapshotOf({ device: "hue_bridge" });
  const picture = new Picture(snapshot);
  picture.apply(delta(1, { focus: { last: 42 } }));
  expect(picture.focus).toEqual({ ...snapshot.focus, last: 42 });
  expect(picture.summary).toEqual(snapshot.summary);
});
