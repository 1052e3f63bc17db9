import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { common as english } from "../../custom_components/spin/translations/en.json";
import { home } from "../dev/household";
import { fakeHass, FakeServer, type Choice } from "../dev/server";
import "../src/main";
import type { Config } from "../src/config";
import type { Hass } from "../src/hass";
import { fileName } from "../src/study-ask";
import { captureNotes } from "../src/study-capture";
import type { Attempt, Capture, Captures, Compared, Experiment } from "../src/study-contract";
import { attemptNotes } from "../src/study-offline";
import { Words } from "../src/words";

const words = (): Words => {
  const hass = fakeHass(new FakeServer([]), { texts: english });
  return new Words(hass, hass.localize);
};

const attempt = (destination: string, more: Partial<Attempt> = {}): Attempt => ({
  destination,
  named: true,
  protocol: "tcp",
  port: 443,
  after: 1,
  count: 1,
  answer: "refused",
  connectivity_check: null,
  usual: true,
  ...more,
});

const ended: Experiment = {
  id: "1",
  kind: "cloud_lost",
  only: [],
  outcome: "completed",
  started: 1_700_000_000,
  ends: 1_700_000_600,
  ended: 1_700_000_600,
  attempts: [
    attempt("ws.meethue.com", { count: 22 }),
    attempt("google.com", { after: 186, usual: false, connectivity_check: "empty" }),
    attempt("<b>evil</b>\u202e.example", { answer: "unanswered" }),
  ],
  looked_up_only: ["time.example"],
  omitted: 2,
};

const capture: Capture = {
  file: "2026-11-23-130000_hue_abcdef.pcap",
  mac: "00:17:88:00:00:01",
  device: "Hue bridge",
  began: 1_700_000_000,
  seconds: 300,
  packets: 1200,
  bytes: 345_000,
  dropped: 0,
  missing: 0,
  headers_only: false,
  complete: true,
  reason: "duration",
};

const period = {
  period: 1,
  label: null,
  firmware: "1.66",
  began: 1_700_000_000,
  ended: 1_700_100_000,
  exposure_hours: 48,
  without_internet_hours: 1,
  names: 4,
  sent_bytes_per_day: 1000,
  received_bytes_per_day: null,
  time_requests_per_day: 640,
};

const compared: Compared = {
  periods: [period, { ...period, period: 2, firmware: "1.67", ended: null }],
  comparison: {
    before: period,
    after: { ...period, period: 2, firmware: "1.67", ended: null, exposure_hours: 3 },
    names_gone: [
      {
        name: "qq.com",
        services: ["tcp/80"],
        only_without_internet: true,
        connectivity_check: "empty",
      },
    ],
    names_new: [],
    names_kept: ["ws.meethue.com"],
    services_gone: ["tcp/80"],
    services_new: [],
    warnings: ["unequal_exposure"],
  },
};

/** A Home Assistant that knows the studies too. */
class StudyServer extends FakeServer {
  experiments: Experiment[] = [ended];
  captures: Captures = { captures: [capture], running: [], ended: {} };
  readonly opened: string[] = [];

  override async sendMessagePromise<T>(request: Record<string, unknown>): Promise<T> {
    const answers: Record<string, () => unknown> = {
      "spin/experiments": () => ({ experiments: this.experiments }),
      "spin/captures": () => this.captures,
      "spin/captures/delete": () => (this.captures = { ...this.captures, captures: [] }),
      "auth/sign_path": () => ({ path: `${request["path"] as string}&authSig=1` }),
      call_service: () => ({
        response: {
          devices: {
            hue_bridge: request["service"] === "export_mud" ? { mud: {}, unnamed: ["192.0.2.7"] } : compared,
          },
        },
      }),
    };
    const answer = answers[request["type"] as string];
    if (!answer) return super.sendMessagePromise<T>(request);
    this.requests.push(request);
    if (this.failing) throw this.failing;
    return structuredClone(answer()) as T;
  }
}

let server: StudyServer;
let card: HTMLElement & { setConfig(config: Config): void; hass: Hass };
let followed: HTMLAnchorElement[];

async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setTimeout(resolve, 2));
}

const all = (selector: string): HTMLElement[] => [
  ...card.shadowRoot!.querySelectorAll<HTMLElement>(selector),
];
const text = (): string => card.shadowRoot!.querySelector("dialog")!.textContent!.replace(/\s+/g, " ");

async function click(selector: string, containing = ""): Promise<void> {
  const found = all(selector).find((each) => each.textContent!.includes(containing));
  if (!found) throw new Error(`no ${selector} with ${containing}`);
  found.click();
  await settle();
}

async function submit(): Promise<void> {
  all("dialog form")[0]!.dispatchEvent(new Event("submit", { cancelable: true, bubbles: true }));
  await settle();
}

async function show(choice: Choice = {}): Promise<void> {
  server = new StudyServer(home(), "1.2.3");
  card = document.createElement("spin-card") as typeof card;
  card.setConfig({ device: "hue_bridge" });
  card.hass = fakeHass(server, { texts: english, ...choice });
  document.body.append(card);
  await vi.waitFor(() => expect(all(".device .plain").length).toBeGreaterThan(1), 5000);
}

async function study(title = ""): Promise<void> {
  await show();
  await click(".device button", "Studies");
  await vi.waitFor(() => expect(all("dialog.studies")).toHaveLength(1), 5000);
  await settle();
  if (!title) return;
  const wanted = all("details.study").find((each) => each.textContent!.includes(title))!;
  (wanted as HTMLDetailsElement).open = true;
  wanted.dispatchEvent(new Event("toggle"));
  await settle();
}

