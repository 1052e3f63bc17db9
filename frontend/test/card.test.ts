import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { common as english } from "../../custom_components/spin/translations/en.json";
import { home, hostile } from "../dev/household";
import { fakeHass, FakeServer, type Choice } from "../dev/server";
import "../src/main";
import type { Config } from "../src/config";
import type { Hass } from "../src/hass";
import { snapshotOf } from "./snapshot";

type Card = HTMLElement & { setConfig(config: Config): void; hass: Hass };

let server: FakeServer;
let hass: Hass;
let card: Card;

async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setTimeout(resolve, 2));
}

async function show(
  config: Config = {},
  choice: Choice = {},
  devices = home(),
  version = "1.2.3",
): Promise<void> {
  server = new FakeServer(devices, version);
  hass = fakeHass(server, { texts: english, ...choice });
  card = document.createElement("spin-card") as Card;
  card.setConfig(config);
  card.hass = hass;
  document.body.append(card);
  await vi.waitFor(() => expect(card.hasAttribute("data-ready")).toBe(true));
  // What is loaded after the first picture brings its own style sheets.
  await vi.waitFor(() => expect(card.shadowRoot!.adoptedStyleSheets).toHaveLength(6), 5000);
  await settle();
}

beforeEach(() => vi.useRealTimers());
afterEach(() => card.remove());

const all = (selector: string): HTMLElement[] => [
  ...card.shadowRoot!.querySelectorAll<HTMLElement>(selector),
];
const text = (): string => card.shadowRoot!.textContent!.replace(/\s+/g, " ");
const asked = (type: string) => server.requests.filter((each) => each["type"] === type).at(-1);
function click(selector: string, containing = ""): Promise<void> {
  const found = all(selector).find((each) => each.textContent!.includes(containing));
  if (!found) throw new Error(`no ${selector} with ${containing}`);
  found.click();
  return settle();
}
const hosts = (): string[] => all("[data-side=hosts] .host").map((each) => each.textContent!.trim());

test("the first look: who talks to whom, what is new, blocked and failed", async () => {
  await show();
  expect(text()).toContain("8 devices talked to 17 destinations");
  expect(all(".summary .chip").map((each) => each.textContent!.trim())).toEqual([
    "3 new",
    "1 blocked",
    "1 not answering",
  ]);
  expect(all("[data-side=devices] .row")).toHaveLength(8);
  expect(all("path.line.new, path.line.blocked, path.line.failed")).toHaveLength(5);
});

test("focus on a device opens its destinations into full names, and Escape leaves it", async () => {
  await show();
  await click("[data-side=devices] .row", "Hue bridge");
  expect(asked("spin/subscribe")).toMatchObject({ device: "hue_bridge" });
  expect(hosts()).toContain("ws.meethue.com");
  expect(all("[role=switch]")).toHaveLength(1);
  all(".row")[0]!.dispatchEvent(
    new KeyboardEvent("keydown", { key: "Escape", bubbles: true, composed: true }),
  );
  await settle();
  expect(all("[data-side=groups] .row").length).toBeGreaterThan(10);
});

test("focus on a destination offers to block it for all who talk to it", async () => {
  await show();
  await click("[data-side=groups] .row", "google.com");
  await click("button.danger", "Block for these 3 devices");
  await click("dialog button.danger", "Block");
  const [call] = server.calls;
  expect(call).toMatchObject({ service: "block_destination", data: { destination: "google.com" } });
  expect((call!.target as { device_id: string[] }).device_id).toHaveLength(3);
});

async function blockBaidu(): Promise<void> {
  await click("[data-side=devices] .row", "Hue bridge");
  await click("[data-side=hosts] .row", "baidu");
  expect(text()).toContain("It is new");
  expect(text()).not.toContain("something_of_the_future");
  await click("dialog.details button.danger");
  expect(text()).toContain("Block www.baidu.com?");
  expect(text()).toContain("blocked with it for this device: www.gstatic.com");
  await click("dialog.confirm button.danger");
}

test("block a destination, then take it back", async () => {
  await show();
  await blockBaidu();
  expect(server.calls[0]).toMatchObject({
    data: { destination: "www.baidu.com" },
    target: { device_id: ["hue_bridge"] },
  });
  expect(all("dialog")).toHaveLength(0);
  expect(text()).toContain("www.baidu.com is blocked for Hue bridge.");
  await click(".toast button", "Undo");
  expect(server.calls[1]!.service).toBe("unblock_destination");
});

