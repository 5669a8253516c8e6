import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { Entry, Page } from "./api.ts";
import { restore } from "./actions.ts";
import { View, empty, nameOf, skeleton, timeTag, whoIs } from "./base.ts";
import { icon } from "./icons.ts";

/** ArchiveView is what was deleted and can be restored. */
export class ArchiveView extends View {
  static properties = { ...View.properties, page: { state: true } };
  declare page?: Page<Entry>;
  private get cursors(): string[] { return (this.frame.params.get("at") ?? "").split("~").filter(Boolean); }

  async load() {
    this.page = await this.frame.api.get<Page<Entry>>("/archive", { limit: 20, cursor: this.cursors.at(-1), owner: this.frame.params.get("owner"), session: this.frame.params.get("session") });
  }

  private turn(at: string[]) {
    this.frame.go("archive", { ...Object.fromEntries(this.frame.params), at: at.join("~") });
  }

  render() {
    if (!this.frame) return nothing;
    const w = this.frame.words, me = this.frame.me, at = this.cursors;
    const entries = this.page?.entries;
    const around = (key: "deletedBy", when: string, who: string) => { const [a, b] = w.t(key, { when: "\0", who }).split("\0"); return html`${a}${timeTag(w, when)}${b}`; };
    return html`<h1 class="sentence">${this.t(me.all_sessions ? "archive" : "trash")}</h1><p class="lead">${this.t("trashLead")}</p>
      <section>${!entries ? skeleton(this.t("loading")) : entries.length === 0 ? html`<div class="card">${empty("trash", this.t("trashEmpty"), this.t("trashEmptyHint"))}</div>` : html`
        <div class="card ${this.frame.stale ? "stale" : ""}"><ul>${repeat(entries, (e) => e.id, (e) => html`<li><div class="row plain" data-entry=${e.session_id}>
          <span class="muted">${icon("box")}</span>
          <div><span class="name"><bdi>${nameOf(w, e)}</bdi></span>
            <span class="meta"><span>${around("deletedBy", e.archived_at, whoIs(w, me, e.actor))}</span>${me.all_sessions && e.owner_id ? html`<span>${this.t("owner")} <bdi>${e.owner_id}</bdi></span>` : nothing}
              <span>${this.t("withRows", { n: e.rows })}</span><span>${e.purge_at ? this.purge(e.purge_at) : this.t("noPurge")}</span></span></div>
          ${me.changes ? html`<div class="acts"><button data-act="restore" aria-label="${this.t("restore")}: ${nameOf(w, e)}" @click=${() => restore(this.frame, e)}>${icon("reopen")}${this.t("restore")}</button></div>` : nothing}</div></li>`)}</ul>
          ${at.length || this.page!.next_cursor ? html`<div class="foot"><span>${this.t("page", { n: at.length + 1 })}</span><div class="acts">
            <button ?disabled=${!at.length} @click=${() => this.turn(at.slice(0, -1))}>${this.t("previous")}</button>
            <button ?disabled=${!this.page!.next_cursor} @click=${() => this.turn([...at, this.page!.next_cursor!])}>${this.t("next")}</button></div></div>` : nothing}</div>`}</section>`;
  }

  private purge(at: string) {
    const [a, b] = this.t("purged", { when: "\0" }).split("\0");
    return html`${a}${timeTag(this.frame.words, at)}${b}`;
  }
}
