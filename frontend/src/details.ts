/** The evidence on one device and one destination, in words first, in figures for who wants them. */

import { html, nothing } from "lit/html.js";
import { Flag, type Details, type Evidence, type Pair } from "./contract";
import type { Action } from "./deeds";
import { closeDialog, closeOutside } from "./dialog";
import { blockText } from "./device";
import { reason } from "./hass";
import { hostName } from "./host";
import { icon, type Icon } from "./icons";
import type { Stage } from "./stage";
import { plain, plainList, service } from "./words";

const EVIDENCE_ICONS: Record<string, Icon> = {
  after_learning: "new",
  unanswered: "failed",
  refused: "blocked",
  while_learning: "learning",
  firmware_changed: "update",
};

export class DetailsDialog {
  private details: Details | null = null;
  private error = "";
  private loading = false;
  private stale = false;

  constructor(
    private readonly stage: Stage,
    readonly pair: Pair,
    private readonly end: () => void,
  ) {
    void this.load();
  }

  /** One request under way; when it comes back and more was asked for meanwhile, one more. */
  async load(): Promise<void> {
    this.stale = true;
    if (this.loading) return;
    this.loading = true;
    while (this.stale) {
      this.stale = false;
      try {
        const request = { type: "spin/details", window: this.stage.window, ...this.pair };
        this.details = await this.stage.hass.connection.sendMessagePromise<Details>(request);
        this.error = "";
      } catch (error) {
        this.error = reason(error, this.stage.words);
      }
      this.stage.draw();
    }
    this.loading = false;
  }

  template(): unknown {
    const { details, error, pair } = this;
    const { words } = this.stage;
    return html`<dialog class="details" aria-labelledby="pair" @close=${this.end} @click=${closeOutside}>
      <header>
        <h2 id="pair">
          <bdi>${plain(details?.device_name ?? "")}</bdi>
          ${icon("next")}<span class="unseen">${words.t("talks_to")}</span>
          ${hostName(details?.host ?? pair.host ?? pair.group, pair.group)}
        </h2>
        <button class="bare" aria-label=${words.t("close")} @click=${closeDialog}>${icon("close")}</button>
      </header>
      ${error ? html`<p class="error">${words.t("no_data", { reason: error })}</p>` : nothing}
      <div class="content">${details ? this.facts(details) : error ? nothing : words.t("loading")}</div>
    </dialog>`;
  }

  private facts(details: Details): unknown {
    const { words, window } = this.stage;
    const { total, hosts, block, protocol, name_source, group } = details;
    const both = (counts: { sent: number; received: number }) =>
      words.t("both_ways", { sent: words.bytes(counts.sent), received: words.bytes(counts.received) });
    const facts: [term: string, value: string][] = [
      [words.t("service"), protocol ? service(words, protocol, details.port!) : ""],
      [words.t(`window_long_${window}`), both(details.window)],
      [words.t("in_all"), both(total)],
      [
        words.t("connections"),
        [
          words.number(total.connections),
          total.unanswered && words.n("failed", total.unanswered),
          total.blocked && words.n("refused", total.blocked),
        ]
          .filter(Boolean)
          .join(", "),
      ],
      [words.t("first_seen"), words.moment(details.first)],
      [words.t("last_seen"), words.moment(details.last)],
      [words.t("name_source"), words.named("source", name_source ?? "none")],
      // Of a whole group the table below has them.
      [
        words.t("also_of", { group: plain(group) }),
        plainList(details.host ? details.names.filter((name) => name !== details.host) : []),
      ],
      [words.t("also"), plainList(details.also.map(([, name]) => name))],
    ];
    return html`<ul class="reasons">
        ${block ? html`<li>${icon("blocked")}<span>${blockText(words, block)}</span></li>` : nothing}
        ${details.evidence.map((evidence) => this.evidence(evidence))}
      </ul>
      ${this.buttons(details)}
      <dl>
        ${facts.map(([term, value]) => (value ? html`<dt>${term}</dt><dd>${value}</dd>` : nothing))}
      </dl>
      ${this.grid(
        [words.t("names"), words.t("service"), words.t("data")],
        hosts.map(([host, protocol, port, , sent, received]) => [
          plain(host),
          service(words, protocol, port),
          words.bytes(sent + received),
        ]),
      )}
      ${this.expert(details)}`;
  }

