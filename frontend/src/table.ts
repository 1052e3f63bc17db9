/** The same as the picture, as a table: filters, search, sorting, export. Only the rows in sight exist. */

import { html, nothing } from "lit/html.js";
import {
  FILTERS,
  Flag,
  type Filter,
  type Sort,
  type TablePage,
  type TableRequest,
  type TableRow,
} from "./contract";
import { csv, download } from "./csv";
import { reason } from "./hass";
import { hostName } from "./host";
import { icon } from "./icons";
import { hostKey } from "./model";
import type { Stage } from "./stage";
import type { Text } from "./texts";
import { plain, service } from "./words";

const PAGE = 100;
const EXPORT_PAGE = 1000;
export const ROW_HEIGHT = 52;
const SIGHT = 640;
const OVERSCAN = 6;
/** Values are read anew at most this often (ms). */
const REFRESH = 10_000;
const TYPING = 250;

interface Heading {
  sort: Sort;
  text: Text;
  css: string;
}
const HEADINGS: Heading[] = [
  { sort: "device", text: "device", css: "who rare" },
  { sort: "host", text: "destination", css: "wide" },
  { sort: "status", text: "status", css: "status rare" },
  { sort: "sent", text: "sent", css: "number rare" },
  { sort: "received", text: "received", css: "number rare" },
  { sort: "total", text: "data", css: "number often" },
  { sort: "first", text: "first_seen", css: "number rare when" },
  { sort: "last", text: "last_seen", css: "number rare when" },
];

/** What was learned is what is usual, and needs no badge. */
const BADGES = FILTERS.filter((name) => name !== "learning");

type Scope = Pick<TableRequest, "gateway" | "device" | "destination" | "window" | "filter">;

const keyOf = ([device, , host, protocol, port]: TableRow): string =>
  `${device} ${hostKey(host, protocol, port)}`;

export class TableList {
  private scope: Scope | null = null;
  private scopeKey = "";
  private search = "";
  private sort: { by: Sort; descending: boolean } = { by: "status", descending: true };
  private total: number | null = null;
  /** The first row in sight. */
  private first = 0;
  private error = "";
  private exporting = false;
  /** Rows that came since the order was made. */
  private news = 0;
  private rows: (TableRow | undefined)[] = [];
  private names: Record<string, string> = {};
  private pages = new Set<number>();
  private turn = 0;
  private refreshed = 0;
  private typing: ReturnType<typeof setTimeout> | undefined;
  private toTop = false;
  private onPaper = false;

  constructor(
    private readonly stage: Stage,
    private readonly filterBy: (filter: Filter[]) => void,
  ) {}

  /** What the table is about; it starts anew when that changed. */
  show(scope: Scope): void {
    for (const event of ["beforeprint", "afterprint"]) addEventListener(event, this.toPaper);
    const key = JSON.stringify(scope);
    if (key === this.scopeKey) return;
    this.scopeKey = key;
    this.scope = scope;
    this.restart();
  }

  stop(): void {
    for (const event of ["beforeprint", "afterprint"]) removeEventListener(event, this.toPaper);
    clearTimeout(this.typing);
    this.turn++;
  }

  /** On paper nothing scrolls: all rows that were read are there. */
  private readonly toPaper = ({ type }: Event): void => {
    this.onPaper = type === "beforeprint";
    this.stage.draw();
  };

  /** New values into the rows that are there; the order stays until it is asked for. */
  refresh(): void {
    if (this.total !== null && Date.now() - this.refreshed > REFRESH) void this.read();
  }

  /** After it stands in the page. */
  drawn(root: ParentNode): void {
    if (!this.toTop) return;
    this.toTop = false;
    root.querySelector(".list")?.scrollTo({ top: 0 });
  }

  private readonly restart = (): void => {
    this.turn++;
    this.rows = [];
    this.pages.clear();
    this.news = 0;
    this.first = 0;
    this.toTop = true;
    this.refreshed = Date.now();
    void this.need(0);
    this.stage.draw();
  };

