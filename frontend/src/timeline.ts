/** What a device did and what was done to it, oldest first, to be read from top to bottom. */

import { html, nothing } from "lit/html.js";
import type { Timeline, TimelineEntry } from "./contract";
import { reason } from "./hass";
import { hostName } from "./host";
import { icon, type Icon } from "./icons";
import type { Stage } from "./stage";
import { plain, service } from "./words";

const PAGE = 100;
/** What was repeated since is read anew at most this often (ms), for so many of the last entries. */
const REFRESH = 5000;
const REPEATED = 20;

const ICONS: Record<string, Icon> = {
  new_destination: "new",
  connection_failed: "failed",
  blocked_attempt: "blocked",
  blocked: "blocked",
  device_blocked: "blocked",
  connection_restored: "allowed",
  unblocked: "allowed",
  device_unblocked: "allowed",
  allowed: "allowed",
  accepted_all: "allowed",
  learning_started: "learning",
  learning_over: "learning",
  firmware_changed: "update",
  scan_suspected: "alarm",
  flood_suspected: "alarm",
  dns_bypass: "alarm",
  gateway_lost: "failed",
};

/** Entries of both, in order; a later version of an entry replaces the earlier. */
export function merge(old: TimelineEntry[], more: TimelineEntry[]): TimelineEntry[] {
  const entries = new Map([...old, ...more].map((entry) => [entry.id, entry]));
  return [...entries.values()].sort((a, b) => a.id - b.id);
}

export class TimelineList {
  private entries: TimelineEntry[] | null = null;
  private more = false;
  private error = "";
  private loading = false;
  private read = 0;

  constructor(
    private readonly stage: Stage,
    readonly device: string,
  ) {
    void this.load({});
  }

  /** Reads on when there is something newer; now and then for what was repeated. */
  refresh(newest: number): void {
    const last = this.entries?.at(-1);
    if (last && newest <= last.id && Date.now() - this.read < REFRESH) return;
    void this.load(last ? { after: Math.max(0, last.id - REPEATED) } : {});
  }

  private async load(cursor: { before?: number; after?: number }): Promise<void> {
    if (this.loading) return;
    this.loading = true;
    this.read = Date.now();
    try {
      const { entries, more } = await this.stage.hass.connection.sendMessagePromise<Timeline>({
        type: "spin/timeline",
        device: this.device,
        limit: PAGE,
        ...cursor,
      });
      this.entries = merge(this.entries ?? [], entries);
      if (cursor.after === undefined) this.more = more;
      this.error = "";
    } catch (error) {
      this.error = reason(error, this.stage.words);
    }
    this.loading = false;
    this.stage.draw();
  }

  template(): unknown {
    const { words } = this.stage;
    const { entries, error, more } = this;
    if (error) return html`<p class="error">${words.t("no_data", { reason: error })}</p>`;
    if (!entries?.length) return html`<p class="empty">${words.t(entries ? "nothing_yet" : "loading")}</p>`;
    let day = "";
    return html`<div class="scroll timeline" tabindex="0" role="region" aria-label=${words.t("timeline")}>
      ${
        more
          ? html`<button class="plain" @click=${() => this.load({ before: entries[0]!.id })}>
            ${words.t("earlier")}
          </button>`
          : nothing
      }
      <ol>
        ${entries.map((entry) => {
          const heading = words.day(entry.at);
          const first = heading !== day;
          day = heading;
          return html`${first ? html`<li class="day">${heading}</li>` : nothing}${this.entry(entry)}`;
        })}
      </ol>
    </div>`;
  }

  private entry(entry: TimelineEntry): unknown {
    const { words } = this.stage;
    const { at, kind, by, host, group, count = 1, until, protocol, port = 0, last = at, reason } = entry;
    const name = host ?? group;
    const text = words.named("timeline", by === "automatic" || by === "timer" ? `${kind}_${by}` : kind, {
      user: entry.user ? plain(entry.user) : words.t("somebody"),
      from: plain(entry.from ?? "?"),
      to: plain(entry.to ?? "?"),
      hosts: words.number(entry.hosts ?? 0),
      ports: words.number(entry.ports ?? 0),
    });
    const notes = [
      name && protocol && service(words, protocol, port),
      count > 1 && words.t("times", { count: words.number(count), time: words.time(last) }),
      until && words.t("until", { time: words.moment(until) }),
      reason && words.named("because", reason, {}, ""),
    ].filter(Boolean);
    return html`<li>
      <time datetime=${new Date(at * 1000).toISOString()}>${words.time(at)}</time>
      ${icon(ICONS[kind] ?? "first")}
      <div>
        ${name ? html`<b>${hostName(name, group ?? name)}</b> ` : nothing}${text}
        <div class="second">${notes.join(" · ")}</div>
      </div>
    </li>`;
  }
}
