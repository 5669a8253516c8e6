import { html, nothing } from "lit";
import type { Due, Policy } from "./api.ts";
import { View } from "./base.ts";
import type { Key } from "./i18n.ts";
import { would } from "./policy.ts";

// The stops of the sliders; the value in force is one more. The last is "never".
const scales: Record<string, { label: Key; unit: Key; stops: number[] }> = {
  inactive_hours: { label: "inactiveHours", unit: "hoursCount", stops: [1, 2, 3, 6, 12, 24, 36, 48, 72, 120, 168, 336, 720, 1440, 2160] },
  delete_old_days: { label: "deleteDays", unit: "keepDays", stops: [1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 90, 120, 180, 270, 365] },
};
type Name = "inactive_hours" | "delete_old_days";

/** WhatIfView has a slider for each threshold, and says what the next cleanup would do with them: what a dry run says. */
export class WhatIfView extends View {
  static properties = { ...View.properties, chosen: { state: true }, due: { state: true }, now: { state: true }, busy: { state: true } };
  declare chosen: Partial<Record<Name, number | null>>; // null is never
  declare due?: Due | null;
  declare now?: Due | null; // as the policy is
  declare busy: boolean;

  constructor() {
    super();
    this.chosen = {};
    this.busy = false;
  }

  protected firstUpdated() {} // it reads nothing before a slider moves

  async load() {
    this.busy = true;
    const p = await this.newest((signal) => this.frame.api.get<Policy>("/policy", this.query(), signal).finally(() => signal.aborted || (this.busy = false)));
    if (!p) return;
    this.now = p.due;
    this.due = p.proposed ?? p.due;
    if (!this.due) this.loadIn(2000);
  }

  private query() {
    return Object.fromEntries(Object.entries(this.chosen).map(([k, v]) => [k, v === null ? "never" : String(v)]));
  }

  private stops(name: Name): (number | null)[] {
    const inForce = this.frame.me[name];
    return [...new Set([...scales[name].stops, ...(inForce === null ? [] : [inForce])])].sort((a, b) => a - b).concat(NaN).map((n) => (Number.isNaN(n) ? null : n));
  }

  private value(name: Name): number | null {
    const v = this.chosen[name];
    return v === undefined ? this.frame.me[name] : v;
  }

  private said(name: Name, v: number | null) {
    return v === null ? this.t("never") : this.t(scales[name].unit, { n: v });
  }

  private move(name: Name, e: Event) {
    const v = this.stops(name)[Number((e.target as HTMLInputElement).value)];
    this.chosen = { ...this.chosen, [name]: v };
    if (v === this.frame.me[name]) delete this.chosen[name];
    this.forgo();
    this.busy = true;
    this.loadIn(300); // a dry run for each place where it stays
  }

  render() {
    if (!this.frame) return nothing;
    const moved = Object.keys(this.chosen).length > 0;
    return html`<form class="card pad" data-whatif @submit=${(e: Event) => e.preventDefault()}><h3>${this.t("whatIf")}</h3><p class="muted">${this.t("whatIfHint")}</p>
      <div class="fields">${(Object.keys(scales) as Name[]).map((name) => this.slider(name))}</div>
      ${
        this.due !== undefined || this.busy
          ? html`<div class="result" role="status" aria-busy=${this.busy}><strong class=${this.busy && this.due ? "stale" : ""}>${would(this.frame.words, this.due ?? null)}</strong>
        ${moved && !this.busy && this.now ? html`<p class="muted">${this.t("policyNow", { now: would(this.frame.words, this.now) })}</p>` : nothing}
        ${moved ? html`<div class="acts start"><button type="button" data-act="to-policy" @click=${() => this.frame.go("policy", this.query())}>${this.t("toPolicy")}</button><button type="button" data-act="as-it-is" @click=${this.reset}>${this.t("asItIs")}</button></div>` : nothing}</div>`
          : nothing
      }</form>`;
  }

  private reset() {
    this.chosen = {};
    this.loadIn(0);
  }

  private slider(name: Name) {
    const stops = this.stops(name),
      v = this.value(name),
      said = this.said(name, v);
    return html`<label class="field"><span>${this.t(scales[name].label)}: <strong>${said}</strong></span>
      <input type="range" name=${"if_" + name} min="0" max=${stops.length - 1} step="1" .value=${String(stops.indexOf(v))} aria-valuetext=${said} @input=${(e: Event) => this.move(name, e)}></label>`;
  }
}
