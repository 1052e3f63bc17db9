/** What stands above and below the picture: title, choices, banners, the sentence that sums it up, the legend. */

import { html, nothing } from "lit/html.js";
import type { Config, Mode } from "./config";
import { WINDOWS, type Gateway, type Window } from "./contract";
import { hostName } from "./host";
import { icon } from "./icons";
import type { Picture } from "./model";
import type { FocusOn, Stage } from "./stage";
import { plain, type Words } from "./words";

declare const __VERSION__: string;

interface Shown extends Stage {
  readonly picture: Picture | null;
  readonly gateways: Gateway[];
  readonly problem: string;
  readonly mode: Mode;
  readonly config: Config;
  readonly target: FocusOn;
  readonly isFixed: boolean;
}

/** Problems of a gateway that make the picture wrong or a block impossible; others are small print. */
const GRAVE = new Set([
  "accounting_off",
  "cannot_block",
  "duplicate_gateway",
  "flow_offload",
  "missing_right",
  "no_lan",
  "not_enforced",
]);

export const blocks = (gateway: Gateway): boolean => gateway.capabilities.includes("block");

function choice<T extends string>(
  name: string,
  label: string,
  values: readonly T[],
  chosen: T,
  text: (value: T) => string,
  choose: (value: T) => void,
): unknown {
  return html`<div class="segments ${name}" role="group" aria-label=${label}>
    ${values.map(
      (value) =>
        html`<button aria-pressed=${String(value === chosen)} @click=${() => choose(value)}>
          ${text(value)}
        </button>`,
    )}
  </div>`;
}

export function head(
  view: Shown,
  go: { choose(window: Window): void; turn(mode: Mode): void; back(): void },
): unknown {
  const { words, picture, target, config } = view;
  const on = picture?.focus;
  const title = !on
    ? config.title || words.t("whole_home")
    : on.kind === "device"
      ? html`<bdi>${plain(on.name)}</bdi>`
      : hostName(on.group);
  const modes: Mode[] = target.device ? ["picture", "table", "timeline"] : ["picture", "table"];
  return html`<header>
    ${
      (target.device || target.destination) && !view.isFixed
        ? html`<button class="bare" aria-label=${words.t("back")} @click=${go.back}>${icon("back")}</button>`
        : nothing
    }
    <h2>${title}</h2>
    ${choice("periods", words.t("period"), WINDOWS, view.window, (window) => words.t(`window_${window}`), go.choose)}
    ${choice("modes", words.t("view"), modes, view.mode, (mode) => words.t(`view_${mode}`), go.turn)}
  </header>`;
}

const banner = (text: unknown): unknown => html`<p class="banner" role="status">${text}</p>`;

function stateOf(words: Words, { state, name, since }: Gateway): unknown {
  const gateway = plain(name);
  if (state === "offline")
    return banner(words.t("gateway_offline", { gateway, time: since ? words.moment(since) : "?" }));
  return state === "loading" ? banner(words.t("gateway_loading", { gateway })) : nothing;
}

export function banners({ words, picture, gateways, problem }: Shown): unknown {
  return html`
    ${problem ? html`<p class="error" role="alert">${problem}</p>` : nothing}
    ${
      picture && picture.version !== __VERSION__
        ? banner(
            html`${words.t("updated")}
            <button class="main" @click=${() => location.reload()}>${words.t("reload")}</button>`,
          )
        : nothing
    }
    ${gateways.map((gateway) => [
      stateOf(words, gateway),
      gateway.problems.map(({ code, text }) => (GRAVE.has(code) ? banner(plain(text)) : nothing)),
    ])}
  `;
}

/** Small print: what the gateways have to say that does not change what is seen. */
export const notes = ({ gateways }: Shown): unknown =>
  gateways.map(({ problems }) =>
    problems.map(({ code, text }) =>
      GRAVE.has(code) ? nothing : html`<p class="note dim">${plain(text)}</p>`,
    ),
  );

export function summary(
  words: Words,
  { summary, focus, window }: Picture,
  /** Leads to the table of these; none where that is on show. */
  only?: (name: "new" | "blocked" | "failed") => void,
): unknown {
  const values = {
    window: words.t(`window_long_${window}`),
    devices: words.n("devices", summary.devices),
    destinations: words.n("destinations", summary.destinations),
    data: words.bytes(summary.sent + summary.received),
  };
  const key = !focus ? "summary" : focus.kind === "device" ? "summary_device" : "summary_destination";
  // Of a device without Internet everything is blocked, and that is said beside its switch.
  const isCut = focus?.kind === "device" && focus.block;
  return html`<div class="summary">
    <p>${words.t(key, values)}</p>
    <div class="buttons">
      ${(["new", "blocked", "failed"] as const).map((name) =>
        only && summary[name] && !(isCut && name === "blocked")
          ? html`<button class="chip ${name}" @click=${() => only(name)}>
              ${icon(name)} ${words.n(name, summary[name])}
            </button>`
          : nothing,
      )}
    </div>
  </div>`;
}

export function legend(words: Words): unknown {
  return html`<ul class="legend">
    <li><span class="sample usual"></span>${words.t("legend_usual")}</li>
    ${(["new", "blocked", "failed"] as const).map(
      (name) => html`<li><span class="sample ${name}">${icon(name)}</span>${words.t(`legend_${name}`)}</li>`,
    )}
  </ul>`;
}
