/** Two columns with ribbons between them; on a phone first a list, then one row against a column. */

import { html, nothing, svg } from "lit/html.js";
import type { Column, Shown } from "./column";
import { Flag } from "./contract";
import { hostEnds, hue, linkEnds } from "./ends";
import { hostName } from "./host";
import { icon } from "./icons";
import { layout, ROW, WIDTH, type End, type Ribbon } from "./layout";
import type { Device, Group, Host, Item, Picture } from "./model";
import { initial, rowStatus, second, type Row } from "./row";
import type { Stage } from "./stage";
import { plain } from "./words";

export type Side = "devices" | "groups" | "hosts";
export interface Pick {
  side: Side;
  key: string;
}

const FEW_RIBBONS = 24;

/** On a phone, the row beside which the one in focus stands: in sight, and in the middle of a short column. */
const nodeRow = (rows: number): number => Math.floor(Math.min(rows, 8) / 2);

/** Hosts of one group together, in the order of the best of them. */
function grouped(hosts: readonly Host[]): Host[] {
  const place = new Map<string, number>();
  for (const { group } of hosts) if (!place.has(group)) place.set(group, place.size);
  return [...hosts].sort((a, b) => place.get(a.group)! - place.get(b.group)!);
}

export interface Going {
  pick(side: Side, key: string): void;
  expand(side: Side): void;
}

export class PictureDrawing {
  private picture!: Picture;
  private limit = 0;
  /** On a phone without focus: which side is listed. */
  private list: "devices" | "groups" = "devices";
  /** The row under the pointer. */
  private hot: Pick | null = null;
  private shownRows: Partial<Record<Side, Shown<Row>>> = {};

  constructor(
    private readonly stage: Stage,
    private readonly columns: Record<Side, Column>,
    private readonly go: Going,
  ) {}

  template(picture: Picture, limit: number): unknown {
    this.picture = picture;
    this.limit = limit;
    const { focus } = picture;
    if (this.phone && !focus) return this.renderList();
    if (focus?.kind === "device") return this.renderDeviceFocus(focus.id, focus.name);
    if (focus?.kind === "destination") return this.renderGroupFocus(focus.group);
    const devices = this.shown<Device>("devices");
    const groups = this.shown<Group>("groups");
    return this.renderColumns(devices, "groups", groups, linkEnds(devices, groups, picture.links));
  }

  private get phone(): boolean {
    return this.stage.phone;
  }

  private renderDeviceFocus(id: string, name: string): unknown {
    const hosts = this.shown<Host>("hosts");
    if (!this.phone) {
      const devices = this.shown<Device>("devices", id);
      return this.renderColumns(
        devices,
        "hosts",
        hosts,
        hostEnds(devices, hosts, id),
        (row) => "name" in row && row.key !== id,
      );
    }
    const ends = hostEnds({ rows: [{ key: id } as Device], hidden: 0 }, hosts, id);
    const at = nodeRow(hosts.rows.length);
    const ribbons = layout(ends.map((end) => ({ ...end, from: at })));
    return html`<div class="picture device" @keydown=${this.move}>
      ${this.renderNode(at, initial(name), hue(id))} ${this.renderRibbons(ribbons, hosts.rows.length + (hosts.hidden ? 1 : 0))}
      ${this.renderColumn("hosts", hosts)}
    </div>`;
  }

  private renderGroupFocus(group: string): unknown {
    const { links } = this.picture;
    const talking = new Set(links.map((link) => link.device));
    const devices = this.shown<Device>("devices");
    if (!this.phone) {
      const groups = this.shown<Group>("groups", group);
      const isOther = (row: Item) => ("name" in row ? !talking.has(row.key) : row.key !== group);
      return this.renderColumns(
        devices,
        "groups",
        groups,
        linkEnds(devices, { ...groups, hidden: 0 }, links),
        isOther,
      );
    }
    const rows = this.picture.devices.filter((row) => talking.has(row.key));
    const only = this.picture.groups.filter((row) => row.key === group);
    const ends = linkEnds({ rows, hidden: 0 }, { rows: only, hidden: 0 }, links);
    const at = nodeRow(rows.length);
    const ribbons = layout(
      ends.map((end) => ({ ...end, to: at })),
      "from",
    );
    return html`<div class="picture destination" @keydown=${this.move}>
      ${this.renderColumn("devices", { rows, hidden: 0 })} ${this.renderRibbons(ribbons, rows.length)}
      ${this.renderNode(at, initial(group))}
    </div>`;
  }

