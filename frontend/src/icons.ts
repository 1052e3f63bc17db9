import { svg, html, type TemplateResult } from "lit/html.js";

const PATHS = {
  new: "M12 1.5l2.7 7.8 7.8 2.7-7.8 2.7L12 22.5l-2.7-7.8L1.5 12l7.8-2.7z",
  blocked:
    "M12 2a10 10 0 1 0 0 20a10 10 0 0 0 0-20zm0 2.6a7.4 7.4 0 0 1 4.3 1.4L6 16.3A7.4 7.4 0 0 1 12 4.6zm0 14.8a7.4 7.4 0 0 1-4.3-1.4L18 7.7A7.4 7.4 0 0 1 12 19.4z",
  failed:
    "M12 2a10 10 0 1 0 0 20a10 10 0 0 0 0-20zm-1.2 14.4h2.4v2.4h-2.4zM12 5.4a4.4 4.4 0 0 1 1.9 8.3c-.5.3-.7.6-.7 1.2h-2.4c0-1.6.8-2.6 2-3.3a1.9 1.9 0 1 0-2.7-1.8H7.7A4.4 4.4 0 0 1 12 5.4z",
  learning: "M6 2v5l4.6 5L6 17v5h12v-5l-4.6-5L18 7V2zm2 2h8v2.3l-4 4.4-4-4.4zm4 9.3l4 4.4V20H8v-2.3z",
  allowed: "M9 15.8l-4-4L3.5 13.3 9 18.8 20.5 7.3 19 5.8z",
  back: "M20 11H8l5.5-5.5L12 4l-8 8 8 8 1.5-1.5L8 13h12z",
  close: "M6.4 5L5 6.4 10.6 12 5 17.6 6.4 19 12 13.4 17.6 19 19 17.6 13.4 12 19 6.4 17.6 5 12 10.6z",
  next: "M9 5.5L15.5 12 9 18.5 7.5 17l5-5-5-5z",
  save: "M11 3h2v9.2l3-3 1.4 1.4-5.4 5.4-5.4-5.4L8 9.2l3 3zM5 19h14v2H5z",
  sent: "M12 5l7 8h-4.5v6h-5v-6H5z",
  received: "M12 19l-7-8h4.5V5h5v6H19z",
  first: "M12 5a7 7 0 1 0 0 14a7 7 0 0 0 0-14zm0 2.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 0 1 0-9z",
  restored: "M12 6a6 6 0 1 0 0 12a6 6 0 0 0 0-12z",
  alarm: "M12 2.5L1 21.5h22zM11 10h2v5h-2zm0 6.5h2v2h-2z",
  update: "M12 4a8 8 0 0 1 7.5 5.2l-2 .7A6 6 0 1 0 18 13h-3l4-4.5L23 13h-3a8 8 0 1 1-8-9z",
} as const;

export type Icon = keyof typeof PATHS;

export const icon = (name: Icon): TemplateResult =>
  html`<svg class="icon ${name}" viewBox="0 0 24 24" aria-hidden="true">
    ${svg`<path fill-rule="evenodd" d=${PATHS[name]} />`}
  </svg>`;
