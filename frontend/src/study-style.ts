import { css } from "./css";

export const studyStyle = css`
  .study {
    border-top: 1px solid var(--spin-line);
  }
  .study > summary {
    min-height: 44px;
    font-size: 15px;
  }
  .study-body {
    display: grid;
    gap: 14px;
    padding: 0 0 16px;
  }
  .study [role="status"] {
    font-weight: 500;
  }
  .study-progress {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 8px 12px;
  }
  progress {
    flex: 1 1 160px;
    height: 10px;
    appearance: none;
    border: 0;
    border-radius: 5px;
    overflow: hidden;
    background: color-mix(in srgb, var(--spin-text) 15%, transparent);
  }
  progress::-webkit-progress-bar {
    background: none;
  }
  progress::-webkit-progress-value {
    background: var(--spin-accent);
  }
  progress::-moz-progress-bar {
    background: var(--spin-accent);
  }
  .study h3 {
    padding: 0;
  }
  dialog [type="checkbox"] {
    min-height: 0;
    width: 18px;
    height: 18px;
    margin: 0;
    accent-color: var(--spin-accent);
  }
  .attempts {
    counter-reset: attempt;
  }
  .attempts li {
    counter-increment: attempt;
    display: grid;
    grid-template-columns: 2em auto 1fr;
    gap: 4px 8px;
    padding: 6px 8px;
    border-radius: 8px;
  }
  .attempts li::before {
    content: counter(attempt);
    text-align: end;
    color: var(--spin-dim);
    font-variant-numeric: tabular-nums;
  }
  .attempts .unusual {
    background: color-mix(in srgb, var(--spin-new) 14%, transparent);
  }
  .attempts .icon,
  .names .icon {
    margin-top: 2px;
  }
  .study b {
    font-weight: 500;
  }
  .names li {
    display: flex;
    gap: 8px;
    padding: 4px 0;
  }
  .names .host,
  .attempts .host {
    max-width: 100%;
  }
  .files li {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    justify-content: space-between;
    gap: 4px 12px;
    padding: 8px 0;
    border-top: 1px solid var(--spin-line);
  }
  .files li > :first-child {
    flex: 1 1 220px;
  }
`;
