/** Everything that card and panel have in common: what is shown, in which mode, and how one goes about in it. */

import { html, nothing } from "lit/html.js";
import { Actor } from "./actor";
import { Column, MOST_ROWS } from "./column";
import { DEFAULT_ROWS, type Config, type Mode } from "./config";
import type { Filter, Gateway, Pair, SubscribeRequest, Window } from "./contract";
import type { Ask } from "./deeds";
import { colour } from "./ends";
import { Feed } from "./feed";
import { banners, blocks, head, legend, notes, summary } from "./frame";
import { matters, navigate, reason, type Hass } from "./hass";
import { loadMore, whenIdle, type More } from "./later";
import type { Picture } from "./model";
import { Part } from "./part";
import { PictureDrawing, type Side } from "./picture";
import { pictureStyle } from "./picture-style";
import type { Dialog, FocusOn, Stage } from "./stage";
import { base } from "./style";
import type { TableList } from "./table";
import type { TimelineList } from "./timeline";
import { viewStyle } from "./view-style";
import { learn, Words } from "./words";

const PHONE_WIDTH = 560;
const PHONE_ROWS = 10;
/** How many rows a subscription asks for at least: what is new may rank below the cut. */
const LEAST_DEVICES = 100;
const LEAST_DESTINATIONS = 40;
/** A ranking is made anew when it is this old (ms) and nobody has touched the picture for a while. */
const RANKING_AGE = 300_000;
const IDLE = 60_000;
/** When the texts did not come they are asked for again (ms). */
const TEXTS_RETRY = 2000;

export abstract class View extends Part implements Stage {
  words = new Words();
  window: Window = "1h";
  phone = false;
  mode: Mode = "picture";
  picture: Picture | null = null;
  gateways: Gateway[] = [];
  problem = "";
  /** What the user has put the focus on. */
  on: FocusOn = {};
  config: Config = {};

  private current: Hass | undefined;
  private more: More | null = null;
  private hasTexts = false;
  private isWaiting = false;
  private details: Dialog | null = null;
  private timeline: TimelineList | null = null;
  private table: TableList | null = null;
  private filter: Filter[] = [];
  private ranked = 0;
  private touched = 0;
  private reorder = true;
  private ranking: ReturnType<typeof setInterval> | undefined;
  private readonly columns: Record<Side, Column> = {
    devices: new Column(),
    groups: new Column(),
    hosts: new Column(),
  };
  private readonly feed = new Feed({
    pictured: (picture, fresh) => this.pictured(picture, fresh),
    gateways: (gateways) => {
      this.gateways = gateways;
      this.draw();
    },
    failed: (error) => this.refused(error),
  });
  private readonly actor = new Actor(
    this,
    (run) => this.withMore(run),
    (device) => this.picture?.device(device)?.name,
    () => this.details !== null,
    () => this.closeDialogs(),
  );
  private readonly drawing = new PictureDrawing(this, this.columns, {
    pick: (side, key) => this.pick(side, key),
    expand: (side) => this.expand(side),
  });
  private readonly size = new ResizeObserver(([entry]) => {
    const { width } = entry!.contentRect;
    if (!width || this.phone === width < PHONE_WIDTH) return;
    this.phone = width < PHONE_WIDTH;
    this.toggleAttribute("phone", this.phone);
    this.draw();
  });

  constructor(...styles: string[]) {
    super(base, viewStyle, pictureStyle, ...styles);
    for (const event of ["pointerdown", "pointermove", "keydown", "wheel"])
      this.addEventListener(event, () => (this.touched = Date.now()), { passive: true });
    this.addEventListener("keydown", this.escape);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const { width } = this.getBoundingClientRect();
    this.phone = width > 0 && width < PHONE_WIDTH;
    this.toggleAttribute("phone", this.phone);
    this.size.observe(this);
    this.ranking = setInterval(() => this.rankAnew(), IDLE / 2);
    this.subscribe();
  }

  disconnectedCallback(): void {
    this.size.disconnect();
    clearInterval(this.ranking);
    this.actor.stop();
    this.table?.stop();
    this.feed.stop();
  }

  get hass(): Hass {
    return this.current!;
  }

  set hass(hass: Hass) {
    const before = this.current;
    this.current = hass;
    if (!matters(hass, before)) return;
    this.words = new Words(hass, hass.localize);
    if (before?.language !== hass.language) void this.learnLanguage(hass);
    if (before?.connection !== hass.connection) this.subscribe();
    this.draw();
  }

  /** Nothing is drawn before the texts are there. */
  private async learnLanguage(hass: Hass): Promise<void> {
    try {
      const localize = await learn(hass);
      if (this.hass.language !== hass.language) return;
      this.words = new Words(this.hass, localize);
      this.hasTexts = true;
      this.draw();
    } catch {
      setTimeout(() => this.isConnected && this.learnLanguage(this.hass), TEXTS_RETRY);
    }
  }

  /** The focus that the card's configuration fixes. */
  protected get fixed(): FocusOn {
    const { device, destination } = this.config;
    return { ...(device ? { device } : {}), ...(destination ? { destination } : {}) };
  }

