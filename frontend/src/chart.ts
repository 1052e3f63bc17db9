/** The traffic of the window as bars: received upwards, sent downwards from one line. */

import { html, svg } from "lit/html.js";
import type { Chart } from "./contract";
import { icon } from "./icons";
import type { Words } from "./words";

const HALF = 22;

const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);

export function chart(words: Words, { start, sent, received }: Chart): unknown {
  const peak = Math.max(1, ...sent, ...received);
  const bars = (values: number[], direction: number): string =>
    values
      .map((value, index) => {
        const height = value && Math.max(1, Math.round((value / peak) * HALF * 2) / 2);
        return height ? `M${index} ${HALF}h.8v${direction * height}h-.8z` : "";
      })
      .join("");
  const [up, down] = [words.bytes(sum(sent)), words.bytes(sum(received))];
  return html`<figure class="chart">
    <svg
      viewBox="0 0 ${sent.length || 1} ${2 * HALF}"
      preserveAspectRatio="none"
      role="img"
      aria-label=${words.t("chart", { sent: up, received: down })}>
      ${svg`<path class="in" d=${bars(received, -1)} /><path class="out" d=${bars(sent, 1)} />`}
    </svg>
    <figcaption>
      <span>${words.moment(start)}</span>
      <span>${icon("received")} ${words.t("received")} ${down}</span>
      <span>${icon("sent")} ${words.t("sent")} ${up}</span>
      <span>${words.t("now")}</span>
    </figcaption>
  </figure>`;
}
