import { css } from "./css";
import { ROW_HEIGHT } from "./table";

export const tableStyle = css`
  .tools {
    display: flex;
    flex-wrap: wrap;
    gap: 8px;
    margin-bottom: 8px;
    align-items: center;
  }
  input[type="search"] {
    flex: 1 1 160px;
    max-width: 320px;
  }
  .chip[aria-pressed="true"] {
    background: var(--spin-tonal);
    border-color: transparent;
    font-weight: 500;
  }
  .list,
  .timeline {
    overflow: auto;
    max-height: min(640px, 75vh);
    border: 1px solid var(--spin-line);
    border-radius: 12px;
  }
  table {
    width: 100%;
    border-collapse: collapse;
  }
  .list table {
    table-layout: fixed;
  }
  .list th {
    position: sticky;
    top: 0;
    z-index: 1;
    background: var(--spin-ground);
    text-align: start;
    padding: 0;
    box-shadow: 0 1px var(--spin-line);
  }
  th button {
    border: 0;
    border-radius: 0;
    width: 100%;
    justify-content: start;
    font-size: 12px;
    font-weight: 500;
    padding: 0 10px;
    gap: 2px;
    white-space: nowrap;
  }
  .number,
  th.number button {
    text-align: end;
    justify-content: end;
    font-variant-numeric: tabular-nums;
  }
  th.wide {
    width: 26%;
  }
  th.who,
  th.status {
    width: 13%;
  }
  th.when {
    width: 14%;
  }
  .list tbody tr {
    height: ${ROW_HEIGHT}px;
  }
  .pair {
    cursor: pointer;
  }
  .pair:hover {
    background: color-mix(in srgb, var(--spin-text) 6%, transparent);
  }
  .list td {
    padding: 0 10px;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    border-bottom: 1px solid var(--spin-line);
  }
  .list .space {
    padding: 0;
    border: 0;
  }
  td .second {
    max-width: 100%;
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .second {
    font-size: 12px;
    line-height: 16px;
  }
  td button {
    border: 0;
    padding: 0;
    border-radius: 4px;
    width: 100%;
    min-height: 44px;
    display: grid;
    justify-items: start;
    justify-content: stretch;
    align-content: center;
    gap: 0;
    text-align: start;
  }
  .often {
    display: none;
  }
  :host([phone]) .rare {
    display: none;
  }
  :host([phone]) td.often,
  :host([phone]) th.often {
    display: table-cell;
  }
  :host([phone]) span.often {
    display: inline;
  }
  :host([phone]) th.wide {
    width: 74%;
  }
  .badges {
    display: flex;
    gap: 0 8px;
    flex-wrap: wrap;
    font-size: 12px;
    line-height: 18px;
    max-height: 36px;
    overflow: hidden;
  }
  @media print {
    .list,
    .timeline {
      max-height: none;
      overflow: visible;
    }
    .tools {
      display: none;
    }
    .list td,
    .list .host {
      direction: inherit;
      overflow-wrap: anywhere;
      white-space: normal;
    }
  }
`;
