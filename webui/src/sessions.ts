import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { Problem, type Action, type Page, type Session, type Summary, type Upcoming } from "./api.ts";
import { actionIcons, actionWords, changeMany, changeOne, type Matching } from "./actions.ts";
import { once } from "./ask.ts";
import { View, ahead, dated, empty, inside, nameOf, ringOf, skeleton, stateOf } from "./base.ts";
import { icon } from "./icons.ts";
import type { Key } from "./i18n.ts";

const statuses = ["active", "to_deactivate", "inactive", "to_delete", "protected"];
const selection = "waiting"; // sessions that a change of all that match does not know
const orders: [string, Key][] = [
  ["-last_activity", "o_recent"],
  ["last_activity", "o_oldest"],
  ["-created", "o_created"],
  ["name", "o_name"],
];
const pageSize = 20;
const searches = 20; // requests for one page, before "next" continues
const sortable = 10_000; // sessions of an owner that lists by creation and by name are offered for

/** SessionsView is the list of sessions: an owner's own, or all. */
export class SessionsView extends View {
  static properties = { ...View.properties, page: { state: true }, searching: { state: true }, picked: { state: true }, matching: { state: true }, owner: { state: true } };
  declare page?: Page<Session>;
  declare searching: boolean;
  declare owner?: Summary; // of the one that an admin looks at
  private what = ""; // that is searched for
  declare picked: Set<string>;
  declare matching?: Matching; // all that match are selected, instead of some

  constructor() {
    super();
    this.picked = new Set();
    this.searching = false;
  }

  private get filter(): Record<string, string> {
    const p = this.frame.params,
      out: Record<string, string> = {};
    for (const k of ["status", "owner", "q", "tags"]) if (p.get(k)) out[k] = p.get(k)!;
    return out;
  }
  /** Whether an order but that of activity is offered: it sorts all that there is. */
  private get sorts(): boolean {
    const { me, summary, params } = this.frame;
    return (me.all_sessions && !!params.get("owner")) || (summary?.total ?? Infinity) <= sortable;
  }
  private get order(): string {
    const order = this.frame.params.get("sort") ?? "-last_activity";
    return this.sorts || order.endsWith("last_activity") ? order : "-last_activity";
  }

  async load() {
    const what = JSON.stringify([this.filter, this.order, this.cursors]);
    void this.loadOwner();
    if (this.searching && what === this.what) return;
    this.what = what;
    this.searching = false;
    try {
      await this.newest((signal) => this.find(signal));
    } catch (e) {
      if (!(e instanceof Problem) || e.body.field !== "cursor") throw e;
      this.set({ at: "" }); // a cursor of another list: from the start
    }
  }

  /** find shows a page. Of a large table it is searched in parts: what was found shows at once. */
  private async find(signal: AbortSignal) {
    const read = (limit: number, cursor: string | null | undefined) => this.frame.api.get<Page<Session>>("/view", { ...this.filter, sort: this.order, limit, cursor }, signal);
    const page = await read(pageSize, this.cursors.at(-1));
    if (signal.aborted) return;
    this.page = page;
    try {
      for (let n = 1; n < searches && page.sessions!.length < pageSize && page.next_cursor; n++) {
        this.searching = true;
        const more = await read(pageSize - page.sessions!.length, page.next_cursor);
        if (signal.aborted) return;
        page.sessions!.push(...more.sessions!);
        page.next_cursor = more.next_cursor;
        this.page = { ...page };
      }
    } finally {
      if (!signal.aborted) this.searching = false;
    }
    const there = new Set(page.sessions!.map((s) => s.id));
    this.picked = new Set([...this.picked].filter((id) => there.has(id)));
  }

  private async loadOwner() {
    const owner = this.frame.me.all_sessions ? this.filter.owner : "";
    const summary = owner ? await this.frame.api.get<Summary>("/summary", { owner }).catch(() => undefined) : undefined; // the list says what is wrong
    if (owner === (this.filter.owner ?? "")) this.owner = summary;
  }

