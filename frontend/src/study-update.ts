/** "What changed since the update?": two periods of a device beside each other. */

import { html, nothing } from "lit/html.js";
import type { DeviceFocus } from "./contract";
import { hostName } from "./host";
import { icon, type Icon } from "./icons";
import type { Stage } from "./stage";
import { act, answer } from "./study-ask";
import type { ComparedName, Compared, Comparison, Period } from "./study-contract";
import { StudySection, submitted } from "./study-section";
import { plain, service, type Words } from "./words";

const MOST_LETTERS = 80;

/** By what a person knows a period. */
export function periodName(words: Words, { label, firmware, began, period }: Period): string {
  const name = label ? plain(label) : firmware && words.t("firmware", { version: plain(firmware) });
  return `${period}: ${name ? `${name}, ` : ""}${words.t("study_since", { time: words.moment(began) })}`;
}

/** What "tcp/443" and its like stand for. */
function serviceNames(words: Words, services: string[]): string {
  const names = services.map((each) => {
    const [protocol = each, port] = plain(each).split("/");
    return service(words, protocol, Number(port));
  });
  return [...new Set(names)].join(", ");
}

export class UpdateStudy extends StudySection {
  private compared: Compared | null = null;
  private readonly pair: Partial<Record<"before" | "after", string>> = {};

  constructor(stage: Stage, device: DeviceFocus) {
    super(stage, device, "study_update");
  }

  protected get pace(): undefined {
    return undefined;
  }

  protected async read(): Promise<void> {
    this.compared = await answer<Compared>(this.stage.hass, "compare_profiles", this.device.id, this.pair);
  }

  protected content(): unknown {
    const { words } = this.stage;
    const { compared } = this;
    if (!compared) return html`<p>${words.t("loading")}</p>`;
    const { periods, comparison } = compared;
    return html`${
      comparison
        ? html`${this.choose(periods, comparison)} ${this.comparison(comparison)}`
        : html`<p>${words.t("study_one_period")}</p>`
    }
    ${this.begin()}`;
  }

  private choose(periods: Period[], comparison: Comparison): unknown {
    const { words } = this.stage;
    const side = (name: "before" | "after") =>
      html`<label
        >${words.t(`study_${name}`)}
        <select
          @change=${(event: Event) => {
            // The other side stays what it is, whatever was meant by default.
            this.pair.before = String(comparison.before.period);
            this.pair.after = String(comparison.after.period);
            this.pair[name] = (event.target as HTMLSelectElement).value;
            void this.reread();
          }}>
          ${periods.map(
            (each) =>
              html`<option value=${each.period} ?selected=${each.period === comparison[name].period}>
                ${periodName(words, each)}
              </option>`,
          )}
        </select></label
      >`;
    return html`${side("before")} ${side("after")}`;
  }

  private comparison(comparison: Comparison): unknown {
    const { words } = this.stage;
    const { names_gone, names_new, names_kept, services_gone, services_new, warnings } = comparison;
    return html`${warnings.map((code) => html`<p class="banner">${words.named("study_warning", code)}</p>`)}
    ${this.names("study_gone", "restored", names_gone)} ${this.names("study_new", "new", names_new)}
    <details>
      <summary>${words.n("study_kept", names_kept.length)}</summary>
      <ul class="names">
        ${names_kept.map((name) => html`<li>${hostName(name)}</li>`)}
      </ul>
    </details>
    ${this.services("study_services_gone", services_gone)} ${this.services("study_services_new", services_new)}
    ${this.figures(comparison)}`;
  }

  private names(title: "study_gone" | "study_new", sign: Icon, names: ComparedName[]): unknown {
    const { words } = this.stage;
    const notes = ({ services, only_without_internet, connectivity_check }: ComparedName) =>
      [
        serviceNames(words, services),
        only_without_internet ? words.t("study_only_offline") : "",
        connectivity_check ? words.named("study_check", connectivity_check) : "",
      ]
        .filter(Boolean)
        .join(" · ");
    return html`<h3>${words.t(title)}</h3>
      ${
        names.length
          ? html`<ul class="names">
            ${names.map(
              (each) =>
                html`<li>
                  ${icon(sign)}
                  <div><b>${hostName(each.name)}</b><div class="dim">${notes(each)}</div></div>
                </li>`,
            )}
          </ul>`
          : html`<p>${words.t("study_no_names")}</p>`
      }`;
  }

  private services(title: "study_services_gone" | "study_services_new", services: string[]): unknown {
    const { words } = this.stage;
    return services.length
      ? html`<p>${words.t(title, { names: serviceNames(words, services) })}</p>`
      : nothing;
  }

  private figures({ before, after }: Comparison): unknown {
    const { words } = this.stage;
    const bytes = (value: number | null) => (value === null ? "–" : words.bytes(value));
    const count = (value: number | null) => (value === null ? "–" : words.number(value));
    const hours = (value: number) => words.duration(value * 3600);
    const rows: [heading: string, value: (period: Period) => string][] = [
      [words.t("study_watched"), (period) => hours(period.exposure_hours)],
      [words.t("study_watched_offline"), (period) => hours(period.without_internet_hours)],
      [words.t("names"), (period) => count(period.names)],
      [words.t("study_sent_daily"), (period) => bytes(period.sent_bytes_per_day)],
      [words.t("study_received_daily"), (period) => bytes(period.received_bytes_per_day)],
      [words.t("study_time_daily"), (period) => count(period.time_requests_per_day)],
    ];
    return html`<div class="grid" tabindex="0" role="region" aria-label=${words.t("study_figures")}>
      <table>
        <tr>
          <td></td>
          <th scope="col">${words.t("study_before")}</th>
          <th scope="col">${words.t("study_after")}</th>
        </tr>
        ${rows.map(
          ([heading, value]) =>
            html`<tr>
              <th scope="row">${heading}</th>
              <td>${value(before)}</td>
              <td>${value(after)}</td>
            </tr>`,
        )}
      </table>
    </div>`;
  }

  private begin(): unknown {
    const { words, hass } = this.stage;
    const start = submitted((filled, form) => {
      const label = String(filled.get("label")).trim();
      void this.perform(async () => {
        await act(hass, "begin_period", this.device.id, label ? { label } : {});
        form.reset();
        delete this.pair.before;
        delete this.pair.after;
      });
    });
    return html`<form @submit=${start}>
      <label>${words.t("study_label")} <input name="label" maxlength=${MOST_LETTERS} /></label>
      <div class="buttons"><button>${words.t("study_begin")}</button></div>
    </form>`;
  }
}