test.each([
  ["dialog.details button.main", "That is fine", "allow_destination"],
  ["dialog.details button.danger", "Block", "block_destination"],
  ["dialog.details button.plain", "Forget", "forget_destination"],
])("without a host it is the whole destination that is meant: %s, %s", async (selector, label, service) => {
  await show();
  await click("[data-side=groups] .row", "google.com");
  await click("[data-side=devices] .row", "Hue bridge");
  expect(text()).not.toContain("Also of");
  await click(selector, label);
  if (service !== "allow_destination") {
    expect(text()).toContain(`${label} google.com?`);
    // What shares its addresses is hit by a block only.
    expect(text().includes("blocked with it")).toBe(service === "block_destination");
    await click("dialog.confirm button", label);
  }
  expect(server.calls).toMatchObject([
    { service, data: { destination: "google.com" }, target: { device_id: ["hue_bridge"] } },
  ]);
  expect(all("dialog")).toHaveLength(0);
});

test("a name's details tell the other names of its destination", async () => {
  await show({ device: "hue_bridge" });
  await click("[data-side=hosts] .row", "google");
  expect(text()).toContain("Also of google.comipv4.google.com");
});

test("a destination that nobody talks to cannot be blocked for anybody", async () => {
  await show({ destination: "nobody.example" });
  expect(all(".destination")).toHaveLength(1);
  expect(all(".destination button")).toHaveLength(0);
});

test("of a device without Internet it is not counted what is blocked besides", async () => {
  await show();
  await click("[data-side=devices] .row", "Printer");
  expect(text()).toContain("Blocked by Anna");
  expect(all(".summary .chip.blocked")).toHaveLength(0);
});

test("what is asked for while the gateway is at work waits for another time", async () => {
  await show({ device: "hue_bridge" });
  let finish = (): void => undefined;
  vi.spyOn(server, "act").mockImplementation(() => new Promise((resolve) => (finish = resolve)));
  await click("[data-side=hosts] .row", "google");
  await click("dialog button.main", "That is fine");
  expect(text()).toContain("Waiting for the gateway");
  await click("dialog button.main", "That is fine");
  await click("dialog button.danger", "Block");
  expect(all("dialog.confirm")).toHaveLength(0);
  finish();
  await settle();
  expect(server.act).toHaveBeenCalledTimes(1);
  expect(text()).toContain("www.google.com is fine for Hue bridge.");
});

test("a lost connection is called that, not by its number", async () => {
  await show({ device: "hue_bridge" });
  vi.spyOn(server, "sendMessagePromise").mockRejectedValue(3);
  await click("[data-side=hosts] .row", "google");
  expect(text()).toContain("No data: the connection to Home Assistant is lost");
});

test("from right to left no sign of ours is taken for one of the network", async () => {
  document.dir = "rtl";
  try {
    await show();
    expect(text()).toContain("Who talks to whom");
    await click("[data-side=groups] .row", "google.com");
    await click("button.danger", "Block for these 3 devices");
    expect(text().replace(/[\u2068\u2069]/g, "")).toContain("3 devices can no longer reach it");
    expect(text()).not.toContain("\ufffd");
    await click("dialog button[type=button]", "Cancel");
    await click("[data-side=devices] .row", "Hue bridge");
    expect(text()).not.toContain("\ufffd");
    await click("dialog header button.bare");
    await click("header button.bare");
    await click("[data-side=devices] .row", "Hue bridge");
    expect(text().replace(/[\u2068\u2069]/g, "")).toContain("Firmware 1.67.0");
    expect(text()).not.toContain("\ufffd");
  } finally {
    document.dir = "ltr";
  }
});

test("when the gateway does not do it, that is said, and nothing is closed", async () => {
  await show();
  server.failing = null;
  const act = server.act.bind(server);
  vi.spyOn(server, "act").mockImplementation((...rest) => {
    server.failing = { message: "The gateway did not confirm" };
    return act(...rest);
  });
  await blockBaidu();
  expect(text()).toContain("That did not work: The gateway did not confirm");
  expect(all("dialog.confirm")).toHaveLength(1);
  expect(all("dialog.confirm button:disabled")).toHaveLength(0);
});

