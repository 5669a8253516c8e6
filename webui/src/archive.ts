import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { Entry, Page } from "./api.ts";
import { restore } from "./actions.ts";
import { once } from "./ask.ts";
import { View, ahead, dated, empty, nameOf, skeleton, whoIs } from "./base.ts";
import { eraseOwner, hold, purge } from "./keeping.ts";
import type { Key } from "./i18n.ts";
import { icon, type Icon } from "./icons.ts";

/** ArchiveView is what was deleted and can be restored. */
export class ArchiveView extends View {
  static properties = { ...View.properties, page: { state: true } };
  declare page?: Page<Entry>;

  private get filter() {
    const p = this.frame.params;
    return { owner: p.get("owner"), session: p.get("session"), held: p.get("held") };
  }

  async load() {
    const page = await this.newest((signal) => this.frame.api.get<Page<Entry>>("/archive", { limit: 20, cursor: this.cursors.at(-1), ...this.filter }, signal));
    if (page) this.page = page;
  }

  render() {
    if (!this.frame) return nothing;
    const w = this.frame.words,
      me = this.frame.me,
      at = this.cursors;
    const entries = this.page?.entries;
    return html`<h1 class="sentence">${this.t(me.all_sessions ? "archive" : "trash")}</h1><p class="lead">${this.t("trashLead")}</p>
      <section>${me.all_sessions ? this.tools() : nothing}${
        !entries
          ? skeleton(this.t("loading"))
          : entries.length === 0
            ? html`<div class="card">${empty("trash", this.t("trashEmpty"), this.t("trashEmptyHint"))}</div>`
            : html`
        <div class="card ${this.frame.stale ? "stale" : ""}"><ul>${repeat(
          entries,
          (e) => e.id,
          (e) => html`<li><div class="row plain" data-entry=${e.session_id}>
          <span class="muted">${icon("box")}</span>
          <div><span class="name"><bdi>${nameOf(w, e)}</bdi></span>
            <span class="meta"><span>${dated(w, "deletedBy", e.archived_at, { who: whoIs(w, me, e.actor) })}</span>${me.all_sessions && e.owner_id ? html`<span>${this.t("owner")} <bdi>${e.owner_id}</bdi></span>` : nothing}
              ${e.rows ? html`<span>${this.t("withRows", { n: e.rows })}</span>` : nothing}<span>${e.held ? html`<strong>${this.t("held")}</strong>` : e.purge_at ? ahead(w, "purged", e.purge_at) : this.t("noPurge")}</span></span></div>
          ${me.changes ? html`<div class="acts">${this.buttons(e).map(([act, key, i, run]) => html`<button class="ghost ${act === "purge" ? "danger" : ""}" data-act=${act} title=${this.t(key)} aria-label="${this.t(key)}: ${nameOf(w, e)}" @click=${once(run)}>${icon(i)}<span class="label">${this.t(key)}</span></button>`)}</div>` : nothing}</div></li>`,
        )}</ul>
          ${
            at.length || this.page!.next_cursor
              ? html`<div class="foot"><span>${this.t("page", { n: at.length + 1 })}</span>${this.turns(this.page!.next_cursor)}</div>`
              : nothing
          }</div>`
      }</section>`;
  }

  private buttons(e: Entry): [string, Key, Icon, () => Promise<unknown>][] {
    const f = this.frame,
      all: [string, Key, Icon, () => Promise<unknown>][] = e.held ? [] : [["restore", "restore", "reopen", () => restore(f, e)]];
    if (f.me.all_sessions) all.push(e.held ? ["release", "release", "lock", () => hold(f, e, false)] : ["hold", "hold", "lock", () => hold(f, e, true)]);
    if (f.me.all_sessions && !e.held) all.push(["purge", "purge", "trash", () => purge(f, e)]);
    return all;
  }

  private tools() {
    return html`<div class="tools">
      ${this.box("session", "sessionId")}${this.box("owner", "ownerFilter")}
      <label class="field"><span>${this.t("status")}</span><select name="held" @change=${(e: Event) => this.set({ held: (e.target as HTMLSelectElement).value })}><option value="">${this.t("allEntries")}</option><option value="true" ?selected=${this.filter.held === "true"}>${this.t("heldOnly")}</option></select></label>
      ${this.frame.me.changes ? html`<button class="danger" data-act="erase" @click=${once(() => eraseOwner(this.frame))}>${icon("trash")}${this.t("erase")}</button>` : nothing}</div>`;
  }
}