  protected set(change: Record<string, string>) {
    this.unpick();
    super.set(change);
  }

  private unpick() {
    this.picked = new Set();
    this.matching = undefined;
  }

  render() {
    if (!this.frame) return nothing;
    const { me } = this.frame,
      summary = me.all_sessions ? this.owner : this.frame.summary,
      whose = this.filter.owner;
    return html`
      ${me.all_sessions ? nothing : this.sentence(summary)}
      ${me.all_sessions || !summary ? nothing : this.nextUp([...summary.closing.sessions, ...summary.deleting.sessions])}
      <section aria-labelledby="all">
        ${me.all_sessions ? html`<h1 class="sentence" id="all">${whose ? this.t("allOf", { name: this.page?.sessions!.find((s) => s.owner_id === whose)?.owner_name || whose }) : this.t("allSessions")}</h1>
          ${whose ? html`<p class="lead" data-whose>${summary ? this.parts(summary).map((p, i) => html`${i ? ", " : ""}${p}`) : ""}</p>` : nothing}<br>` : html`<h2 id="all">${this.t("allSessions")}${summary && summary.total !== null ? html`<small>${this.frame.words.number(summary.total)}</small>` : nothing}</h2>`}
        ${this.tools()}
        ${this.list()}
      </section>`;
  }

  private sentence(s?: Summary) {
    if (!s) return html`<h1 class="sentence" aria-busy="true">${this.t("loading")}</h1>`;
    if (s.total === 0) return html`<h1 class="sentence">${this.t("noneYet")}</h1>`;
    const parts = this.parts(s);
    if (parts.length === 0) return html`<h1 class="sentence">${this.t("nothingSoon")}</h1>`;
    return html`<h1 class="sentence">${parts.map((p, i) => html`${i ? ", " : ""}${p}`)}.</h1>
      ${parts.length === 1 && s.open !== null ? html`<p class="lead">${this.t("nothingSoon")}</p>` : nothing}`;
  }

  private parts(s: Summary) {
    const w = this.frame.words;
    const parts = s.open === null ? [] : [html`<b class="open">${this.t("openCount", { n: s.open })}</b>`];
    // One session has the date that its card says; several have the time in which all of them are due.
    const soon = (u: Upcoming, one: Key, some: Key) => {
      const at = u.count === 1 && u.sessions[0]?.state_until;
      return at ? ahead(w, one, at, { n: 1 }) : (u.more ? w.t("atLeast") : "") + w.t(some, { n: u.count, h: u.within_hours, d: u.within_hours / 24 });
    };
    if (s.closing.count) parts.push(html`<b class="near">${soon(s.closing, "closesWhen", "closesWithin")}</b>`);
    if (s.deleting.count) parts.push(html`<b class="gone">${soon(s.deleting, "deletedWhen", "deletedWithin")}</b>`);
    return parts;
  }

  private nextUp(soon: Session[]) {
    if (soon.length === 0) return nothing;
    const w = this.frame.words;
    return html`<section aria-labelledby="soon"><h2 id="soon">${this.t("soon")}</h2>
      <ul class="soon">${repeat(
        soon,
        (s) => s.id,
        (s) => html`<li class=${s.state} data-soon=${s.id}>
        ${ringOf(w, this.frame.me, s)}<div><span class="name"><bdi>${nameOf(w, s)}</bdi></span>${stateOf(w, s)}</div>
        ${this.buttons(s, s.active ? ["deactivate", "protect"] : ["keep", "reactivate", "delete"])}</li>`,
      )}</ul></section>`;
  }