test("allow what is new, at once", async () => {
  await show({ device: "hue_bridge" });
  await click("[data-side=hosts] .row", "google");
  await click("dialog button.main", "That is fine");
  expect(server.calls[0]).toMatchObject({
    service: "allow_destination",
    data: { destination: "www.google.com" },
  });
  await click(".toast button", "Undo");
  expect(server.calls[1]!.data).toMatchObject({ allowed: false });
});

test("the reaction of a device says what all others have, and goes back to that", async () => {
  await show({ device: "hue_bridge" });
  const select = all("select").find((each) => each.textContent!.includes("Only watch")) as HTMLSelectElement;
  expect(select.selectedOptions[0]!.textContent!.trim()).toBe("As for all devices (Tell me)");
  for (const option of ["observe", "default"]) {
    select.value = option;
    select.dispatchEvent(new Event("change"));
    await settle();
  }
  expect(server.calls.map(({ data }) => data["option"])).toEqual(["observe", "default"]);
  expect(text()).toContain("Saved.");
});

test("who may not change anything sees the same, and no button works", async () => {
  await show({ device: "hue_bridge" }, { admin: false });
  expect(all("[role=switch]")[0]).toHaveProperty("disabled", true);
  expect(text()).not.toContain("Device page");
  await click("[data-side=hosts] .row", "google");
  expect(text()).toContain("Only administrators can change something.");
  expect(all("dialog button.danger")[0]).toHaveProperty("disabled", true);
  expect(text()).not.toContain("Device page");
});

test("names of the network stay text", async () => {
  await show({}, {}, hostile());
  expect(all("img, script, b > b")).toHaveLength(0);
  expect(text()).toContain("<img src=x onerror=alert(1)>");
  await click("[data-side=devices] .row", "<img");
  expect(text()).toContain("<script>alert(1)</script>");
  expect(all("script")).toHaveLength(0);
});

test("a home without data says what to expect", async () => {
  await show({}, {}, []);
  expect(text()).toContain("No device has talked to the Internet yet.");
});

test("a gateway that is gone, and its problems, grave and small", async () => {
  await show();
  const [gateway] = (await snapshotOf()).gateways;
  const problems = [
    { code: "flow_offload", text: "Packets bypass the rules." },
    { code: "unclaimed", text: "Not counted: 5 bytes." },
  ];
  server.send({ type: "status", gateways: [{ ...gateway!, state: "offline", problems }] });
  await settle();
  expect(all(".banner").map((each) => each.textContent!.trim())).toEqual([
    expect.stringContaining("Home gateway has not been heard since"),
    "Packets bypass the rules.",
  ]);
  expect(all(".note").map((each) => each.textContent!.trim())).toEqual(["Not counted: 5 bytes."]);
  await click("[data-side=devices] .row", "Hue bridge");
});

test("another version of the integration asks to reload the page", async () => {
  await show({}, {}, home(), "9.9.9");
  expect(text()).toContain("SPIN was updated.");
});

test("table: filter, search, sort", async () => {
  await show({ view: "table" });
  expect(text()).toContain("21 rows");
  await click(".tools .chip", "New");
  expect(asked("spin/table")).toMatchObject({ filter: ["new"] });
  expect(all("tr.pair")).toHaveLength(3);
  await click("th button", "Device");
  expect(asked("spin/table")).toMatchObject({ sort: "device", descending: false, filter: ["new"] });
  const input = all("input[type=search]")[0] as HTMLInputElement;
  input.value = "baidu";
  input.dispatchEvent(new Event("input"));
  await new Promise((resolve) => setTimeout(resolve, 300));
  await settle();
  expect(all("tr.pair")).toHaveLength(1);
  input.value = "nothing like it";
  input.dispatchEvent(new Event("input"));
  await new Promise((resolve) => setTimeout(resolve, 300));
  await settle();
  expect(text()).toContain("Nothing fits.");
});

