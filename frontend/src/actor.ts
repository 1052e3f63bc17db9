/** Does what was asked for, says how it went, and takes it back. */

import { html, nothing } from "lit/html.js";
import type { Confirm } from "./confirm";
import { doneText, inverse, needsConfirming, perform, type Ask, type Choice, type Deed } from "./deeds";
import { reason, type Hass } from "./hass";
import { icon } from "./icons";
import type { More } from "./later";
import type { Stage } from "./stage";
import { plain } from "./words";

const TOAST = 20_000;

interface Toast {
  text: string;
  undo: Deed | null;
  failed: boolean;
}

export class Actor {
  busy = false;
  failure = "";
  private asked: Confirm | null = null;
  private toast: Toast | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly stage: Stage,
    private readonly withMore: (run: (more: More) => void) => void,
    private readonly nameOf: (device: string) => string | undefined,
    /** Whether a dialog shows failures itself. */
    private readonly isTold: () => boolean,
    /** After something was done. */
    private readonly done: () => void,
  ) {}

  get isAsking(): boolean {
    return this.asked !== null;
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  ask(ask: Ask): void {
    if (this.busy) return;
    this.failure = "";
    const { action, devices, destination } = ask;
    const deed = { action, devices, ...(destination === undefined ? {} : { destination }) };
    if (!needsConfirming(action)) return void this.act(deed);
    const run = async (choice: Choice): Promise<void> => {
      const chosen: Deed = { ...deed, ...choice };
      await perform(this.stage.hass, chosen);
      this.succeeded(chosen, true);
    };
    this.withMore(({ Confirm }) => {
      this.asked = new Confirm(this.stage, ask, run, () => {
        this.asked = null;
        this.stage.draw();
      });
      this.stage.draw();
    });
  }

  async react(hass: Hass, entity_id: string, option: string): Promise<void> {
    try {
      await hass.callService("select", "select_option", { option }, { entity_id }, false);
      this.say(this.stage.words.t("done_reaction"));
    } catch (error) {
      const { words } = this.stage;
      this.say(words.t("failed_action", { reason: reason(error, words) }), null, true);
    }
  }

  confirmation(): unknown {
    return this.asked?.template() ?? nothing;
  }

  notice(): unknown {
    const { toast } = this;
    const { words } = this.stage;
    return html`<div class="toasts" role="status">
      ${
        toast
          ? html`<div class="toast ${toast.failed ? "bad" : ""}">
            <span>${toast.text}</span>
            ${
              toast.undo
                ? html`<button @click=${this.undo}>
                  ${words.t("undo")}
                </button>`
                : nothing
            }
            <button class="bare" aria-label=${words.t("close")} @click=${() => this.say("")}>
              ${icon("close")}
            </button>
          </div>`
          : nothing
      }
    </div>`;
  }

  /** The button goes with what it takes back; the keyboard's focus stays in the toast. */
  private readonly undo = (event: Event): void => {
    ((event.currentTarget as Element).nextElementSibling as HTMLElement).focus();
    void this.act(this.toast!.undo!, false);
  };

  private async act(deed: Deed, undoable = true): Promise<void> {
    if (this.busy) return;
    const { stage } = this;
    this.busy = true;
    stage.draw();
    try {
      await perform(stage.hass, deed);
      this.succeeded(deed, undoable);
    } catch (error) {
      this.failure = reason(error, stage.words);
      if (!this.isTold()) this.say(stage.words.t("failed_action", { reason: this.failure }), null, true);
    }
    this.busy = false;
    stage.draw();
  }

  private succeeded(deed: Deed, undoable: boolean): void {
    const { words } = this.stage;
    const name = this.nameOf(deed.devices[0] ?? "");
    const device = deed.devices.length === 1 && name ? plain(name) : words.n("devices", deed.devices.length);
    const text = words.t(doneText(deed), { device, destination: plain(deed.destination ?? "") });
    this.say(text, undoable ? inverse(deed) : null);
    this.done();
  }

  private say(text: string, undo: Deed | null = null, failed = false): void {
    clearTimeout(this.timer);
    this.toast = text ? { text, undo, failed } : null;
    if (text) this.timer = setTimeout(() => this.say(""), TOAST);
    this.stage.draw();
  }
}
