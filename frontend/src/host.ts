import { html, type TemplateResult } from "lit/html.js";
import { plain } from "./words";

/** A host name, always written left to right, shortened in front of what says whose it is. */
export function hostName(host: string, group = host): TemplateResult {
  const shown = plain(host);
  const end = plain(group);
  const whole = shown === end || !shown.endsWith(`.${end}`);
  const head = whole ? "" : shown.slice(0, -end.length);
  return html`<span class="host" title=${shown}
    ><bdi dir="ltr">${head}<span class="tail">${whole ? shown : end}</span></bdi></span
  >`;
}
