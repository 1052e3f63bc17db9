/** The report of a device as a page or file, and its profile as a MUD file. */

import { html, nothing } from "lit/html.js";
import type { DeviceFocus } from "./contract";
import type { Stage } from "./stage";
import { answer, fileName, follow, save } from "./study-ask";
import type { Mud } from "./study-contract";
import { StudySection } from "./study-section";
import { plainList } from "./words";

const MOST_UNNAMED = 8;

export class ReportStudy extends StudySection {
  private unnamed: string[] = [];

  constructor(stage: Stage, device: DeviceFocus) {
    super(stage, device, "study_report");
  }

  protected get pace(): undefined {
    return undefined;
  }

  protected async read(): Promise<void> {}

  protected content(): unknown {
    const { words } = this.stage;
    const { unnamed } = this;
    return html`<p>${words.t("study_report_why")}</p>
      <div class="buttons">
        <button class="main" @click=${() => this.report(false)}>
          ${words.t("study_report_open")}
        </button>
        <button @click=${() => this.report(true)}>${words.t("study_report_save")}</button>
      </div>
      <p>${words.t("study_mud_why")}</p>
      <div class="buttons">
        <button @click=${this.mud}>${words.t("study_mud_save")}</button>
      </div>
      ${
        unnamed.length
          ? html`<p class="dim">
            ${words.t("study_unnamed", {
              count: words.number(unnamed.length),
              names: plainList(unnamed.slice(0, MOST_UNNAMED)),
            })}
          </p>`
          : nothing
      }`;
  }

  private report(isFile: boolean): void {
    const { hass } = this.stage;
    const { id, name } = this.device;
    const path = `/api/spin/report/${encodeURIComponent(id)}?language=${encodeURIComponent(hass.language)}`;
    void this.perform(() =>
      isFile ? follow(hass, `${path}&download`, fileName(name, ".html")) : follow(hass, path),
    );
  }

  private readonly mud = (): void => {
    const { id, name } = this.device;
    void this.perform(async () => {
      const { mud, unnamed } = await answer<Mud>(this.stage.hass, "export_mud", id);
      this.unnamed = unnamed;
      save(fileName(name, ".mud.json"), mud);
    });
  };
}
