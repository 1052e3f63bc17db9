/** The studies of one device, in a dialog: each opens by itself. Loaded when somebody asks for it. */

import { html } from "lit/html.js";
import type { DeviceFocus } from "./contract";
import { closeDialog, closeOutside } from "./dialog";
import { icon } from "./icons";
import type { Stage } from "./stage";
import { CaptureStudy } from "./study-capture";
import { OfflineStudy } from "./study-offline";
import { ReportStudy } from "./study-report";
import type { StudySection } from "./study-section";
import { UpdateStudy } from "./study-update";
import { plain } from "./words";

export { studyStyle } from "./study-style";

export class StudiesDialog {
  private readonly sections: StudySection[];

  constructor(
    private readonly stage: Stage,
    private readonly device: DeviceFocus,
    private readonly end: () => void,
  ) {
    this.sections = [OfflineStudy, UpdateStudy, CaptureStudy, ReportStudy].map(
      (section) => new section(stage, device),
    );
    this.sections[0]!.toggle(true);
  }

  stop(): void {
    for (const section of this.sections) section.toggle(false);
  }

  template(): unknown {
    const { words } = this.stage;
    const close = (): void => {
      this.stop();
      this.end();
    };
    return html`<dialog class="studies" aria-labelledby="studies" @close=${close} @click=${closeOutside}>
      <header>
        <h2 id="studies">${words.t("studies_of", { device: plain(this.device.name) })}</h2>
        <button class="bare" aria-label=${words.t("close")} @click=${closeDialog}>${icon("close")}</button>
      </header>
      ${this.sections.map((section) => section.template())}
    </dialog>`;
  }
}