  private tools() {
    const p = this.frame.params,
      admin = this.frame.me.all_sessions;
    return html`<div class="tools" role="search">
      <label class="search"><span class="hidden">${this.t("search")}</span>${icon("search")}<input type="search" name="q" placeholder=${this.t("search")} .value=${this.text("q")} maxlength="500" @input=${(e: Event) => this.typed("q", e)}></label>
      ${admin ? html`<label class="field"><span>${this.t("ownerFilter")}</span><input name="owner" .value=${this.text("owner")} maxlength="500" @input=${(e: Event) => this.typed("owner", e)}></label>` : nothing}
      ${this.frame.me.tags ? html`<label class="field"><span>${this.t("tags")}</span><input name="tags" .value=${this.text("tags")} maxlength="500" placeholder="vip -test" autocapitalize="none" spellcheck="false" @input=${(e: Event) => this.typed("tags", e)}></label>` : nothing}
      <label class="field"><span>${this.t("status")}</span><select name="status" @change=${(e: Event) => this.set({ status: (e.target as HTMLSelectElement).value })}>
        <option value="">${this.t("any")}</option>${[...statuses, ...(this.frame.me.warnings ? [selection] : [])].map((s) => html`<option value=${s} ?selected=${p.get("status") === s}>${this.t(`s_${s}` as Key)}</option>`)}</select></label>
      <label class="field"><span>${this.t("sort")}</span><select name="sort" @change=${(e: Event) => this.set({ sort: (e.target as HTMLSelectElement).value })}>
        ${orders.filter(([v]) => this.sorts || v.endsWith("last_activity")).map(([v, k]) => html`<option value=${v} ?selected=${this.order === v}>${this.t(k)}</option>`)}</select></label>
    </div>`;
  }

  private list() {
    const w = this.frame.words,
      page = this.page;
    if (!page || (this.searching && page.sessions!.length === 0)) return skeleton(this.t(page ? "searching" : "loading"));
    const filtered = Object.keys(this.filter).length > 0,
      sessions = page.sessions!;
    if (sessions.length === 0 && !page.next_cursor) {
      return html`<div class="card">${
        filtered || this.cursors.length
          ? empty("search", this.t("noMatch"), this.t("noMatchHint"), html`<button @click=${() => this.frame.go("sessions")}>${this.t("clear")}</button>`)
          : empty("sessions", this.t("noneYet"), this.t("noneYetHint"))
      }</div>`;
    }
    const all = sessions.every((s) => this.picked.has(s.id)),
      changes = this.frame.me.changes;
    return html`<div class="card ${this.frame.stale ? "stale" : ""}">
      <ul aria-label=${this.t("allSessions")}>${repeat(
        sessions,
        (s) => s.id,
        (s) => html`<li><div class="row ${this.picked.has(s.id) ? "picked" : ""}" data-id=${s.id}>
        ${changes ? html`<label class="pick"><span class="hidden">${this.t("selectOne", { name: nameOf(w, s) })}</span><input type="checkbox" .checked=${this.picked.has(s.id)} @change=${() => this.pick(s.id)}></label>` : html`<span></span>`}
        ${ringOf(w, this.frame.me, s)}
        <div class="what"><span class="name"><bdi>${nameOf(w, s)}</bdi></span>
          <span class="meta">${s.code && s.code !== s.name ? html`<span><bdi>${s.code}</bdi></span>` : nothing}
            ${
              this.frame.me.all_sessions && (s.owner_name || s.owner_id)
                ? html`<span><a class="owner" href=${"#sessions?owner=" + encodeURIComponent(s.owner_id)} @click=${inside(() => this.set({ owner: s.owner_id }))}><bdi>${s.owner_name || s.owner_id}</bdi></a></span>`
                : nothing
            }
            <span>${dated(w, "used", s.last_activity)}</span><span>${this.t("rows", { n: s.activity_count })}</span>
            ${s.tags.map((tag) => html`<a class="tag" href=${"#sessions?tags=" + encodeURIComponent(tag)} @click=${inside(() => this.set({ tags: tag }))}>${tag}</a>`)}</span></div>
        ${stateOf(w, s)}
        ${this.buttons(s)}</div></li>`,
      )}</ul>
      <div class="foot">
        ${changes ? html`<label class="pick-all"><input type="checkbox" .checked=${all} .indeterminate=${!all && this.picked.size > 0} aria-label=${this.t("selectAll")} @change=${() => this.pickAll(all)}></label>` : nothing}
        <span role="status">${this.t(this.searching ? "searching" : "page", { n: this.cursors.length + 1 })}</span>
        ${this.turns(page.next_cursor, (at) => {
          this.set({ at: at.join("~") });
          this.querySelector("#all")?.scrollIntoView({ block: "start" });
        })}
      </div></div>
      ${this.picked.size > 0 || this.matching ? this.bulkBar() : nothing}`;
  }

