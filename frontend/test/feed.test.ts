import { beforeEach, expect, test, vi } from "vitest";
import { home } from "../dev/household";
import { FakeServer } from "../dev/server";
import type { Gateway } from "../src/contract";
import { Feed } from "../src/feed";
import type { Picture } from "../src/model";
import { delta } from "./snapshot";

let server: FakeServer;
let pictures: [Picture, boolean][];
let faults: unknown[];
let gateways: Gateway[][];
let feed: Feed;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer(home(), "1.2.3");
  pictures = [];
  faults = [];
  gateways = [];
  feed = new Feed({
    pictured: (picture, fresh) => pictures.push([picture, fresh]),
    gateways: (all) => gateways.push(all),
    failed: (error) => faults.push(error),
  });
});
const settle = () => vi.advanceTimersByTimeAsync(0);

test("what was drawn is acknowledged", async () => {
  feed.open(server, { window: "1h" });
  await settle();
  expect(pictures.map(([, fresh]) => fresh)).toEqual([true]);
  feed.drawn();
  server.send(server.traffic(1));
  feed.drawn();
  expect(server.acknowledged).toEqual([0, 1]);
  expect(pictures.map(([, fresh]) => fresh)).toEqual([true, false]);
});

test("after a refusal it tries again, ever more seldom", async () => {
  server.failing = { code: "unknown_command" };
  feed.open(server, { window: "1h" });
  await settle();
  expect(faults).toEqual([{ code: "unknown_command" }]);
  server.failing = { code: "unknown_command" };
  await vi.advanceTimersByTimeAsync(2000);
  expect(faults).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(3900);
  expect(pictures).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(200);
  expect(pictures).toHaveLength(1);
});

test("a delta that does not fit makes it ask anew", async () => {
  feed.open(server, { window: "1h" });
  await settle();
  server.send(delta(7));
  expect(server.subscriptions).toBe(0);
  await vi.advanceTimersByTimeAsync(2000);
  expect(server.subscriptions).toBe(1);
  expect(pictures).toHaveLength(2);
});

test("when the server has forgotten the subscription it asks anew", async () => {
  feed.open(server, { window: "1h" });
  await settle();
  vi.spyOn(server, "sendMessagePromise").mockRejectedValue({ code: "not_found" });
  feed.drawn();
  await vi.advanceTimersByTimeAsync(2000);
  expect(pictures).toHaveLength(2);
});

test("what an earlier subscription still says is not heard", async () => {
  const heard: ((message: unknown) => void)[] = [];
  const subscribe = server.subscribeMessage.bind(server);
  vi.spyOn(server, "subscribeMessage").mockImplementation((callback, request) => {
    heard.push(callback as never);
    return subscribe(callback, request);
  });
  feed.open(server, { window: "1h" });
  await settle();
  feed.open(server, { window: "7d" });
  await settle();
  expect(server.subscriptions).toBe(1);
  heard[0]!(server.traffic(1));
  expect(pictures).toHaveLength(2);
  expect(server.requests.at(-1)).toMatchObject({ window: "7d" });
});

test("closed while it opens, nothing is left open", async () => {
  feed.open(server, { window: "1h" });
  feed.stop();
  await settle();
  expect(server.subscriptions).toBe(0);
});

test("a change of the gateways alone", async () => {
  feed.open(server, { window: "1h" });
  await settle();
  server.send({ type: "status", gateways: [] });
  expect(gateways).toEqual([[]]);
  expect(pictures).toHaveLength(1);
});