  get isFixed(): boolean {
    return Boolean(this.config.device || this.config.destination);
  }

  get target(): FocusOn {
    return this.on.device || this.on.destination ? this.on : this.fixed;
  }

  get may(): boolean {
    return this.hass.user?.is_admin ?? false;
  }

  get busy(): boolean {
    return this.actor.busy;
  }

  get failure(): string {
    return this.actor.failure;
  }

  can(device?: string): boolean {
    const row = device ? this.picture?.device(device) : undefined;
    const gateway = this.gateways[row?.gateway ?? 0];
    return gateway ? gateway.state === "online" && blocks(gateway) : false;
  }

  private get limit(): number {
    return this.config.rows ?? (this.phone ? PHONE_ROWS : DEFAULT_ROWS);
  }

  // ---- what is heard

  /** Opens the subscription for what is to be seen; several wishes of one turn make one. */
  protected subscribe(): void {
    if (this.isWaiting) return;
    this.isWaiting = true;
    queueMicrotask(() => {
      this.isWaiting = false;
      if (!this.isConnected || !this.current) return;
      const { devices, groups, hosts } = this.columns;
      const right = this.target.device ? hosts : groups;
      this.feed.open(this.hass.connection, {
        ...this.scope,
        window: this.window,
        devices: Math.max(LEAST_DEVICES, devices.wanted(this.limit)),
        destinations: Math.max(LEAST_DESTINATIONS, right.wanted(this.limit)),
      });
    });
  }

  private get scope(): Omit<SubscribeRequest, "window"> {
    const { device = null, destination = null } = this.target;
    return { gateway: this.config.gateway ?? null, device, destination };
  }

  private pictured(picture: Picture, fresh: boolean): void {
    if (fresh && this.reorder) {
      for (const column of Object.values(this.columns)) column.reset();
      this.ranked = Date.now();
      this.reorder = false;
    }
    if (fresh) colour(picture.devices.map((device) => device.key));
    this.picture = picture;
    this.gateways = picture.gateways;
    this.problem = "";
    this.timeline?.refresh(picture.focus?.kind === "device" ? picture.focus.timeline : 0);
    this.table?.refresh();
    this.draw();
    requestAnimationFrame(() => {
      this.feed.drawn();
      if (this.hasTexts) this.setAttribute("data-ready", "");
      if (!this.more) whenIdle(() => this.needMore());
    });
  }

  private withMore(run: (more: More) => void): void {
    if (this.more) return run(this.more);
    loadMore().then(
      (more) => {
        this.more = more;
        this.dress(more.styles);
        run(more);
      },
      (error: unknown) => {
        this.problem = this.words.t("no_connection", { reason: reason(error, this.words) });
        this.draw();
      },
    );
  }

  /** After a failure not before the next picture: drawing what went wrong is no reason to try again. */
  private needMore(): void {
    if (!this.more && !this.problem) this.withMore(() => this.draw());
  }

  refused(error: unknown): void {
    const code = (error as { code?: unknown } | null)?.code;
    const { words } = this;
    this.problem =
      code === "unknown_command"
        ? words.t("not_running")
        : code === "not_found"
          ? words.t("not_found")
          : words.t("no_connection", { reason: reason(error, this.words) });
    this.draw();
  }

  private rankAnew(): void {
    const now = Date.now();
    if (document.hidden || this.details || this.actor.isAsking || this.mode !== "picture") return;
    if (now - this.ranked < RANKING_AGE || now - this.touched < IDLE) return;
    this.reorder = true;
    this.subscribe();
  }

  // ---- what is seen

  /** Around everything: the card or the page. */
  protected abstract frame(content: unknown): unknown;

  protected override template(): unknown {
    if (!this.current || !this.hasTexts) return nothing;
    const { picture, words } = this;
    const content = html`<div class="view">
      ${head(this, {
        choose: (window) => this.choose({ window }),
        turn: (mode) => this.turn(mode),
        back: () => this.focusOn({}),
      })}
      ${banners(this)}
      ${
        picture
          ? this.content(picture)
          : this.problem
            ? nothing
            : html`<p class="empty" role="status">${words.t("loading")}</p>`
      }
      ${notes(this)} ${this.actor.notice()}
    </div>`;
    return html`${this.frame(content)} ${this.details?.template() ?? nothing} ${this.actor.confirmation()}`;
  }

  protected override drawn(): void {
    for (const dialog of this.dialogs(":not([aria-modal])")) {
      // One that was closed may still be here: it is not to be opened again.
      dialog.ariaModal = "true";
      dialog.showModal();
    }
    this.table?.drawn(this.root);
  }

