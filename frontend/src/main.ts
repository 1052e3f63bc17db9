/** The one module: defines the card, the panel and the dashboard strategy. */

import { SpinCard } from "./card";
import type { Hass } from "./hass";
import { loadMore } from "./later";
import { SpinPanel } from "./panel";

class SpinStrategy extends HTMLElement {
  /** The dashboard is made anew when one of these changes. */
  static registryDependencies = ["entities", "devices"];

  static async generate(_config: unknown, hass: Hass): Promise<unknown> {
    return (await loadMore()).dashboard(hass);
  }
}

const ELEMENTS: Record<string, CustomElementConstructor> = {
  "spin-card": SpinCard,
  "spin-panel": SpinPanel,
  "ll-strategy-dashboard-spin": SpinStrategy,
};

/**
 * Home Assistant replaces `window.customElements` while it starts, and what was defined in the old one stays
 * unknown to it. So: when its root element stands in the page and is not defined yet, wait for it, and then
 * take the registry that is there.
 */
async function define(): Promise<void> {
  if (document.querySelector("home-assistant") && !customElements.get("home-assistant"))
    await customElements.whenDefined("home-assistant");
  for (const [name, element] of Object.entries(ELEMENTS))
    if (!window.customElements.get(name)) window.customElements.define(name, element);
}

interface Offers {
  customCards?: Record<string, unknown>[];
  customStrategies?: Record<string, unknown>[];
}

function offer(): void {
  const offers = window as Offers;
  const documentationURL = "https://github.com/spin-home/spin-home-assistant/blob/main/docs/picture.md";
  const description = "Which device talks to whom on the Internet, what is new and what is blocked.";
  const cards = (offers.customCards ??= []);
  if (cards.some((card) => card["type"] === "spin-card")) return;
  cards.push({
    type: "spin-card",
    name: "SPIN",
    description,
    preview: true,
    documentationURL,
    getEntitySuggestion(hass: Hass, entityId: string) {
      const entity = hass.entities?.[entityId];
      if (entity?.platform !== "spin" || !entity.device_id) return null;
      const device = entityId.startsWith("switch.") || entityId.startsWith("event.");
      return { config: { type: "custom:spin-card", ...(device ? { device: entity.device_id } : {}) } };
    },
  });
  (offers.customStrategies ??= []).push({
    type: "spin",
    strategyType: "dashboard",
    name: "SPIN",
    description,
    documentationURL,
  });
}

offer();
void define();
