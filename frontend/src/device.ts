/** Above the picture of one device: who it is, its traffic, whether it may use the Internet, how SPIN treats it. */

import { html, nothing } from "lit/html.js";
import { chart } from "./chart";
import type { Block, DeviceFocus } from "./contract";
import type { Action } from "./deeds";
import { icon } from "./icons";
import type { Stage } from "./stage";
import { openStudies } from "./study-later";
import { plain, type Words } from "./words";

/** In words: blocked by whom and until when. */
export function blockText(words: Words, { by, user, until }: Block): string {
  const text = words.named("blocked_by", by, { user: user ? plain(user) : words.t("somebody") });
  return until ? `${text} ${words.t("until", { time: words.moment(until) })}` : text;
}

interface Head {
  /** What a person wants to see and do first. */
  first: unknown;
  rest: unknown;
}

export function deviceHead(stage: Stage, device: DeviceFocus, react: (option: string) => void): Head {
  const { words, may, phone } = stage;
  const { learning, block, reaction } = device;
  const facts = [
    plain([device.manufacturer, device.model].filter(Boolean).join(" ")),
    device.firmware && words.t("firmware", { version: plain(device.firmware) }),
    plain(device.area ?? ""),
    device.addresses[0],
  ];
  const ask = (action: Action) => () => stage.ask({ action, devices: [device.id], name: plain(device.name) });
  const internet = html`<button
      role="switch"
      aria-checked=${!!block}
      ?disabled=${!may || !stage.can(device.id)}
      @click=${ask(block ? "unblock_device" : "block_device")}>
      ${words.t("block_internet")}<span class="knob"></span>
    </button>
    ${block ? html`<b>${icon("blocked")} ${blockText(words, block)}</b>` : nothing}`;
  const first = html`<div class="device"><div class="buttons">${internet}</div></div>`;
  const rest = html`<div class="device">
    <p class="facts dim">
      ${facts.map((fact) => (fact ? html`<bdi>${fact}</bdi>` : nothing))}
      ${
        learning.state === "learning"
          ? html`<span
            >${icon("learning")} ${words.t("learning_left", { time: words.duration(learning.left ?? 0) })}</span
          >`
          : nothing
      }
    </p>
    <div class="buttons">
      ${phone ? nothing : internet} ${
        reaction
          ? html`<label
            >${words.t("reaction")}
            <select
              ?disabled=${!may}
              .value=${reaction.value}
              @change=${(event: Event) => react((event.target as HTMLSelectElement).value)}>
              ${reaction.options.map(
                (option) =>
                  html`<option value=${option} ?selected=${option === reaction.value}>
                    ${words.named("reaction", option, { reaction: words.named("reaction", reaction.default) })}
                  </option>`,
              )}
            </select></label
          >`
          : nothing
      }
      ${(["accept_all", "restart_learning"] as const).map(
        (action) =>
          html`<button class="plain" ?disabled=${!may} @click=${ask(action)}>${words.t(action)}</button>`,
      )}
      ${
        may
          ? html`<button class="plain" @click=${() => openStudies(stage, device)}>${words.t("studies")}</button>
              <button class="plain" @click=${() => stage.page(device.id)}>${words.t("device_page")}</button>`
          : nothing
      }
    </div>
    ${chart(words, device.chart)}
  </div>`;
  return { first, rest };
}