beforeEach(() => {
  followed = [];
  vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
    followed.push(this);
  });
});
afterEach(() => card?.remove());

test("an attempt in words", () => {
  expect(attemptNotes(words(), ended.attempts[0]!)).toEqual([
    "was refused by the gateway",
    "secure web (443)",
    "after 1 second",
    "22 attempts",
  ]);
  expect(attemptNotes(words(), ended.attempts[1]!)).toEqual([
    "was refused by the gateway",
    "only checks whether the Internet is there; sends no data",
    "never seen in normal operation",
    "secure web (443)",
    "after 3 minutes",
  ]);
});

test("what is missing in a recording is said", () => {
  expect(captureNotes(words(), capture)).toEqual(["5 minutes", "1,200 packets", "345 kB"]);
  expect(
    captureNotes(words(), { ...capture, complete: false, reason: "disk_full", dropped: 1, missing: 2000 }),
  ).toEqual([
    "5 minutes",
    "1,200 packets",
    "345 kB",
    "incomplete: the disk is full",
    "1 packet lost",
    "2.0 kB missing",
  ]);
});

test("files are named after the device, whatever it is called", () => {
  expect(fileName("Hue bridge (hall)", ".html")).toBe("spin-hue-bridge-hall.html");
  expect(fileName("../лампа", ".html")).toBe("spin-device.html");
});

test("who is no administrator is not offered them", async () => {
  await show({ admin: false } as Choice);
  expect(all("button").some((each) => each.textContent!.includes("Studies"))).toBe(false);
});

test("the result of an experiment, in order", async () => {
  await study();
  const tried = all(".attempts li");
  expect(tried.map((each) => each.querySelector(".host")!.textContent!.trim())).toEqual([
    "ws.meethue.com",
    "google.com",
    "<b>evil</b>\ufffd.example",
  ]);
  expect(tried[1]!.className).toBe("unusual");
  expect(text()).toContain("Its Internet is cut off · ran until its end");
  expect(text()).toContain("Only asked for the name of: time.example");
  expect(text()).toContain("2 more are not kept.");
});

test("an experiment is started, followed and stopped", async () => {
  await study();
  const now = Date.now() / 1000;
  const act = vi.spyOn(server, "act").mockImplementation(async (service: string) => {
    const outcome = service === "start_experiment" ? "running" : "stopped";
    server.experiments = [{ ...ended, id: "2", outcome, started: now, ends: now + 300, attempts: [] }, ended];
  });
  await submit();
  expect(act.mock.calls[0]).toEqual([
    "start_experiment",
    { kind: "cloud_lost", duration: { seconds: 600 } },
    { device_id: ["hue_bridge"] },
  ]);
  expect(text()).toContain("the device has no Internet for now");
  expect(text()).toContain("5 minutes left");
  expect(text()).toContain("It has tried to reach nobody yet.");
  await click("dialog button.danger", "Stop now");
  expect(text()).toContain("The experiment is over: the Internet is back.");
  expect(text()).toContain("Results of");
});

test("when it cannot be started, the reason is shown and nothing is lost", async () => {
  await study();
  vi.spyOn(server, "act").mockRejectedValue({ message: "Home Assistant runs on it" });
  await submit();
  expect(text()).toContain("That did not work: Home Assistant runs on it");
  expect(all(".attempts li")).toHaveLength(3);
});

test("report: a signed path is opened, or saved", async () => {
  await study("Report");
  await click("button", "Open the report");
  await click("button", "Save the report");
  expect(followed.map((link) => [link.getAttribute("href"), link.target, link.download])).toEqual([
    ["/api/spin/report/hue_bridge?language=en&authSig=1", "_blank", ""],
    ["/api/spin/report/hue_bridge?language=en&download&authSig=1", "", "spin-hue-bridge.html"],
  ]);
  await click("button", "Save as MUD file");
  expect(followed[2]!.download).toBe("spin-hue-bridge.mud.json");
  expect(text()).toContain("192.0.2.7");
});

test("recordings: progress, saving and deleting, after being asked once more", async () => {
  await study("Record its packets");
  expect(text()).toContain("1,200 packets · 345 kB");
  await click("button", "Save");
  const saved = followed.find((link) => link.download === capture.file);
  expect(saved!.getAttribute("href")).toContain(`/api/spin/captures/${capture.file}`);
  await click(".files button", "Delete");
  expect(server.requests.some((each) => each["type"] === "spin/captures/delete")).toBe(false);
  await click(".files button", "Really delete?");
  expect(server.requests.find((each) => each["type"] === "spin/captures/delete")).toMatchObject({
    file: capture.file,
  });
  expect(all(".files li")).toHaveLength(0);
});

test("what changed since the update", async () => {
  await study("What changed");
  expect(text()).toContain("qq.com");
  expect(text()).toContain("only without Internet");
  expect(text()).toContain("watched for much longer");
  expect(text()).toContain("1 name in both periods");
  const selects = all("dialog select:not([name])") as HTMLSelectElement[];
  selects.at(-1)!.value = "1";
  selects.at(-1)!.dispatchEvent(new Event("change"));
  await settle();
  const asked = server.requests.filter((each) => each["service"] === "compare_profiles").at(-1)!;
  expect(asked["service_data"]).toEqual({ before: "1", after: "1" });
});

test("a failed reading is said", async () => {
  await study();
  server.failing = { message: "no such device" };
  const section = all("details.study").find((each) => each.textContent!.includes("Record"))!;
  (section as HTMLDetailsElement).open = true;
  section.dispatchEvent(new Event("toggle"));
  await settle();
  expect(text()).toContain("No data: no such device");
});