  private request(offset: number, limit: number): Promise<TablePage> {
    return this.stage.hass.connection.sendMessagePromise<TablePage>({
      type: "spin/table",
      ...this.scope,
      search: this.search,
      sort: this.sort.by,
      descending: this.sort.descending,
      offset,
      limit,
    });
  }

  private async need(page: number): Promise<void> {
    if (this.pages.has(page)) return;
    this.pages.add(page);
    const turn = this.turn;
    try {
      const { rows, devices, total } = await this.request(page * PAGE, PAGE);
      if (turn !== this.turn) return;
      Object.assign(this.names, devices);
      rows.forEach((row, index) => (this.rows[page * PAGE + index] = row));
      this.total = total;
      this.error = "";
    } catch (error) {
      if (turn !== this.turn) return;
      this.pages.delete(page);
      this.error = reason(error, this.stage.words);
    }
    this.stage.draw();
  }

  private async read(): Promise<void> {
    this.refreshed = Date.now();
    const turn = this.turn;
    const page = Math.floor(this.first / PAGE);
    try {
      const { rows, devices, total } = await this.request(page * PAGE, PAGE);
      if (turn !== this.turn) return;
      Object.assign(this.names, devices);
      const known = new Map(this.rows.map((row, index) => [row ? keyOf(row) : "", index]));
      let unknown = 0;
      for (const row of rows) {
        const index = known.get(keyOf(row));
        if (index === undefined) unknown++;
        else this.rows[index] = row;
      }
      this.news = Math.max(unknown, total - (this.total ?? total));
      this.stage.draw();
    } catch {
      // The picture's subscription says when the connection is gone; the next refresh tries again.
    }
  }

  template(): unknown {
    const { words } = this.stage;
    const { total, error, news } = this;
    const filter = this.scope?.filter ?? [];
    return html`
      <div class="tools">
        <div class="buttons" role="group" aria-label=${words.t("filter")}>
          ${FILTERS.map(
            (name) =>
              html`<button
                class="chip"
                aria-pressed=${String(filter.includes(name))}
                @click=${() => this.toggle(filter, name)}>
                ${icon(name)} ${words.t(name === "learning" ? "learned" : name)}
              </button>`,
          )}
        </div>
        <input
          type="search"
          maxlength="253"
          placeholder=${words.t("search")}
          aria-label=${words.t("search")}
          @input=${this.type} />
        <button @click=${this.export} ?disabled=${this.exporting || !total}>${icon("save")} CSV</button>
      </div>
      <p role="status" class="dim">
        ${total === null ? (error ? "" : words.t("loading")) : words.n("rows", total)}
        ${
          news > 0
            ? html`<button class="plain" @click=${this.restart}>${words.n("show_news", news)}</button>`
            : nothing
        }
      </p>
      ${error ? html`<p class="error">${words.t("no_data", { reason: error })}</p>` : nothing}
      ${total ? this.table(total) : total === 0 ? html`<p class="empty">${words.t("nothing_found")}</p>` : nothing}
    `;
  }

  private table(total: number): unknown {
    const { words } = this.stage;
    const { from, to } = this.onPaper ? { from: 0, to: this.rows.length } : this.sight(total);
    const columns = HEADINGS.filter(({ css }) => !css.includes(this.stage.phone ? "rare" : "often")).length;
    const space = (rows: number) => {
      if (rows <= 0) return nothing;
      if (this.onPaper) return html`<tr><td colspan=${columns}>${words.n("more", rows)}</td></tr>`;
      return html`<tr aria-hidden="true" style="height:${rows * ROW_HEIGHT}px"><td class="space" colspan=${columns}></td></tr>`;
    };
    const indexes = Array.from({ length: to - from }, (_, index) => from + index);
    return html`<div class="list" tabindex="0" role="region" aria-label=${words.t("table_caption")} @scroll=${this.scrolled}>
      <table aria-rowcount=${total + 1}>
        <thead>
          <tr aria-rowindex="1">
            ${HEADINGS.map((heading) => this.heading(heading))}
          </tr>
        </thead>
        <tbody>
          ${space(from)} ${indexes.map((index) => this.row(index))} ${space(total - to)}
        </tbody>
      </table>
    </div>`;
  }

