/** "What does it do without Internet?": starts an experiment, follows it, and tells its result in words. */

import { html, nothing } from "lit/html.js";
import { hostName } from "./host";
import { icon, type Icon } from "./icons";
import type { DeviceFocus } from "./contract";
import type { Stage } from "./stage";
import { act } from "./study-ask";
import { KINDS, type Attempt, type Experiment } from "./study-contract";
import { StudySection, submitted } from "./study-section";
import { plainList, service, type Words } from "./words";

/** While one runs it is read this often (ms). */
const PACE = 2000;
const DURATIONS = [300, 600, 1800, 3600, 14_400];
const USUAL = 600;

const ICONS: Record<Attempt["answer"], Icon> = {
  answered: "allowed",
  refused: "blocked",
  unanswered: "failed",
  pending: "first",
};

/** What came of an attempt, and what it tells. */
export function attemptNotes(words: Words, attempt: Attempt): string[] {
  const { answer, connectivity_check: check, usual, count, after, protocol, port } = attempt;
  return [
    words.named("study_answer", answer),
    check ? words.named("study_check", check) : "",
    usual ? "" : words.t("study_unusual"),
    service(words, protocol, port),
    words.t("study_after_time", { time: words.duration(after) }),
    count > 1 ? words.n("study_tries", count) : "",
  ].filter(Boolean);
}

export class OfflineStudy extends StudySection {
  private experiments: Experiment[] | null = null;
  private chosen = "";
  /** The one whose end was waited for. */
  private followed = "";

  constructor(stage: Stage, device: DeviceFocus) {
    super(stage, device, "study_offline");
  }

  private get running(): Experiment | undefined {
    return this.experiments?.find(({ outcome }) => outcome === "running");
  }

  protected get pace(): number | undefined {
    return this.running ? PACE : undefined;
  }

  protected override get news(): string {
    const { running, experiments } = this;
    const { words } = this.stage;
    if (running) return words.t(`study_running_${running.kind}`);
    const [newest] = experiments ?? [];
    if (!newest || newest.id !== this.followed) return "";
    return words.t(newest.kind === "normal" ? "study_over" : "study_over_back");
  }

  protected async read(): Promise<void> {
    const { connection } = this.stage.hass;
    const request = { type: "spin/experiments", device_id: this.device.id };
    this.experiments = (
      await connection.sendMessagePromise<{ experiments: Experiment[] }>(request)
    ).experiments;
    if (this.running) this.followed = this.running.id;
  }

  protected content(): unknown {
    const { words } = this.stage;
    const { experiments, running } = this;
    if (!experiments) return html`<p>${words.t("loading")}</p>`;
    const shown = running ?? experiments.find(({ id }) => id === this.chosen) ?? experiments[0];
    return html`${running ? this.progress(running) : this.form()}
    ${experiments.length > 1 && !running ? this.earlier(experiments, shown!) : nothing}
    ${shown ? this.result(shown) : nothing}`;
  }

  private form(): unknown {
    const { words, hass } = this.stage;
    const start = submitted((form) => {
      this.chosen = "";
      const data = { kind: form.get("kind"), duration: { seconds: Number(form.get("duration")) } };
      void this.perform(() => act(hass, "start_experiment", this.device.id, data));
    });
    return html`<form @submit=${start}>
      <p>${words.t("study_offline_why")}</p>
      <fieldset>
        <legend>${words.t("study_kind")}</legend>
        ${KINDS.map(
          (kind, index) =>
            html`<label
              ><input type="radio" name="kind" value=${kind} ?checked=${!index} />
              ${words.t(`study_kind_${kind}`)}</label
            >`,
        )}
      </fieldset>
      ${this.choice("duration", words.t("how_long"), DURATIONS, USUAL, (seconds) => words.duration(seconds))}
      <div class="buttons"><button class="main">${words.t("study_start")}</button></div>
    </form>`;
  }

  private progress({ started, ends }: Experiment): unknown {
    const { words, hass } = this.stage;
    const whole = ends - started;
    const left = Math.min(whole, Math.max(0, ends - Date.now() / 1000));
    const stop = () => this.perform(() => act(hass, "stop_experiment", this.device.id));
    return html`<div class="study-progress">
      <progress aria-label=${words.t("study_offline")} max=${whole} .value=${whole - left}></progress>
      <span>${words.t("study_left", { time: words.duration(left) })}</span>
      <button class="danger" @click=${stop}>${words.t("study_stop")}</button>
    </div>`;
  }

  private earlier(experiments: Experiment[], shown: Experiment): unknown {
    const { words } = this.stage;
    const choose = (event: Event): void => {
      this.chosen = (event.target as HTMLSelectElement).value;
      this.stage.draw();
    };
    return html`<label
      >${words.t("study_results")}
      <select @change=${choose}>
        ${experiments.map(
          ({ id, kind, started }) =>
            html`<option value=${id} ?selected=${id === shown.id}>
              ${words.moment(started)}: ${words.t(`study_kind_${kind}`)}
            </option>`,
        )}
      </select></label
    >`;
  }

  private result({ attempts, looked_up_only, omitted, only, outcome, kind, started }: Experiment): unknown {
    const { words } = this.stage;
    const about = [words.moment(started), words.t(`study_kind_${kind}`), words.t(`study_outcome_${outcome}`)];
    return html`<h3>${words.t("study_tried")}</h3>
      ${outcome === "running" ? nothing : html`<p class="dim">${about.join(" · ")}</p>`}
      ${only.length ? html`<p class="dim">${words.t("study_only", { names: plainList(only) })}</p>` : nothing}
      ${
        attempts.length
          ? html`<ol class="attempts">
            ${attempts.map((attempt) => this.attempt(attempt))}
          </ol>`
          : html`<p>${words.t(outcome === "running" ? "study_none_yet" : "study_none")}</p>`
      }
      ${
        looked_up_only.length
          ? html`<p class="dim">${words.t("study_looked_up", { names: plainList(looked_up_only) })}</p>`
          : nothing
      }
      ${omitted ? html`<p class="dim">${words.t("study_omitted", { count: words.number(omitted) })}</p>` : nothing}`;
  }

  private attempt(attempt: Attempt): unknown {
    const { words } = this.stage;
    const { destination, answer, usual } = attempt;
    const [what, ...notes] = attemptNotes(words, attempt);
    return html`<li class=${usual ? "" : "unusual"}>
      ${icon(ICONS[answer] ?? "first")}
      <div>
        <b>${hostName(destination)}</b> ${what}
        <div class="dim">${notes.join(" · ")}</div>
      </div>
    </li>`;
  }
}
