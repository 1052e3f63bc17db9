import { css } from "./css";

export const dialogStyle = css`
  dialog {
    border: 0;
    padding: 20px 24px;
    width: min(600px, 100vw - 32px);
    max-width: none;
    max-height: calc(100dvh - 48px);
    border-radius: 24px;
    color: var(--spin-text);
    background: var(--spin-ground);
    box-shadow: 0 8px 32px rgba(0, 0, 0, 0.35);
    overflow: auto;
  }
  dialog::backdrop {
    background: rgba(0, 0, 0, 0.45);
  }
  dialog form,
  .content {
    display: grid;
    gap: 14px;
  }
  dialog h2 {
    overflow-wrap: anywhere;
  }
  dialog header {
    flex-wrap: nowrap;
    align-items: start;
  }
  dialog dd,
  dialog .dim {
    overflow-wrap: anywhere;
  }
  dialog label {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 4px 12px;
    min-height: 36px;
  }
  dialog [type="radio"] {
    min-height: 0;
    width: 18px;
    height: 18px;
    margin: 0;
    accent-color: var(--spin-accent);
  }
  fieldset {
    border: 0;
    padding: 0;
    margin: 0;
  }
  legend {
    padding: 0;
    font-weight: 500;
  }
  .end {
    justify-content: flex-end;
  }
  .reasons {
    display: grid;
    gap: 8px;
    font-size: 15px;
  }
  .reasons li {
    display: flex;
    gap: 10px;
  }
  .reasons .icon {
    margin-top: 3px;
  }
  dl {
    display: grid;
    grid-template-columns: minmax(110px, max-content) 1fr;
    gap: 6px 16px;
  }
  dt {
    color: var(--spin-dim);
  }
  .grid {
    overflow: auto;
    max-height: 260px;
    border: 1px solid var(--spin-line);
    border-radius: 8px;
  }
  .grid th,
  .grid td {
    text-align: start;
    padding: 6px 10px;
    font-size: 13px;
    white-space: nowrap;
  }
  .grid th {
    font-weight: 500;
    color: var(--spin-dim);
  }
  summary {
    cursor: pointer;
    min-height: 36px;
    align-content: center;
    font-weight: 500;
  }
  .expert {
    display: grid;
    gap: 8px;
  }
  .expert h3 {
    padding: 8px 0 0;
  }
  code,
  pre {
    margin: 0;
    padding: 8px 10px;
    border-radius: 8px;
    font-size: 12px;
    direction: ltr;
    overflow: auto;
    max-height: 240px;
    overflow-wrap: anywhere;
    background: color-mix(in srgb, var(--spin-text) 7%, transparent);
  }
  .timeline {
    padding: 8px 12px;
  }
  ol {
    list-style: none;
    margin: 0;
    padding: 0;
  }
  .timeline li {
    display: grid;
    grid-template-columns: auto auto 1fr;
    gap: 4px 12px;
    padding: 6px 0;
  }
  .timeline .icon {
    margin-top: 2px;
  }
  .timeline .day {
    display: block;
    position: sticky;
    top: -8px;
    font-weight: 500;
    background: var(--spin-ground);
  }
  .timeline time {
    font-variant-numeric: tabular-nums;
    color: var(--spin-dim);
  }
  .timeline b {
    font-weight: 500;
  }
  .timeline .second {
    color: var(--spin-dim);
  }
  .icon.alarm {
    fill: var(--spin-blocked);
  }
  .device {
    display: grid;
    gap: 10px;
    margin-bottom: 12px;
  }
  .destination {
    display: flex;
    flex-wrap: wrap;
    gap: 8px 16px;
    align-items: center;
    margin-bottom: 12px;
  }
  .destination p {
    flex: 1 1 240px;
    overflow-wrap: anywhere;
  }
  .facts {
    display: flex;
    flex-wrap: wrap;
    gap: 2px 16px;
  }
  .device b {
    font-weight: 500;
    align-self: center;
  }
  .device label {
    display: inline-flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 4px 8px;
  }
  .knob {
    width: 34px;
    height: 20px;
    border-radius: 10px;
    padding: 3px;
    background: color-mix(in srgb, var(--spin-text) 38%, transparent);
  }
  .knob::before {
    content: "";
    display: block;
    width: 14px;
    height: 14px;
    border-radius: 50%;
    background: var(--spin-ground);
  }
  [aria-checked="true"] .knob {
    background: var(--spin-blocked);
  }
  [aria-checked="true"] .knob::before {
    margin-inline-start: auto;
  }
  .chart {
    margin: 0;
  }
  .chart > svg {
    display: block;
    width: 100%;
    height: 44px;
  }
  .chart > svg:dir(rtl) {
    transform: scaleX(-1);
  }
  .in {
    fill: hsl(199 60% 50% / 0.75);
  }
  .out {
    fill: hsl(262 50% 60% / 0.75);
  }
  figcaption {
    display: flex;
    flex-wrap: wrap;
    gap: 0 16px;
    justify-content: space-between;
    font-size: 12px;
    color: var(--spin-dim);
  }
  @media (max-width: 560px) {
    dialog {
      width: 100vw;
      margin: auto 0 0;
      border-radius: 24px 24px 0 0;
      padding: 20px 16px;
    }
  }
  @media print {
    .device label {
      display: none;
    }
  }
`;
