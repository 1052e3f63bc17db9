/** Above the picture of one destination: by which names it is known, and a block for all who talk to it. */

import { html, nothing } from "lit/html.js";
import { Flag, type DestinationFocus } from "./contract";
import type { Picture } from "./model";
import type { Stage } from "./stage";
import { plain } from "./words";

const MOST_NAMES = 8;

export function destinationHead(stage: Stage, { links, groups }: Picture, focus: DestinationFocus): unknown {
  const { words, may } = stage;
  const devices = links.map((link) => link.device);
  const isBlocked = groups.some((row) => row.key === focus.group && row.flags & Flag.blocked);
  const action = isBlocked ? "unblock_destination" : "block_destination";
  const can = may && devices.every((device) => stage.can(device));
  const ask = () =>
    stage.ask({ action, devices, name: words.n("devices", devices.length), destination: focus.group });
  return html`<div class="destination">
    <p class="dim">
      ${focus.names
        .slice(0, MOST_NAMES)
        .map((name, index) => html`${index ? ", " : ""}<bdi dir="ltr">${plain(name)}</bdi>`)}
      ${focus.names.length > MOST_NAMES ? "…" : ""}
    </p>
    <div class="buttons">
      ${
        devices.length
          ? html`<button class=${isBlocked ? "main" : "danger"} ?disabled=${!can} @click=${ask}>
              ${isBlocked ? words.t("do_unblock_destination") : words.n("block_for_all", devices.length)}
            </button>`
          : nothing
      }
    </div>
  </div>`;
}
