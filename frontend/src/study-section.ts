/** One study in the dialog: reads while it is open, does one thing at a time, and says what failed. */

import { html, nothing } from "lit/html.js";
import type { DeviceFocus } from "./contract";
import { reason } from "./hass";
import type { Stage } from "./stage";
import type { Text } from "./texts";

export abstract class StudySection {
  private busy = false;
  private isOpen = false;
  private isReading = false;
  private unread = "";
  private failure = "";
  private timer: ReturnType<typeof setTimeout> | undefined;
  private element: Element | undefined;

  constructor(
    protected readonly stage: Stage,
    protected readonly device: DeviceFocus,
    readonly title: Text,
  ) {}

  protected abstract read(): Promise<void>;
  /** After how many milliseconds it is to be read again; none: not by itself. */
  protected abstract get pace(): number | undefined;
  protected abstract content(): unknown;
  /** What a screen reader is told when it changes. */
  protected get news(): string {
    return "";
  }

  toggle(isOpen: boolean): void {
    if (isOpen === this.isOpen) return;
    this.isOpen = isOpen;
    clearTimeout(this.timer);
    if (isOpen) void this.reread();
  }

  protected async reread(): Promise<void> {
    if (this.isReading) return;
    this.isReading = true;
    clearTimeout(this.timer);
    try {
      await this.read();
      this.unread = "";
    } catch (error) {
      this.unread = reason(error, this.stage.words);
    }
    this.isReading = false;
    this.drawInFocus();
    if (this.isOpen && this.pace && this.stage.isConnected)
      this.timer = setTimeout(() => void this.reread(), this.pace);
  }

  /** Does something that the user asked for, then reads how it is now. */
  protected async perform(deed: () => Promise<void>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.failure = "";
    this.stage.draw();
    try {
      await deed();
    } catch (error) {
      this.failure = reason(error, this.stage.words);
    }
    this.busy = false;
    await this.reread();
  }

  /** When what had the keyboard's focus is gone, what came in its place has it, else the heading. */
  private drawInFocus(): void {
    const { element } = this;
    const hadFocus = element?.matches(":focus-within");
    this.stage.draw();
    queueMicrotask(() => {
      if (!hadFocus || element!.matches(":focus-within")) return;
      const button = element!.querySelector<HTMLElement>("button.main, button.danger");
      (button ?? element!.querySelector("summary"))?.focus();
    });
  }

  template(): unknown {
    const { words } = this.stage;
    const { busy, failure, unread } = this;
    return html`<details
      class="study"
      ?open=${this.isOpen}
      @toggle=${(event: Event) => {
        if (event.target !== event.currentTarget) return;
        this.element = event.target as Element;
        this.toggle((event.target as HTMLDetailsElement).open);
        this.stage.draw();
      }}>
      <summary>${words.t(this.title)}</summary>
      ${
        this.isOpen
          ? html`<div class="study-body">
            ${unread ? html`<p class="error">${words.t("no_data", { reason: unread })}</p>` : nothing}
            <div role="status">
              ${busy ? words.t("waiting") : this.news}
              ${failure ? html`<p class="error">${words.t("failed_action", { reason: failure })}</p>` : nothing}
            </div>
            ${this.content()}
          </div>`
          : nothing
      }
    </details>`;
  }

  /** A choice in a form. */
  protected choice(
    name: string,
    label: string,
    values: readonly number[],
    chosen: number,
    text: (value: number) => string,
  ) {
    return html`<label
      >${label}
      <select name=${name}>
        ${values.map((value) => html`<option value=${value} ?selected=${value === chosen}>${text(value)}</option>`)}
      </select></label
    >`;
  }
}

/** Handles a form's submission with what was filled in. */
export const submitted =
  (run: (filled: FormData, form: HTMLFormElement) => void) =>
  (event: Event): void => {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    run(new FormData(form), form);
  };