  private renderColumns(
    devices: Shown<Device>,
    side: Side,
    others: Shown<Row>,
    ends: End[],
    faint: (row: Item) => boolean = () => false,
  ): unknown {
    const { words } = this.stage;
    const rows = Math.max(...[devices, others].map(({ rows, hidden }) => rows.length + (hidden ? 1 : 0)));
    return html`<div class="picture" @keydown=${this.move} @pointerover=${this.point} @pointerleave=${this.leave}>
      <h3 id="left">${words.t("devices")}</h3>
      <h3 id="right" class="right">${words.t(side === "hosts" ? "it_talks_to" : "they_talk_to")}</h3>
      ${this.renderColumn("devices", devices, "left", faint)} ${this.renderRibbons(layout(ends), rows)}
      ${this.renderColumn(side, others, "right", faint)}
    </div>`;
  }

  private shown<T extends Row>(side: Side, always?: string): Shown<T> {
    const { picture } = this;
    const rows = side === "hosts" ? grouped(picture.hosts) : picture[side];
    return (this.shownRows[side] = this.columns[side].arrange<Row>(
      rows,
      this.limit,
      picture.more[side],
      always,
    )) as Shown<T>;
  }

  private renderList(): unknown {
    const side = this.list;
    return html`<div class="lists" @keydown=${this.move}>
      <div class="segments" role="group">
        ${(["devices", "groups"] as const).map(
          (each) =>
            html`<button
              id=${each}
              aria-pressed=${String(each === side)}
              @click=${() => this.listOf(each)}>
              ${this.stage.words.t(each === "devices" ? "devices" : "destinations")}
            </button>`,
        )}
      </div>
      ${this.renderColumn(side, this.shown(side), side)}
    </div>`;
  }

  private renderNode(row: number, letter: string, hue?: number): unknown {
    return html`<div class="node ${hue === undefined ? "groups" : ""}" aria-hidden="true">
      <span class="avatar" style="top:${row * ROW + 8}px;--hue:${hue ?? 0}">${letter}</span>
    </div>`;
  }

  private renderColumn(
    side: Side,
    { rows, hidden }: Shown<Row>,
    label = "",
    faint: (row: Item) => boolean = () => false,
  ): unknown {
    const focused = this.focusKey(side);
    const stop = rows.some((row) => row.key === focused) ? focused : rows[0]?.key;
    return html`<div>
      <ul
        data-side=${side}
        aria-labelledby=${label || nothing}
        aria-label=${label ? nothing : this.stage.words.t(side === "devices" ? "devices" : "destinations")}>
        ${rows.map(
          (row) =>
            html`<li>${this.renderRow(side, row, row.key === focused, row.key === stop, faint(row))}</li>`,
        )}
      </ul>
      ${
        hidden
          ? html`<button class="more" data-more=${side} @click=${() => this.go.expand(side)}>
            ${this.stage.words.n("more", hidden)}
          </button>`
          : nothing
      }
    </div>`;
  }

  private renderRow(side: Side, row: Row, pressed: boolean, stop: boolean, faint: boolean) {
    const status = rowStatus(row.flags);
    const quiet = faint || (row.flags & Flag.quiet) !== 0;
    const classes = ["row", status, quiet && "off", faint && "aside"].filter(Boolean).join(" ");
    return html`<button
      class=${classes}
      data-key=${row.key}
      tabindex=${stop ? 0 : -1}
      aria-pressed=${side === "hosts" ? nothing : String(pressed)}
      @click=${() => this.go.pick(side, row.key)}>
      ${
        "name" in row
          ? html`<span class="avatar" style="--hue:${hue(row.key)}" aria-hidden="true">${initial(row.name)}</span>`
          : html`<span class="dot ${status ?? ""}"></span>`
      }
      <span class="text">
        <span class="name">
          ${
            "name" in row
              ? html`<bdi>${plain(row.name)}</bdi>`
              : "host" in row
                ? hostName(row.host, row.group)
                : hostName(row.key)
          }
        </span>
        <span class="second">${second(this.stage.words, row)}</span>
      </span>
      ${this.phone ? icon("next") : nothing}
    </button>`;
  }

