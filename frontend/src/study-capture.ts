/** Records the packets of a device into files for Wireshark; fetches and deletes them. */

import { html, nothing } from "lit/html.js";
import type { DeviceFocus } from "./contract";
import { icon } from "./icons";
import type { Stage } from "./stage";
import { act, follow } from "./study-ask";
import type { Capture, Captures, RunningCapture } from "./study-contract";
import { StudySection, submitted } from "./study-section";
import type { Words } from "./words";

const PACE = 1000;
const DURATIONS = [60, 300, 900, 3600];
const USUAL = 300;
/** Megabytes. */
const SIZES = [5, 20, 100, 500];
const USUAL_SIZE = 20;

/** How it is: when, how long, how much, and whether anything is missing. */
export function captureNotes(words: Words, capture: Capture): string[] {
  const { seconds, packets, bytes, headers_only, complete, reason, dropped, missing } = capture;
  return [
    words.duration(seconds),
    words.n("study_packets", packets),
    words.bytes(bytes),
    headers_only ? words.t("study_headers_only") : "",
    complete ? "" : words.t("study_incomplete", { reason: words.named("study_ended", reason) }),
    dropped ? words.n("study_dropped", dropped) : "",
    missing ? words.t("study_missing", { data: words.bytes(missing) }) : "",
  ].filter(Boolean);
}

export class CaptureStudy extends StudySection {
  private known: Captures | null = null;
  private told = "";
  /** What is deleted when it is asked for once more. */
  private doomed = "";

  constructor(stage: Stage, device: DeviceFocus) {
    super(stage, device, "study_capture");
  }

  private get running(): RunningCapture | undefined {
    return this.known?.running.find(({ device_id }) => device_id === this.device.id);
  }

  private get own(): Capture[] {
    return this.known?.captures.filter(({ mac }) => this.device.macs.includes(mac)) ?? [];
  }

  protected get pace(): number | undefined {
    return this.running ? PACE : undefined;
  }

  protected override get news(): string {
    return this.running ? this.stage.words.t("study_capturing") : this.told;
  }

  protected async read(): Promise<void> {
    const { hass, words } = this.stage;
    const before = this.running && new Set(this.own.map(({ file }) => file));
    this.known = await hass.connection.sendMessagePromise<Captures>({ type: "spin/captures" });
    if (!before || this.running) return;
    const isThere = this.own.some(({ file }) => !before.has(file));
    const reasons = Object.values(this.known.ended);
    const why = reasons.length === 1 ? reasons[0]! : "nothing";
    this.told = isThere
      ? words.t("study_captured")
      : words.t("study_not_captured", { reason: words.named("study_ended", why) });
  }

  protected content(): unknown {
    const { words } = this.stage;
    const { known, running, own } = this;
    if (!known) return html`<p>${words.t("loading")}</p>`;
    return html`${running ? this.progress(running) : this.form()}
    ${
      own.length
        ? html`<h3>${words.t("study_files")}</h3>
          <ul class="files">
            ${own.map((capture) => this.file(capture))}
          </ul>`
        : nothing
    }`;
  }

  private form(): unknown {
    const { words, hass } = this.stage;
    const start = submitted((form) => {
      this.told = "";
      const data = {
        duration: { seconds: Number(form.get("duration")) },
        max_size: Number(form.get("size")),
        headers_only: form.has("headers"),
      };
      void this.perform(() => act(hass, "start_capture", this.device.id, data));
    });
    return html`<form @submit=${start}>
      <p>${words.t("study_capture_why")}</p>
      ${this.choice("duration", words.t("how_long"), DURATIONS, USUAL, (seconds) => words.duration(seconds))}
      ${this.choice("size", words.t("study_size"), SIZES, USUAL_SIZE, (size) => words.bytes(size * 1e6))}
      <label><input type="checkbox" name="headers" /> ${words.t("study_headers_only")}</label>
      <div class="buttons"><button class="main">${words.t("study_start")}</button></div>
    </form>`;
  }

  private progress({ progress, packets, bytes, dropped }: RunningCapture): unknown {
    const { words, hass } = this.stage;
    const stop = () => this.perform(() => act(hass, "stop_capture", this.device.id));
    return html`<div class="study-progress">
      <progress aria-label=${words.t("study_capture")} max="100" .value=${progress}></progress>
      <span
        >${[
          words.n("study_packets", packets),
          words.bytes(bytes),
          dropped ? words.n("study_dropped", dropped) : "",
        ]
          .filter(Boolean)
          .join(" · ")}</span
      >
      <button class="danger" @click=${stop}>${words.t("study_stop")}</button>
    </div>`;
  }

  private file(capture: Capture): unknown {
    const { words, hass } = this.stage;
    const { file, began } = capture;
    const when = words.moment(began);
    const isDoomed = this.doomed === file;
    const fetch = () =>
      this.perform(() => follow(hass, `/api/spin/captures/${encodeURIComponent(file)}`, file));
    const remove = (): void => {
      if (!isDoomed) {
        this.doomed = file;
        return this.stage.draw();
      }
      this.doomed = "";
      void this.perform(async () => {
        await hass.connection.sendMessagePromise({ type: "spin/captures/delete", file });
      });
    };
    return html`<li>
      <div>
        <b>${when}</b>
        <div class="dim">${captureNotes(words, capture).join(" · ")}</div>
      </div>
      <div class="buttons">
        <button aria-label=${words.t("study_fetch", { time: when })} @click=${fetch}>
          ${icon("save")} ${words.t("study_save")}
        </button>
        <button
          class=${isDoomed ? "danger" : "plain"}
          aria-label=${words.t(isDoomed ? "study_really_delete_file" : "study_delete_file", { time: when })}
          @click=${remove}>
          ${words.t(isDoomed ? "study_really_delete" : "study_delete")}
        </button>
      </div>
    </li>`;
  }
}
