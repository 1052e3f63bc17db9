import { css } from "./css";

/** Colours come from Home Assistant's theme; text is never drawn in a signal colour, so that any theme keeps its contrast. */
export const base = css`
  :host {
    --spin-new: var(--warning-color, #ffa600);
    --spin-blocked: var(--error-color, #db4437);
    --spin-text: var(--primary-text-color, #212121);
    --spin-dim: color-mix(in srgb, var(--spin-text) 74%, transparent);
    --spin-failed: color-mix(in srgb, var(--spin-text) 62%, transparent);
    --spin-partly: var(--spin-blocked);
    --spin-line: var(--divider-color, rgba(0, 0, 0, 0.12));
    --spin-ground: var(--ha-card-background, var(--card-background-color, #fff));
    --spin-accent: var(--primary-color, #009ac7);
    --spin-tonal: color-mix(in srgb, var(--spin-accent) 20%, transparent);
    display: block;
    color: var(--spin-text);
    font-size: 14px;
    line-height: 1.4;
  }
  * {
    box-sizing: border-box;
  }
  h2,
  h3,
  p,
  ul,
  dl,
  dd {
    margin: 0;
    padding: 0;
  }
  ul {
    list-style: none;
  }
  button,
  select,
  input {
    font: inherit;
    color: inherit;
    min-height: 36px;
    border-radius: 18px;
    border: 1px solid var(--spin-line);
    background: none;
    padding: 0 14px;
    max-width: 100%;
  }
  button,
  select {
    cursor: pointer;
  }
  select {
    background: var(--spin-ground);
    padding: 0 8px;
  }
  button {
    display: inline-flex;
    align-items: center;
    justify-content: center;
    gap: 6px;
  }
  button:disabled {
    cursor: default;
    opacity: 0.55;
  }
  button.main {
    background: var(--spin-tonal);
    border-color: transparent;
    font-weight: 500;
  }
  button.danger {
    background: color-mix(in srgb, var(--spin-blocked) 20%, transparent);
    border-color: transparent;
    font-weight: 500;
  }
  button.plain {
    border-color: transparent;
    padding: 0 8px;
  }
  button.bare {
    border: 0;
    padding: 6px;
    min-width: 36px;
  }
  :focus-visible {
    outline: 2px solid var(--spin-text);
    outline-offset: 1px;
  }
  a {
    color: inherit;
  }
  .icon {
    width: 16px;
    height: 16px;
    flex: none;
    fill: currentColor;
    vertical-align: -3px;
  }
  .icon.new {
    fill: var(--spin-new);
  }
  .icon.blocked {
    fill: var(--spin-blocked);
  }
  .icon.failed {
    fill: var(--spin-failed);
  }
  .icon.back:dir(rtl),
  .icon.next:dir(rtl) {
    transform: scaleX(-1);
  }
  .dim {
    color: var(--spin-dim);
  }
  .unseen {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  .segments {
    display: inline-flex;
    border: 1px solid var(--spin-line);
    border-radius: 18px;
    overflow: hidden;
  }
  .segments button {
    border: 0;
    border-radius: 0;
    padding: 0 12px;
    outline-offset: -3px;
  }
  .segments [aria-pressed="true"] {
    background: var(--spin-tonal);
    font-weight: 500;
  }
  /* What is too long is cut off in front: the end says whose it is. */
  .host {
    display: inline-block;
    max-width: 100%;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    direction: rtl;
    vertical-align: bottom;
  }
  .buttons {
    display: flex;
    flex-wrap: wrap;
    gap: 8px;
  }
  .error {
    border-inline-start: 4px solid var(--spin-blocked);
    background: color-mix(in srgb, var(--spin-blocked) 12%, transparent);
    padding: 8px 12px;
    border-radius: 4px;
  }
  @media (pointer: coarse) {
    button,
    select,
    input {
      min-height: 44px;
      border-radius: 22px;
    }
    .segments {
      border-radius: 22px;
    }
  }
  @media (prefers-reduced-motion: no-preference) {
    .row,
    path {
      transition:
        opacity 0.15s,
        background-color 0.15s;
    }
  }
`;
