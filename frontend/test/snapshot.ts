import { home } from "../dev/household";
import { FakeServer } from "../dev/server";
import type { Delta, Message, Snapshot, SubscribeRequest } from "../src/contract";

/** The snapshot that the made-up home gives for a request. */
export async function snapshotOf(
  request: Partial<SubscribeRequest> = {},
  devices = home(),
): Promise<Snapshot> {
  let snapshot: Snapshot | undefined;
  await new FakeServer(devices, "1.2.3").subscribeMessage<Message>(
    (message) => (snapshot = message as Snapshot),
    { window: "1h", ...request },
  );
  return snapshot!;
}

export const delta = (seq: number, more: Partial<Delta> = {}): Delta => ({
  type: "delta",
  seq,
  at: 5,
  ...more,
});
