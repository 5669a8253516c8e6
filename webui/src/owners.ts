import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { Problem, type Owner, type OwnerPage } from "./api.ts";
import { bar, parts } from "./bar.ts";
import { View, dated, empty, inside, skeleton } from "./base.ts";
import type { Key } from "./i18n.ts";

const orders: [string, Key][] = [
  ["-total", "o_total"],
  ["-active", "o_active"],
  ["-due", "o_due"],
  ["-last_activity", "o_recent"],
  ["last_activity", "o_oldest"],
  ["owner", "o_owner"],
];
const pageSize = 20;

/** OwnersView lists owners with their figures; from each one comes to its sessions. */
export class OwnersView extends View {
  static properties = { ...View.properties, page: { state: true } };
  declare page?: OwnerPage;

  async load() {
    const p = this.frame.params;
    try {
      const page = await this.newest((signal) => this.frame.api.get<OwnerPage>("/owners", { q: p.get("q"), sort: p.get("sort") ?? "-total", limit: pageSize, cursor: this.cursors.at(-1) }, signal));
      if (page) this.page = page;
    } catch (e) {
      if (!(e instanceof Problem) || e.body.field !== "cursor") throw e;
      this.set({ at: "" }); // a cursor of another list: from the start
    }
  }

  render() {
    if (!this.frame) return nothing;
    const p = this.frame.params,
      page = this.page;
    const some = page && page.owner_count > page.matching && !p.get("q");
    return html`<h1 class="sentence">${this.t("owners")}</h1>
      <p class="lead">${!page ? "" : some ? this.t("ownersSome", { n: page.owner_count, m: page.matching }) : this.t("ownersLead", { n: page.owner_count })}</p>
      <section>
        <div class="tools" role="search">
          <label class="search field"><span>${this.t("searchOwner")}</span><input type="search" name="q" .value=${this.text("q")} maxlength="500" @input=${(e: Event) => this.typed("q", e)}></label>
          <label class="field"><span>${this.t("sort")}</span><select name="sort" @change=${(e: Event) => this.set({ sort: (e.target as HTMLSelectElement).value })}>
            ${orders.map(([v, k]) => html`<option value=${v} ?selected=${(p.get("sort") ?? "-total") === v}>${this.t(k)}</option>`)}</select></label>
        </div>
        ${this.list()}
      </section>`;
  }

  private list() {
    const page = this.page;
    if (!page) return skeleton(this.t("loading"));
    if (page.owners.length === 0) return html`<div class="card">${empty("search", this.t(page.owner_count ? "noOwner" : "ownersEmpty"), this.t(page.owner_count ? "noMatchHint" : "noneYetHint"))}</div>`;
    const aged = this.frame.words.now() - Date.parse(page.at) > 10_000;
    return html`<div class="card ${this.frame.stale ? "stale" : ""}"><ul aria-label=${this.t("owners")}>${repeat(
      page.owners,
      (o) => o.owner_id,
      (o) => html`<li>${this.row(o)}</li>`,
    )}</ul>
      <div class="foot"><span role="status">${this.t("page", { n: this.cursors.length + 1 })}${aged ? html` · ${dated(this.frame.words, "counted", page.at)}` : nothing}</span>${this.turns(page.next_cursor)}</div></div>`;
  }

  private row(o: Owner) {
    const w = this.frame.words;
    const some = parts(o.active, o.due_for_deactivation, o.inactive, o.due_for_deletion).filter(([, , n]) => n);
    return html`<div class="row split" data-owner=${o.owner_id}>
      <div class="what"><span class="name">${this.to(o, html`<bdi>${o.owner_name || o.owner_id}</bdi>`)}</span>
        <span class="meta">${o.owner_name ? html`<span><bdi>${o.owner_id}</bdi></span>` : nothing}<span>${dated(w, "used", o.last_activity)}</span>${o.protected ? html`<span>${this.t("protectedCount", { n: o.protected })}</span>` : nothing}</span></div>
      <div>${bar(w, some, (text, [, , , status]) => (status ? this.to(o, text, status) : html`<span>${text}</span>`))}</div>
      <span class="total">${this.t("countSessions", { n: o.total })}</span></div>`;
  }

  /** to is a link to the owner's sessions, or those with a status. */
  private to(o: Owner, text: unknown, status = "") {
    const query: Record<string, string> = { owner: o.owner_id, ...(status && { status }) };
    return html`<a href="#sessions?${new URLSearchParams(query).toString()}" data-status=${status || "all"} @click=${inside(() => this.frame.go("sessions", query))}>${text}</a>`;
  }
}