  private renderRibbons(ribbons: Ribbon[], rows: number): unknown {
    const height = rows * ROW;
    const hot = this.hot && this.rowIndex(this.hot);
    const touches = (ribbon: Ribbon): boolean =>
      !!hot && (hot.left ? ribbon.from === hot.index : ribbon.to === hot.index);
    const some = hot !== null && ribbons.some(touches);
    const ordinary = new Map<number, string>();
    for (const ribbon of ribbons)
      if (!ribbon.status && !(some && touches(ribbon)))
        ordinary.set(ribbon.hue, (ordinary.get(ribbon.hue) ?? "") + ribbon.path);
    const focused = this.picture.focus !== null;
    const weight = some ? 0.07 : focused ? 0.4 : ribbons.length <= FEW_RIBBONS ? 0.28 : 0.16;
    const special = ribbons.filter((ribbon) => ribbon.status);
    return html`<div class="ribbons">
      <svg
        class="flow"
        viewBox="0 0 ${WIDTH} ${height}"
        preserveAspectRatio="none"
        style="height:${height}px"
        aria-hidden="true"
        @click=${this.clickRibbon}>
        ${[...ordinary].map(
          ([hue, path]) =>
            svg`<path class="band" d=${path} fill="hsl(${hue} 55% 57%)" fill-opacity=${weight} />`,
        )}
        ${
          some
            ? ribbons
                .filter((ribbon) => !ribbon.status && touches(ribbon))
                .map(
                  (ribbon) =>
                    svg`<path class="band" d=${ribbon.path} fill="hsl(${ribbon.hue} 55% 57%)" fill-opacity="0.6" />`,
                )
            : nothing
        }
        ${special.map(
          (ribbon) =>
            svg`<path
              class="line ${ribbon.status} ${some && !touches(ribbon) ? "faded" : ""}"
              d=${ribbon.line}
              stroke-width=${Math.max(ribbon.status === "failed" ? 4 : 3, ribbon.thickness)} />
            <path class="line hit" d=${ribbon.line} data-pair=${ribbon.key} />`,
        )}
      </svg>
      ${special.map(
        (ribbon) =>
          html`<span
            class="mark ${some && !touches(ribbon) ? "faded" : ""}"
            style="top:${ribbon.sign.top}px;inset-inline-start:${ribbon.sign.across * 100}%"
            aria-hidden="true"
            >${icon(ribbon.status === "partly" ? "blocked" : ribbon.status!)}</span
          >`,
      )}
    </div>`;
  }

  private focusKey(side: Side): string | undefined {
    const focus = this.picture.focus;
    if (focus?.kind === "device") return side === "devices" ? focus.id : undefined;
    return focus && side === "groups" ? focus.group : undefined;
  }

  private rowIndex({ side, key }: Pick): { left: boolean; index: number } | null {
    const index = this.shownRows[side]?.rows.findIndex((row) => row.key === key) ?? -1;
    return index < 0 ? null : { left: side === "devices", index };
  }

  private listOf(side: "devices" | "groups"): void {
    this.list = side;
    this.stage.draw();
  }

  private readonly point = (event: PointerEvent): void => {
    if (event.pointerType !== "mouse") return;
    const row = (event.target as Element).closest<HTMLElement>(".row");
    const side = row?.closest<HTMLElement>("[data-side]")?.dataset["side"] as Side | undefined;
    this.heat(row && side ? { side, key: row.dataset["key"]! } : null);
  };

  private readonly leave = (): void => this.heat(null);

  private heat(pick: Pick | null): void {
    if (pick?.key === this.hot?.key && pick?.side === this.hot?.side) return;
    this.hot = pick;
    this.stage.draw();
  }

  private readonly clickRibbon = (event: Event): void => {
    const key = (event.target as SVGElement).dataset["pair"];
    if (!key) return;
    if (this.picture.focus?.kind === "device") return this.go.pick("hosts", key);
    const at = key.indexOf(" ");
    this.stage.show({ device: key.slice(0, at), group: key.slice(at + 1) });
  };

  /** Arrow keys go through a column and across; each column is one stop of the tab key. */
  private readonly move = (event: KeyboardEvent): void => {
    const row = (event.composedPath()[0] as Element).closest?.<HTMLElement>(".row");
    if (!row) return;
    const whole = event.currentTarget as HTMLElement;
    const lists = [...whole.querySelectorAll("ul")];
    const list = row.closest("ul")!;
    const rows = [...list.querySelectorAll<HTMLElement>(".row")];
    const index = rows.indexOf(row);
    const across = (step: number): HTMLElement | undefined => {
      const other = lists[lists.indexOf(list) + step * (whole.matches(":dir(rtl)") ? -1 : 1)];
      const others = [...(other?.querySelectorAll<HTMLElement>(".row") ?? [])];
      return others[Math.min(index, others.length - 1)];
    };
    const targets: Record<string, () => HTMLElement | undefined> = {
      ArrowDown: () =>
        rows[index + 1] ?? list.parentElement!.querySelector<HTMLElement>(".more") ?? undefined,
      ArrowUp: () => rows[index - 1],
      Home: () => rows[0],
      End: () => rows.at(-1),
      ArrowRight: () => across(1),
      ArrowLeft: () => across(-1),
    };
    const target = targets[event.key]?.();
    if (!target) return;
    event.preventDefault();
    if (target.classList.contains("row")) {
      row.tabIndex = -1;
      target.tabIndex = 0;
    }
    target.focus();
  };
}