  private grid(headings: string[], rows: string[][]): unknown {
    if (!rows.length) return nothing;
    return html`<div class="grid" tabindex="0" role="region" aria-label=${headings[0]!}>
      <table>
        <tr>
          ${headings.map((heading) => html`<th>${heading}</th>`)}
        </tr>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell) => html`<td><bdi>${cell}</bdi></td>`)}
            </tr>`,
        )}
      </table>
    </div>`;
  }

  private evidence(evidence: Evidence): unknown {
    const { words } = this.stage;
    const values: Record<string, string> = {};
    for (const [key, value] of Object.entries(evidence))
      values[key] =
        typeof value !== "number"
          ? plain(value ?? "?")
          : key === "since" || key === "at"
            ? words.moment(value)
            : key === "interval"
              ? words.duration(value)
              : key === "short"
                ? words.percent(value)
                : words.number(value);
    const text = words.named("evidence", evidence.code, values, "");
    return text && html`<li>${icon(EVIDENCE_ICONS[evidence.code] ?? "first")}<span>${text}</span></li>`;
  }

  private buttons(details: Details): unknown {
    const { stage } = this;
    const { words, may, busy, failure } = stage;
    const { flags, block, device, group, host = group } = details;
    const can = stage.can(device);
    const ask = (action: Action) =>
      stage.ask({
        action,
        devices: [device],
        name: plain(details.device_name),
        destination: action === "unblock_destination" ? (block?.rule ?? host) : host,
        group,
        ...(action === "block_destination" ? { shares: details.shares } : {}),
      });
    const button = (action: Action, style: string, enforced = true) =>
      html`<button class=${style} ?disabled=${!may || (enforced && !can)} @click=${() => ask(action)}>
        ${words.t(`do_${action}`)}
      </button>`;
    return html`<div class="buttons">
        ${flags & Flag.new ? button("allow_destination", "main", false) : nothing}
        ${
          !block
            ? button("block_destination", "danger")
            : block.by === "device"
              ? button("unblock_device", "main")
              : block.by === "everyone"
                ? nothing
                : button("unblock_destination", "main")
        }
        ${button("forget_destination", "plain", false)}
        ${
          may
            ? html`<button class="plain" @click=${() => stage.page(device)}>${words.t("device_page")}</button>`
            : nothing
        }
      </div>
      <div role="status">
        ${busy ? words.t("waiting") : nothing}
        ${failure ? html`<p class="error">${words.t("failed_action", { reason: failure })}</p>` : nothing}
        ${may ? nothing : html`<p class="dim">${words.t("no_right")}</p>`}
        ${can ? nothing : html`<p class="dim">${words.t("cannot_block")}</p>`}
      </div>`;
  }

  private expert({ addresses, topic, raw }: Details): unknown {
    const { words } = this.stage;
    return html`<details>
      <summary>${words.t("expert")}</summary>
      <div class="expert">${this.grid(
        (["addresses", "sent", "received", "connections", "failed", "blocked", "last_seen"] as const).map(
          (key) => words.t(key),
        ),
        addresses.map(([address, ...counts]) => [
          address,
          ...counts.slice(0, 5).map((count) => words.number(count)),
          words.moment(counts[6]!),
        ]),
      )}
      <h3>${words.t("listen_yourself")}</h3>
      <code>mosquitto_sub -h BROKER -t '${plain(topic)}'</code>
      ${
        raw
          ? html`<h3>${words.t("last_message")}</h3>
            <pre tabindex="0">${JSON.stringify(raw, null, 1)}</pre>`
          : nothing
      }</div>
    </details>`;
  }
}