  /** What belongs to the focus, before and after the picture: on a phone the picture comes before most of it. */
  private around(picture: Picture): [before: unknown, after: unknown] {
    const { focus } = picture;
    const { more } = this;
    if (focus) this.needMore();
    if (!focus || !more) return [nothing, nothing];
    if (focus.kind === "destination") return [more.destinationHead(this, picture, focus), nothing];
    const { first, rest } = more.deviceHead(this, focus, (option) =>
      this.actor.react(this.hass, focus.reaction!.entity_id, option),
    );
    return this.phone ? [first, rest] : [rest, nothing];
  }

  /** Always one template: the parts stay in the page when the focus changes, and the keyboard's place with them. */
  private content(picture: Picture): unknown {
    const only = this.mode === "table" ? undefined : (name: Filter) => this.turn("table", [name]);
    const [before, after] = this.around(picture);
    return html`${summary(this.words, picture, only)} ${before} ${this.body(picture)} ${after}`;
  }

  private body(picture: Picture): unknown {
    const { words, mode, target, more } = this;
    if (mode !== "picture" && !more) {
      this.needMore();
      return html`<p class="empty" role="status">${words.t("loading")}</p>`;
    }
    if (more && mode === "timeline" && target.device) {
      if (this.timeline?.device !== target.device) this.timeline = new more.TimelineList(this, target.device);
      return this.timeline.template();
    }
    if (more && mode === "table") {
      this.table ??= new more.TableList(this, (filter) => this.turn("table", filter));
      this.table.show({ ...this.scope, window: this.window, filter: this.filter });
      return this.table.template();
    }
    if (!picture.devices.length) return html`<p class="empty">${words.t("empty")}</p>`;
    return html`${this.drawing.template(picture, this.limit)}
    ${this.phone && !picture.focus ? nothing : legend(words)}`;
  }

  // ---- going about

  private choose(wish: { window: Window }): void {
    if (wish.window === this.window) return;
    this.window = wish.window;
    this.reorder = true;
    this.subscribe();
    this.draw();
  }

  private turn(mode: Mode, filter = this.filter): void {
    this.mode = mode;
    this.filter = filter;
    if (mode !== "table") {
      this.table?.stop();
      this.table = null;
    }
    if (mode !== "timeline") this.timeline = null;
    this.draw();
  }

  /** The card got another configuration. */
  protected configure(config: Config): void {
    this.config = config;
    this.window = config.window ?? "1h";
    this.reorder = true;
    this.turn(config.view ?? "picture");
    this.focusOn({}, true);
  }

  protected focusOn(on: FocusOn, isSilent = false): void {
    this.on = on;
    this.columns.hosts.reset();
    if (!this.target.device && this.mode === "timeline") this.turn("picture");
    this.subscribe();
    this.draw();
    if (!isSilent) this.focused(on);
  }

  /** The user has put the focus elsewhere. */
  protected focused(_on: FocusOn): void {}

  private pick(side: Side, key: string): void {
    const { picture } = this;
    const focus = picture?.focus;
    if (side === "hosts") {
      const host = picture?.hosts.find((row) => row.key === key);
      if (!host || focus?.kind !== "device") return;
      return this.show({
        device: focus.id,
        group: host.group,
        host: host.host,
        protocol: host.protocol,
        port: host.port,
      });
    }
    if (side === "devices" && focus?.kind === "destination") {
      if (picture!.links.some((link) => link.device === key))
        return this.show({ device: key, group: focus.group });
      return this.focusOn({ device: key });
    }
    const isSame = focus && (focus.kind === "device" ? focus.id : focus.group) === key;
    if (isSame) return this.isFixed ? undefined : this.focusOn({});
    this.focusOn(side === "devices" ? { device: key } : { destination: key });
  }

  private expand(side: Side): void {
    const column = this.columns[side];
    if (column.isFull) return this.turn("table");
    column.expand();
    const there = this.picture?.[side].length ?? 0;
    if (this.picture?.more[side] && Math.min(column.wanted(this.limit), MOST_ROWS) > there) this.subscribe();
    this.draw();
  }

  private readonly escape = (event: KeyboardEvent): void => {
    const isModal = this.details || this.actor.isAsking;
    if (event.key !== "Escape" || isModal || !(this.on.device || this.on.destination)) return;
    if ((event.composedPath()[0] as Element).matches("input, select")) return;
    event.stopPropagation();
    this.focusOn({});
  };

  show(pair: Pair): void {
    this.withMore(({ DetailsDialog }) => this.open((end) => new DetailsDialog(this, pair, end)));
  }

  ask(ask: Ask): void {
    this.actor.ask(ask);
  }

  open(make: (end: () => void) => Dialog, ...styles: string[]): void {
    this.dress(styles);
    this.details = make(() => {
      this.details = null;
      this.draw();
    });
    this.draw();
  }

  page(device: string): void {
    this.closeDialogs();
    navigate(`/config/devices/device/${device}`);
  }

  /** The uppermost first: the keyboard's focus goes back from one to the other. */
  private closeDialogs(): void {
    for (const dialog of this.dialogs("[open]").reverse()) dialog.close();
  }

  private dialogs(which: string): HTMLDialogElement[] {
    return [...this.root.querySelectorAll<HTMLDialogElement>(`dialog${which}`)];
  }
}
