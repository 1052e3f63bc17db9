/** The dashboard strategy `spin`: a whole dashboard out of what there is, mostly of standard cards. */

import type { Hass, RegistryEntity } from "./hass";
import type { Text } from "./texts";
import { learn, Words } from "./words";

type Card = Record<string, unknown>;

interface Spin {
  entities: RegistryEntity[];
  devices: { id: string; name: string; since: number; entities: RegistryEntity[] }[];
}

function find(hass: Hass): Spin {
  const entities = Object.values(hass.entities ?? {}).filter(
    (entity) => entity.platform === "spin" && entity.device_id,
  );
  const byDevice = new Map<string, RegistryEntity[]>();
  for (const entity of entities) {
    const id = entity.device_id!;
    byDevice.set(id, [...(byDevice.get(id) ?? []), entity]);
  }
  const devices = [...byDevice]
    .filter(([, those]) => those.some((entity) => entity.entity_id.startsWith("switch.")))
    .map(([id, those]) => {
      const device = hass.devices?.[id];
      const name = device?.name_by_user ?? device?.name ?? id;
      return { id, name, since: device?.created_at ?? 0, entities: those };
    })
    .sort((a, b) => a.name.localeCompare(b.name, hass.language));
  return { entities, devices };
}

const inDomain = (entities: RegistryEntity[], domain: string, ...keys: string[]): string[] =>
  entities
    .filter(
      ({ entity_id, translation_key }) =>
        entity_id.startsWith(`${domain}.`) && (!keys.length || keys.includes(translation_key ?? "")),
    )
    .map(({ entity_id }) => entity_id);

const grid = (...cards: (Card | null)[]): Card => ({ type: "grid", cards: cards.filter(Boolean) });

const FEW_HOURS = 12 * 3600;

/** Home Assistant sums an hour up when it is over: until there are enough of them, five minutes at a time. */
const steps = (since: number): Card =>
  Date.now() / 1000 - since < FEW_HOURS
    ? { period: "5minute", days_to_show: 1 }
    : { period: "hour", days_to_show: 2 };

const statistics = (title: string, entities: string[], since: number): Card | null =>
  entities.length
    ? {
        type: "statistics-graph",
        title,
        entities,
        ...steps(since),
        stat_types: ["change"],
        chart_type: "bar",
        grid_options: { columns: "full" },
      }
    : null;

const logbook = (title: string, entities: string[], hours: number): Card | null =>
  entities.length
    ? {
        type: "logbook",
        title,
        target: { entity_id: entities },
        hours_to_show: hours,
        grid_options: { columns: "full" },
      }
    : null;

const MOST_STATISTICS = 12;

export async function dashboard(hass: Hass): Promise<Record<string, unknown>> {
  const words = new Words(hass, await learn(hass));
  const t = (key: Text): string => words.t(key);
  const { entities, devices } = find(hass);
  const since = Math.min(...devices.map((device) => device.since));
  const attention = inDomain(entities, "binary_sensor", "attention", "needs_attention");
  const overview = {
    title: "SPIN",
    path: "home",
    type: "sections",
    max_columns: 2,
    sections: [
      { ...grid({ type: "custom:spin-card", grid_options: { columns: "full" } }), column_span: 2 },
      grid(
        attention.length
          ? {
              type: "entity-filter",
              entities: attention,
              conditions: [{ condition: "state", state: "on" }],
              show_empty: false,
              card: { type: "entities", title: t("attention") },
              grid_options: { columns: "full" },
            }
          : null,
        logbook(t("events"), inDomain(entities, "event"), 24),
      ),
      grid(
        ...(["received", "sent"] as const).map((key) =>
          statistics(t(key), inDomain(entities, "sensor", key).slice(0, MOST_STATISTICS), since),
        ),
      ),
    ],
  };
  const views = devices.map(({ id, name, since, entities }) => ({
    title: name,
    path: id,
    type: "sections",
    max_columns: 2,
    subview: true,
    sections: [
      {
        ...grid({ type: "custom:spin-card", device: id, grid_options: { columns: "full" } }),
        column_span: 2,
      },
      grid({
        type: "entities",
        entities: ["switch", "select", "binary_sensor", "button", "sensor"].flatMap((domain) =>
          inDomain(entities, domain),
        ),
        grid_options: { columns: "full" },
      }),
      grid(
        statistics(t("traffic"), inDomain(entities, "sensor", "received", "sent"), since),
        logbook(t("events"), inDomain(entities, "event"), 168),
      ),
    ],
  }));
  const list: Card | null = devices.length
    ? {
        type: "entities",
        title: t("devices"),
        show_header_toggle: false,
        entities: devices.map(({ id, name }) => ({
          type: "button",
          name,
          icon: "mdi:lan",
          action_name: t("open"),
          tap_action: { action: "navigate", navigation_path: id },
        })),
        grid_options: { columns: "full" },
      }
    : null;
  if (list) overview.sections.push(grid(list) as (typeof overview.sections)[number]);
  return { title: "SPIN", views: [overview, ...views] };
}
