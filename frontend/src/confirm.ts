/** Asks once, says what will be hit, and stays until the gateway has answered. */

import { html, nothing } from "lit/html.js";
import { closeDialog } from "./dialog";
import { DURATIONS, isBlock, type Ask, type Choice } from "./deeds";
import { reason } from "./hass";
import type { Stage } from "./stage";
import type { Text } from "./texts";
import { plain, plainList } from "./words";

export class Confirm {
  private busy = false;
  private error = "";

  constructor(
    private readonly stage: Stage,
    private readonly what: Ask,
    /** Does it; what it throws is shown. */
    private readonly run: (choice: Choice) => Promise<void>,
    private readonly end: () => void,
  ) {}

  template(): unknown {
    const { what, busy, error } = this;
    const { words } = this.stage;
    const { action, name, destination, group, shares } = what;
    const values = { device: name, destination: plain(destination ?? "") };
    const block = isBlock(action);
    const scope = (value: string, key: Text) =>
      html`<label
        ><input type="radio" name="scope" value=${value} ?checked=${value === destination} />
        ${words.t(key, { destination: plain(value) })}</label
      >`;
    return html`<dialog
      class="confirm"
      aria-labelledby="asked"
      @cancel=${(event: Event) => busy && event.preventDefault()}
      @close=${this.end}>
      <form @submit=${this.submit}>
        <h2 id="asked">${words.t(`confirm_${action}` as Text, values)}</h2>
        <p>${words.t(`confirm_${action}_why` as Text, values)}</p>
        ${
          action === "block_destination" && group && group !== destination
            ? html`<fieldset>
              <legend>${words.t("scope")}</legend>
              ${scope(destination!, "scope_host")} ${scope(group, "scope_group")}
            </fieldset>`
            : nothing
        }
        ${
          block
            ? html`<label
              >${words.t("how_long")}
              <select name="duration">
                ${DURATIONS.map(
                  (seconds) =>
                    html`<option value=${seconds}>
                      ${seconds ? words.duration(seconds) : words.t("until_unblocked")}
                    </option>`,
                )}
              </select></label
            >`
            : nothing
        }
        ${(["names", "devices"] as const).map((kind) =>
          shares?.[kind].length
            ? html`<p class="dim">${words.t(`shares_${kind}`, { names: plainList(shares[kind]) })}</p>`
            : nothing,
        )}
        <div role="status">
          ${busy ? words.t("waiting") : nothing}
          ${error ? html`<p class="error">${words.t("failed_action", { reason: error })}</p>` : nothing}
        </div>
        <div class="buttons end">
          <button type="button" ?disabled=${busy} @click=${closeDialog}>${words.t("cancel")}</button>
          <button class=${block ? "danger" : "main"}>${words.t(`do_${action}`)}</button>
        </div>
      </form>
    </dialog>`;
  }

  private readonly submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (this.busy) return;
    const form = new FormData(event.target as HTMLFormElement);
    const destination = (form.get("scope") as string | null) ?? this.what.destination;
    const duration = Number(form.get("duration"));
    this.busy = true;
    this.stage.draw();
    try {
      await this.run({
        ...(destination === undefined ? {} : { destination }),
        ...(duration ? { duration } : {}),
      });
    } catch (error) {
      this.busy = false;
      this.error = reason(error, this.stage.words);
    }
    this.stage.draw();
  };
}
