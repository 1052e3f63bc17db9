import { css } from "./css";
import { ROW } from "./layout";

export const pictureStyle = css`
  .picture {
    display: grid;
    grid-template-columns: minmax(0, 9fr) minmax(80px, 7fr) minmax(0, 8fr);
    position: relative;
  }
  h3 {
    font-size: 12px;
    font-weight: 500;
    color: var(--spin-dim);
    padding: 0 12px 4px;
  }
  h3.right {
    grid-column: 3;
  }
  .ribbons {
    position: relative;
  }
  svg.flow {
    display: block;
    width: 100%;
    overflow: visible;
  }
  svg.flow:dir(rtl) {
    transform: scaleX(-1);
  }
  .band {
    stroke: none;
  }
  .line {
    fill: none;
    vector-effect: non-scaling-stroke;
    stroke-linecap: round;
  }
  .line.new {
    stroke: var(--spin-new);
  }
  .line.blocked,
  .line.partly {
    stroke: var(--spin-blocked);
    stroke-dasharray: 8 7;
  }
  .line.failed {
    stroke: var(--spin-failed);
    stroke-dasharray: 1 8;
  }
  .line.hit {
    stroke: transparent;
    stroke-width: 16;
    pointer-events: stroke;
    cursor: pointer;
  }
  .faded {
    opacity: 0.35;
  }
  .mark {
    position: absolute;
    margin-inline-start: -11px;
    margin-top: -11px;
    width: 22px;
    height: 22px;
    border-radius: 50%;
    background: var(--spin-ground);
    display: grid;
    place-items: center;
    pointer-events: none;
  }
  .mark.faded {
    display: none;
  }
  .mark .icon {
    width: 18px;
    height: 18px;
  }
  .row {
    width: 100%;
    height: ${ROW}px;
    min-height: 0;
    border: 0;
    border-radius: 10px;
    padding: 0 10px;
    gap: 10px;
    justify-content: start;
    text-align: start;
    outline-offset: -2px;
  }
  [data-side] li {
    height: ${ROW}px;
    padding: 1px 0;
    content-visibility: auto;
    contain-intrinsic-size: auto ${ROW}px;
  }
  .row:hover {
    background: color-mix(in srgb, var(--spin-text) 7%, transparent);
  }
  .row.new {
    background: color-mix(in srgb, var(--spin-new) 16%, transparent);
  }
  .row.blocked {
    background: color-mix(in srgb, var(--spin-blocked) 12%, transparent);
  }
  .row.failed {
    background: color-mix(in srgb, var(--spin-text) 8%, transparent);
  }
  .row.aside {
    background: none;
  }
  .row[aria-pressed="true"] {
    background: var(--spin-tonal);
  }
  .row.off .avatar,
  .row.off .dot {
    opacity: 0.4;
  }
  .avatar {
    flex: none;
    width: 32px;
    height: 32px;
    border-radius: 50%;
    display: grid;
    place-items: center;
    font-weight: 500;
    background: hsl(var(--hue) 60% 50% / 0.25);
  }
  .dot {
    flex: none;
    width: 8px;
    height: 24px;
    border-radius: 4px;
    background: color-mix(in srgb, var(--spin-text) 22%, transparent);
  }
  .dot.new {
    background: var(--spin-new);
  }
  .dot.blocked {
    background: var(--spin-blocked);
  }
  .dot.failed {
    background: var(--spin-failed);
  }
  .text {
    min-width: 0;
    flex: 1;
    display: grid;
  }
  .name {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    font-weight: 500;
  }
  .name .host {
    font-weight: 400;
  }
  .name .tail {
    font-weight: 500;
  }
  .text .second {
    font-size: 12px;
    line-height: 16px;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    color: var(--spin-dim);
  }
  .second b {
    font-weight: 500;
    color: var(--spin-text);
  }
  .second .icon {
    width: 14px;
    height: 14px;
    vertical-align: -2px;
  }
  .more {
    width: 100%;
    min-height: 40px;
    justify-content: start;
    border: 0;
    color: var(--spin-dim);
  }
  .lists .segments {
    margin-bottom: 8px;
  }
  :host([phone]) .picture.device {
    grid-template-columns: 40px 56px minmax(0, 1fr);
  }
  :host([phone]) .picture.destination {
    grid-template-columns: minmax(0, 1fr) 56px 40px;
  }
  .node {
    position: relative;
  }
  .node .avatar {
    position: absolute;
    inset-inline-start: 4px;
  }
  .node.groups .avatar {
    border-radius: 10px;
    background: color-mix(in srgb, var(--spin-text) 12%, transparent);
  }
  @media print {
    :host {
      --primary-text-color: #212121;
      --spin-ground: #fff;
    }
    .row,
    .legend,
    [data-side] li {
      break-inside: avoid;
      content-visibility: visible;
      print-color-adjust: exact;
    }
  }
`;
