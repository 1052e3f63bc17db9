import { css } from "./css";

export const viewStyle = css`
  .view {
    position: relative;
    padding: 16px;
  }
  header {
    display: flex;
    flex-wrap: wrap;
    gap: 8px 12px;
    align-items: center;
    margin-bottom: 8px;
  }
  h2 {
    font-size: 20px;
    line-height: 1.3;
    font-weight: 500;
    flex: 1 1 160px;
    min-width: 0;
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .summary {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 8px 16px;
    margin-bottom: 12px;
    font-size: 15px;
  }
  .summary .chip {
    border-color: transparent;
    font-weight: 500;
  }
  .summary .chip.new {
    background: color-mix(in srgb, var(--spin-new) 20%, transparent);
  }
  .summary .chip.blocked {
    background: color-mix(in srgb, var(--spin-blocked) 16%, transparent);
  }
  .summary .chip.failed {
    background: color-mix(in srgb, var(--spin-text) 10%, transparent);
  }
  .banner {
    display: flex;
    flex-wrap: wrap;
    gap: 8px;
    align-items: center;
    border-inline-start: 4px solid var(--spin-new);
    background: color-mix(in srgb, var(--spin-new) 12%, transparent);
    padding: 8px 12px;
    border-radius: 4px;
    margin-bottom: 8px;
  }
  .error {
    margin-bottom: 8px;
  }
  .empty {
    padding: 32px 16px;
    text-align: center;
    font-size: 15px;
  }
  .legend {
    display: flex;
    flex-wrap: wrap;
    gap: 4px 20px;
    justify-content: center;
    margin: 12px 0;
    font-size: 12px;
    color: var(--spin-dim);
  }
  .legend li {
    display: flex;
    align-items: center;
    gap: 6px;
  }
  .sample {
    width: 40px;
    height: 18px;
    display: grid;
    place-items: center;
    background: linear-gradient(currentColor, currentColor) center / 100% 3px no-repeat;
  }
  .sample .icon {
    background: var(--spin-ground);
    border-radius: 50%;
  }
  .sample.usual {
    background-size: 100% 8px;
    color: hsl(199 55% 50% / 0.35);
  }
  .sample.new {
    color: var(--spin-new);
  }
  .sample.blocked {
    background: repeating-linear-gradient(
        90deg,
        var(--spin-blocked) 0 7px,
        transparent 7px 12px
      )
      center / 100% 3px no-repeat;
  }
  .sample.failed {
    background: repeating-linear-gradient(90deg, var(--spin-failed) 0 4px, transparent 4px 10px) center / 100%
      4px no-repeat;
  }
  .toasts {
    position: sticky;
    bottom: 12px;
    display: grid;
    justify-items: center;
    pointer-events: none;
    z-index: 2;
  }
  .toast {
    pointer-events: auto;
    margin-top: 12px;
    display: flex;
    align-items: center;
    gap: 8px;
    padding: 6px 8px 6px 16px;
    border-radius: 12px;
    background: var(--spin-text);
    color: var(--spin-ground);
    box-shadow: 0 4px 16px rgba(0, 0, 0, 0.3);
    overflow-wrap: anywhere;
  }
  .toast button {
    border-color: currentColor;
    flex: none;
  }
  .toast.bad {
    border-inline-start: 6px solid var(--spin-blocked);
  }
  :host([phone]) .view {
    padding: 12px 8px;
  }
  .note {
    font-size: 12px;
    margin-top: 8px;
  }
  :host([phone]) header {
    gap: 8px;
  }
  :host([phone]) .summary .buttons {
    gap: 6px;
  }
  :host([phone]) .summary .chip {
    padding: 0 9px;
    font-size: 14px;
  }
  :host([phone]) header h2 {
    flex-basis: 90px;
  }
  :host([phone]) header .periods {
    order: 1;
    flex: 1 0 100%;
  }
  :host([phone]) .periods button {
    flex: 1;
    padding: 0 4px;
  }
  @media print {
    header .segments,
    .bare,
    .segments [aria-pressed="false"],
    .toasts,
    .buttons > :not(b) {
      display: none;
    }
  }
`;
