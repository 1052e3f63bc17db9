import { afterEach, expect, test } from "vitest";
import { common as english, entity } from "../../custom_components/spin/translations/en.json";
import { common as dutch } from "../../custom_components/spin/translations/nl.json";
import { fakeHass, FakeServer } from "../dev/server";
import { learn, plain, service, Words } from "../src/words";

const words = (language = "en", texts: Record<string, string> = english): Words => {
  const hass = fakeHass(new FakeServer([]), { language, texts });
  return new Words(hass, hass.localize);
};
afterEach(() => (document.dir = "ltr"));

test.each([
  [0, "0 bytes"],
  [1, "1 byte"],
  [999, "999 bytes"],
  [1000, "1.0 kB"],
  [9949, "9.9 kB"],
  [12_345, "12 kB"],
  [999_999, "1,000 kB"],
  [2_900_000_000, "2.9 GB"],
  [7e15, "7,000 TB"],
])("%i bytes are written %s", (bytes, text) => expect(words().bytes(bytes)).toBe(text));

test("numbers as the language has them", () => {
  expect(words("nl", dutch).bytes(1234)).toBe("1,2 kB");
  expect(words("nl", dutch).number(12_345)).toBe("12.345");
});

test.each([
  [64.2, "64 seconds"],
  [3600, "1 hour"],
  [5400, "90 minutes"],
  [432_000, "5 days"],
  [400_000, "5 days"],
  [0, "0 seconds"],
])("%d seconds are %s", (seconds, text) => expect(words().duration(seconds)).toBe(text));

test("one and many", () => {
  expect(words().n("devices", 1)).toBe("1 device");
  expect(words().n("devices", 1200)).toBe("1,200 devices");
  expect(words("nl", dutch).n("destinations", 2)).toBe("2 bestemmingen");
});

test("a code of the future has no text", () => {
  expect(words().named("evidence", "of_the_future", {}, "")).toBe("");
  expect(words().named("reaction", "of_the_future")).toBe("of_the_future");
});

test("Home Assistant finds the texts", async () => {
  const hass = fakeHass(new FakeServer([]), { texts: english });
  expect(new Words(hass, await learn(hass)).n("devices", 2)).toBe("2 devices");
});

test("on a page that runs from right to left, each text runs its own way", () => {
  document.dir = "rtl";
  expect(words().n("new", 2)).toBe("\u20682 new\u2069");
  expect(words().bytes(2100)).toBe("\u20682.1 kB\u2069");
  expect(words().duration(300)).toBe("\u20685 minutes\u2069");
  expect(words().moment(1_700_000_000)).toMatch(/^\u2068[^]*\u2069$/);
});

test("characters that do not print or turn the writing are seen", () => {
  expect(plain("a\u202Eb\u0000c\u2066")).toBe("a\ufffdb\ufffdc\ufffd");
  expect(plain("<b>пример</b>")).toBe("<b>пример</b>");
});

test("ports that a person knows by their use", () => {
  expect(service(words(), "udp", 123)).toBe("time requests (NTP)");
  expect(service(words(), "tcp", 4711)).toBe("tcp 4711");
  expect(service(words(), "gre", 0)).toBe("gre");
});

const blanks = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();

test("every text is there in Dutch, with the same blanks", () => {
  expect(Object.keys(dutch).sort()).toEqual(Object.keys(english).sort());
  for (const [key, text] of Object.entries(english))
    expect([key, blanks(dutch[key as keyof typeof english])]).toEqual([key, blanks(text)]);
});

test("no text has what Home Assistant's formatter would read as markup or as a quote", () => {
  for (const text of [...Object.values(english), ...Object.values(dutch)])
    expect(text).not.toMatch(/[<>]|'\{/);
});

test("every reaction that the select has is called something", () => {
  const { state } = entity.select.reaction;
  for (const option of Object.keys(state)) expect(english).toHaveProperty(`reaction_${option}`);
});
