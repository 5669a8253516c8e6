import { html, nothing, svg } from "lit";
import type { Key, Words } from "./i18n.ts";

/** Part is some of all sessions: its color, its name, how many there are, and the status that selects them. */
export type Part = [tone: string, name: Key, n: number, status: string];

/** parts are all sessions by state. Protected ones are open or closed, too; the figures do not say which. Due ones are never protected. */
export const parts = (active: number, toDeactivate: number, inactive: number, toDelete: number): Part[] => [
  ["live", "s_active", active - toDeactivate, ""],
  ["closing", "s_to_deactivate", toDeactivate, "to_deactivate"],
  ["closed", "s_inactive", inactive - toDelete, ""],
  ["deleting", "s_to_delete", toDelete, "to_delete"],
];

/** bar is one bar of all sessions, with its figures as text. */
export function bar(w: Words, all: Part[], named: (text: unknown, part: Part) => unknown = (text) => text) {
  const total = all.reduce((sum, [, , n]) => sum + n, 0);
  let x = 0;
  const rects = all.map(([tone, , n]) => {
    const from = x,
      width = (1000 * n) / total;
    x += width;
    return n > 0 ? svg`<rect class=${tone} x=${from} y="0" width=${Math.max(4, width - 3)} height="20" rx="4" fill="var(--c)"/>` : nothing;
  });
  return html`<svg viewBox="0 0 1000 20" width="100%" height="12" preserveAspectRatio="none" aria-hidden="true">${rects}</svg>
    <ul class="legend">${all.map((p) => html`<li class=${p[0]}><i aria-hidden="true"></i>${named(html`${w.t(p[1])} <strong>${w.number(p[2])}</strong>`, p)}</li>`)}</ul>`;
}