  private pick(id: string) {
    const next = new Set(this.picked);
    if (!next.delete(id)) next.add(id);
    this.picked = next;
    this.matching = undefined;
  }

  private pickAll(all: boolean) {
    this.picked = new Set(all ? [] : this.page!.sessions!.map((s) => s.id));
    this.matching = undefined;
  }

  private async pickMatching() {
    try {
      const r = await this.frame.api.send<{ matching: number }>("POST", "/bulk", { action: "deactivate", ...this.filter, dry_run: true });
      this.matching = { filter: this.filter, count: r.matching };
    } catch (e) {
      this.frame.failed(e);
    }
  }

  private bulkBar() {
    const n = this.matching?.count ?? this.picked.size;
    const chosen = this.page!.sessions!.filter((s) => this.picked.has(s.id));
    const actions = (["keep", "deactivate", "reactivate", "unprotect", "tag", "delete"] as Action[]).filter(
      (a) => (a === "tag" ? this.frame.me.tags : this.matching) || chosen.some((s) => s.actions.includes(a) || (a === "keep" && s.actions.includes("protect"))),
    );
    const more = !this.matching && this.filter.status !== selection && (this.page!.next_cursor || this.cursors.length > 0) && this.picked.size === this.page!.sessions!.length;
    return html`<div class="bulk" role="region" aria-label=${this.t("selected", { n })}><strong aria-live="polite">${this.t(this.matching ? "matching" : "selected", { n })}</strong>
      ${more ? html`<button data-act="matching" @click=${once(() => this.pickMatching())}>${this.t("selectMatching")}</button>` : nothing}
      ${actions.map((a) => html`<button data-act=${a} @click=${once(() => this.bulk(a))}>${icon(actionIcons[a])}${this.t(actionWords[a])}</button>`)}
      <button class="icon" aria-label=${this.t("unselect")} @click=${this.unpick}>${icon("x")}</button></div>`;
  }

  private async bulk(a: Action) {
    if (await changeMany(this.frame, a, this.matching ?? [...this.picked])) this.unpick();
  }

  private buttons(s: Session, only?: Action[]) {
    if (!this.frame.me.changes) return nothing;
    const shown: Action[] = [];
    if (s.actions.includes("unprotect")) shown.push("unprotect");
    else if (s.actions.includes("keep")) shown.push("keep");
    else if (s.actions.includes("protect")) shown.push("protect");
    shown.push(s.active ? "deactivate" : "reactivate", "tag", "delete");
    return html`<div class="acts">${shown
      .filter((a) => (a === "tag" ? this.frame.me.tags : s.actions.includes(a)) && (!only || only.includes(a)))
      .map(
        (a) => html`
      <button data-act=${a} class=${a === "delete" ? "ghost danger" : "ghost"} aria-label="${this.t(actionWords[a])}: ${nameOf(this.frame.words, s)}" title=${this.t(actionWords[a])}
        @click=${once(() => changeOne(this.frame, s, a))}>${icon(actionIcons[a])}<span class="label">${this.t(actionWords[a])}</span></button>`,
      )}</div>`;
  }
}
