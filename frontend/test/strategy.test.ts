import { expect, test } from "vitest";
import { fakeHass, FakeServer } from "../dev/server";
import { dashboard } from "../src/strategy";

interface Found {
  type?: string;
  period?: string;
  days_to_show?: number;
  entities?: string[];
}

async function charts(...since: number[]): Promise<Found[]> {
  const hass = fakeHass(new FakeServer([]), { texts: { received: "Received" } });
  const now = Date.now() / 1000;
  hass.devices = Object.fromEntries(
    since.map((hours, id) => [id, { id: `${id}`, name: `Device ${id}`, created_at: now - hours * 3600 }]),
  );
  const entity = (id: number, entity_id: string, translation_key: string) => [
    entity_id,
    { entity_id, translation_key, device_id: `${id}`, platform: "spin" },
  ];
  hass.entities = Object.fromEntries(
    since.flatMap((_, id) => [
      entity(id, `switch.d${id}_block`, "block"),
      entity(id, `sensor.d${id}_received`, "received"),
    ]),
  );
  const { views } = (await dashboard(hass)) as { views: { sections: { cards: Found[] }[] }[] };
  return views
    .flatMap(({ sections }) => sections.flatMap(({ cards }) => cards))
    .filter(({ type }) => type === "statistics-graph");
}

const BY_HOURS = { period: "hour", days_to_show: 2 };
const BY_MINUTES = { period: "5minute", days_to_show: 1 };

test("a home that has been known for long shows hours", async () => {
  const [home, device, ...others] = await charts(500);
  expect(home).toMatchObject({ ...BY_HOURS, entities: ["sensor.d0_received"] });
  expect(device).toMatchObject(BY_HOURS);
  expect(others).toEqual([]);
});

test("a new home, and a new device of an old one, show minutes: no hour is summed up yet", async () => {
  expect(await charts(1, 0.5)).toMatchObject([BY_MINUTES, BY_MINUTES, BY_MINUTES]);
  expect(await charts(500, 0.5)).toMatchObject([BY_HOURS, BY_HOURS, BY_MINUTES]);
});
