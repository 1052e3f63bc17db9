/** The development page: ?home=ordinary|hostile|empty|50x500&language=nl&theme=dark&dir=rtl&user=guest&view=table */

import "../src/main";
import { common as english } from "../../custom_components/spin/translations/en.json";
import { common as dutch } from "../../custom_components/spin/translations/nl.json";
import { home, hostile, large } from "./household";
import { fakeHass, FakeServer } from "./server";

const wish = new URLSearchParams(location.search);
const kind = wish.get("home") ?? "ordinary";
const size = /^(\d+)x(\d+)$/.exec(kind);
const devices = size
  ? large(Number(size[1]), Number(size[2]))
  : kind === "hostile"
    ? hostile()
    : kind === "empty"
      ? []
      : home();
const server = new FakeServer(devices, wish.get("version") ?? undefined);
const language = wish.get("language") ?? "en";
const hass = fakeHass(server, {
  language,
  texts: language === "nl" ? dutch : english,
  admin: wish.get("user") !== "guest",
});
document.documentElement.lang = language;
document.documentElement.dir = wish.get("dir") ?? "ltr";
document.documentElement.dataset["theme"] = wish.get("theme") ?? "light";
Object.assign(window, { server, hass });

const config = Object.fromEntries(
  ["device", "destination", "window", "view", "title"].flatMap((key) =>
    wish.has(key) ? [[key, wish.get(key)]] : [],
  ),
);
const card = document.createElement("spin-card") as HTMLElement & {
  setConfig(config: unknown): void;
  hass: unknown;
};
document.querySelector("main")!.append(card);
void customElements.whenDefined("spin-card").then(() => {
  card.setConfig(config);
  card.hass = hass;
});
if (wish.has("live")) setInterval(() => server.send(server.traffic(3)), 1000);