test("on paper the table has all rows that were read, and says how many were not", async () => {
  const [device, ...others] = home();
  const hosts = Array.from({ length: 150 }, (_, index) => ({
    ...device!.hosts[0]!,
    host: `n${index}.meethue.com`,
  }));
  await show({ view: "table" }, {}, [{ ...device!, hosts }, ...others]);
  const onScreen = all("tr.pair").length;
  window.dispatchEvent(new Event("beforeprint"));
  await settle();
  expect(all("tr.pair")).toHaveLength(100);
  expect(all("tbody tr").at(-1)!.textContent).toMatch(/^\d\d more$/);
  window.dispatchEvent(new Event("afterprint"));
  await settle();
  expect(all("tr.pair")).toHaveLength(onScreen);
});

test("timeline: what happened, from top to bottom", async () => {
  await show({ device: "hue_bridge", view: "timeline" });
  const lines = all(".timeline li div").map((each) => each.textContent!.replace(/\s+/g, " ").trim());
  const order = [
    "ws.meethue.com does not answer",
    "www.google.com is new",
    "www.baidu.com is new",
    "baidu.com was blocked by Anna",
  ];
  const places = order.map((start) => lines.findIndex((line) => line.startsWith(start)));
  expect(places).toEqual([...places].sort((a, b) => a - b));
  expect(places).not.toContain(-1);
});

test("traffic changes what is there and moves nothing", async () => {
  await show();
  const before = all(".row").map((each) => each.dataset["key"]);
  for (let step = 0; step < 5; step++) server.send(server.traffic(8));
  await settle();
  expect(all(".row").map((each) => each.dataset["key"])).toEqual(before);
});

test("taken off the page it hears nothing any more; back on it, it does", async () => {
  await show();
  card.remove();
  await settle();
  expect(server.subscriptions).toBe(0);
  document.body.append(card);
  await settle();
  expect(server.subscriptions).toBe(1);
});

test("states of other entities draw nothing and ask nothing", async () => {
  await show();
  const count = server.requests.length;
  card.hass = { ...hass };
  await settle();
  expect(server.requests.length).toBe(count);
});

test("without texts nothing is drawn, and they are asked for again", async () => {
  server = new FakeServer(home(), "1.2.3");
  hass = fakeHass(server, { texts: english });
  const load = hass.loadBackendTranslation;
  hass.loadBackendTranslation = vi.fn().mockRejectedValueOnce(new Error("gone")).mockImplementation(load);
  card = document.createElement("spin-card") as Card;
  card.setConfig({});
  card.hass = hass;
  document.body.append(card);
  await settle();
  expect(text()).toBe("");
  await vi.waitFor(() => expect(text()).toContain("8 devices"), 4000);
});

test("the form's labels are in the user's language", async () => {
  await show();
  const root = document.createElement("home-assistant") as HTMLElement & { hass?: Hass };
  root.hass = hass;
  document.body.append(root);
  const form = (await (
    card.constructor as unknown as { getConfigForm(): Promise<unknown> }
  ).getConfigForm()) as {
    schema: { name: string }[];
    computeLabel(field: { name: string }): string;
    computeHelper(field: { name: string }): string | undefined;
  };
  root.remove();
  // Home Assistant takes the form away when this throws, also while somebody is typing.
  expect(form).not.toHaveProperty("assertConfig");
  expect(form.schema.map(({ name }) => name)).toContain("destination");
  expect(form.computeLabel({ name: "device" })).toBe("Only this device");
  expect(form.computeHelper({ name: "destination" })).toContain("example.com");
  expect(form.computeHelper({ name: "title" })).toBeUndefined();
});

test("Home Assistant's pickers know the card and the strategy", () => {
  const offers = window as unknown as {
    customCards: { type: string; getEntitySuggestion(hass: unknown, id: string): unknown }[];
    customStrategies: { type: string }[];
  };
  const offer = offers.customCards.find(({ type }) => type === "spin-card")!;
  const entities = {
    "switch.a": { platform: "spin", device_id: "1" },
    "sensor.b": { platform: "other", device_id: "1" },
  };
  expect(offer.getEntitySuggestion({ entities }, "switch.a")).toEqual({
    config: { type: "custom:spin-card", device: "1" },
  });
  expect(offer.getEntitySuggestion({ entities }, "sensor.b")).toBeNull();
  expect(offers.customStrategies.map(({ type }) => type)).toContain("spin");
});