  private sight(total: number): { from: number; to: number } {
    const from = Math.max(0, Math.min(this.first, total - 1) - OVERSCAN);
    return { from, to: Math.min(total, this.first + Math.ceil(SIGHT / ROW_HEIGHT) + OVERSCAN) };
  }

  private heading({ sort, text, css }: Heading): unknown {
    const { by, descending } = this.sort;
    const sorted = by === sort ? (descending ? "descending" : "ascending") : "none";
    return html`<th class=${css} scope="col" aria-sort=${sorted}>
      <button @click=${() => this.sortBy(sort)}>
        ${this.stage.words.t(text)}${
          by === sort ? html`<span aria-hidden="true">${descending ? " ↓" : " ↑"}</span>` : nothing
        }
      </button>
    </th>`;
  }

  private row(index: number): unknown {
    const { words } = this.stage;
    const row = this.rows[index];
    if (!row) return html`<tr aria-rowindex=${index + 2}><td class="dim">…</td></tr>`;
    const [id, group, host, protocol, port, flags, sent, received, first, last] = row;
    const device = plain(this.names[id] ?? id);
    const badges = BADGES.filter((name) => flags & Flag[name]).map(
      (name) => html`<span>${icon(name)} ${words.t(name)}</span>`,
    );
    return html`<tr
      class="pair"
      aria-rowindex=${index + 2}
      @click=${() => this.stage.show({ device: id, group, host, protocol, port })}>
      <td class="who rare"><bdi>${device}</bdi></td>
      <td>
        <button>
          ${hostName(host, group)}
          <span class="second dim"
            ><span class="often">${badges.map((badge) => html`${badge} · `)}<bdi>${device}</bdi> · </span>${service(words, protocol, port)}</span
          >
        </button>
      </td>
      <td class="status rare"><span class="badges">${badges}</span></td>
      <td class="number rare">${words.bytes(sent)}</td>
      <td class="number rare">${words.bytes(received)}</td>
      <td class="number often">${words.bytes(sent + received)}</td>
      <td class="number rare">${words.moment(first)}</td>
      <td class="number rare">${words.moment(last)}</td>
    </tr>`;
  }

  private toggle(filter: Filter[], name: Filter): void {
    this.filterBy(filter.includes(name) ? filter.filter((each) => each !== name) : [...filter, name]);
  }

  private sortBy(by: Sort): void {
    const descending = this.sort.by === by ? !this.sort.descending : by !== "device" && by !== "host";
    this.sort = { by, descending };
    this.restart();
  }

  private readonly type = (event: Event): void => {
    const { value } = event.target as HTMLInputElement;
    clearTimeout(this.typing);
    this.typing = setTimeout(() => {
      this.search = value;
      this.restart();
    }, TYPING);
  };

  private readonly scrolled = (event: Event): void => {
    const first = Math.floor((event.target as HTMLElement).scrollTop / ROW_HEIGHT);
    if (first === this.first) return;
    this.first = first;
    const pages = [first, first + Math.ceil(SIGHT / ROW_HEIGHT)].map((row) => Math.floor(row / PAGE));
    for (const page of pages) if (page * PAGE < (this.total ?? 0)) void this.need(page);
    this.stage.draw();
  };

  private readonly export = async (): Promise<void> => {
    this.exporting = true;
    this.stage.draw();
    try {
      const day = new Date().toISOString().slice(0, 10);
      download(`spin-${day}.csv`, await csv((offset) => this.request(offset, EXPORT_PAGE)));
    } catch (error) {
      this.error = reason(error, this.stage.words);
    }
    this.exporting = false;
    this.stage.draw();
  };
}
