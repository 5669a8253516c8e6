import { html, svg } from "lit";

const paths = {
  sessions: svg`<path d="M4 6h16M4 12h16M4 18h10"/>`,
  trash: svg`<path d="M4 7h16M10 7V4h4v3M6.5 7l1 13h9l1-13M10 11v5M14 11v5"/>`,
  history: svg`<path d="M12 7v5l3.5 2"/><path d="M4 12a8 8 0 1 0 2.6-5.9M4 4.5V9h4.5"/>`,
  overview: svg`<path d="M4 20V11M10 20V5M16 20v-7M21 20H3"/>`,
  search: svg`<circle cx="11" cy="11" r="6"/><path d="m20 20-4.5-4.5"/>`,
  keep: svg`<path d="M12 3 5 6v6c0 4.5 3 7.500 7 9 4-1.500 7-4.500 7-9V6z"/>`,
  close: svg`<path d="M12 4v8"/><path d="M7 6.800a7.500 7.500 0 1 0 10 0"/>`,
  reopen: svg`<path d="M5 12a7 7 0 1 0 2.300-5.200M5 4.500V9h4.500"/>`,
  warn: svg`<path d="M12 4 2.500 20h19z"/><path d="M12 10v4.500M12 17.200v.1"/>`,
  lock: svg`<rect x="5" y="11" width="14" height="9" rx="2"/><path d="M8 11V8a4 4 0 0 1 8 0v3"/>`,
  theme: svg`<circle cx="12" cy="12" r="8"/><path d="M12 4a8 8 0 0 1 0 16z" fill="currentColor"/>`,
  out: svg`<path d="M10 4H5v16h5M14 8l4 4-4 4M18 12H9"/>`,
  tag: svg`<path d="M4 5h7l9 9-6 6-9-9z"/><circle cx="8.500" cy="9" r="1"/>`,
  pause: svg`<path d="M9 5v14M15 5v14"/>`,
  x: svg`<path d="m6 6 12 12M18 6 6 18"/>`,
  box: svg`<path d="M4 8h16v11a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1zM3 4h18v4H3zM10 12h4"/>`,
  check: svg`<path d="m5 12.500 4.500 4.500L19 7.500"/>`,
  brand: svg`<circle cx="12" cy="12" r="8" opacity=".3"/><path d="M12 4a8 8 0 1 1-8 8"/>`,
};
export type Icon = keyof typeof paths;

export const icon = (name: Icon) =>
  html`<svg viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor" stroke-width=${name === "brand" ? 3.5 : 1.8} stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">${paths[name]}</svg>`;

/** ring shows which part of a time is left, or a sign where no time runs. */
export const ring = (state: string, left: number | null) => {
  const r = 13,
    round = 2 * Math.PI * r;
  return svg`<svg class="ring" viewBox="0 0 34 34" fill="none" aria-hidden="true">
    <circle class="track" cx="17" cy="17" r=${r} stroke-width="4"/>
    ${left === null ? "" : svg`<circle cx="17" cy="17" r=${r} stroke="currentColor" stroke-width="4" stroke-linecap="round" stroke-dasharray="${Math.max(0.02, left) * round} ${round}" transform="rotate(-90 17 17)"/>`}
    ${
      state === "protected"
        ? svg`<path d="M17 10.500 11.800 12.700v4.200c0 3.300 2.200 5.300 5.200 6.500 3-1.200 5.200-3.200 5.200-6.500v-4.200z" fill="currentColor"/>`
        : state === "live" || state === "closing"
          ? svg`<circle cx="17" cy="17" r="4.500" fill="currentColor"/>`
          : svg`<rect x="13" y="13" width="8" height="8" rx="2" fill="currentColor"/>`
    }
  </svg>`;
};
