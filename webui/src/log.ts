import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { Event as Entry, Page, SessionRef } from "./api.ts";
import { reverse } from "./actions.ts";
import { once } from "./ask.ts";
import { View, did, empty, inside, skeleton, whoIs } from "./base.ts";
import { languages, type Key } from "./i18n.ts";
import { icon } from "./icons.ts";

const actions = [
  "deactivated",
  "reactivated",
  "deleted",
  "noticed",
  "warned",
  "undeliverable",
  "auto_cleanup_on",
  "auto_cleanup_off",
  "expiry_set",
  "tagged",
  "activity_corrected",
  "restored",
  "purged",
  "held",
  "released",
  "erased",
  "paused",
  "resumed",
  "policy_changed",
  "scheduled",
  "notified",
  "run",
];
const most = 10_000; // lines of an export

/** LogView is the audit log: an owner's own history, or everything. */
export class LogView extends View {
  static properties = { ...View.properties, events: { state: true }, next: { state: true }, exporting: { state: true } };
  declare events?: Entry[];
  declare next: string | null;
  declare exporting?: number;
  private older = 0; // pages after the first that are shown

  private get query() {
    const p = this.frame.params;
    return { action: p.get("action"), session: p.get("session"), owner: p.get("owner"), run: p.get("run") };
  }

  async load() {
    const found = await this.newest((signal) => this.read(this.query, this.older, signal));
    if (found) [this.events, this.next] = found;
  }

  /** read reads the newest page and some older ones. */
  private async read(query: Record<string, string | null>, older: number, signal: AbortSignal): Promise<[Entry[], string | null]> {
    const events: Entry[] = [];
    let cursor: string | null = null;
    for (let i = 0; i <= older; i++) {
      const page: Page<Entry> = await this.frame.api.get<Page<Entry>>("/events", { ...query, limit: 30, cursor }, signal);
      events.push(...page.events!);
      cursor = page.next_cursor;
      if (!cursor) break;
    }
    return [events, cursor];
  }

  protected set(change: Record<string, string>) {
    this.older = 0;
    super.set(change);
  }

  private async more() {
    this.older++;
    await this.load().catch((e) => this.frame.failed(e));
  }

  render() {
    if (!this.frame) return nothing;
    const admin = this.frame.me.all_sessions,
      p = this.frame.params;
    return html`<h1 class="sentence">${this.t(admin ? "log" : "history")}</h1>
      <section>
        <div class="tools">
          <label class="field"><span>${this.t("what")}</span><select name="action" @change=${(e: Event) => this.set({ action: (e.target as HTMLSelectElement).value })}>
            <option value="">${this.t("allActions")}</option>${actions.filter((a) => admin || !["run", "paused", "resumed", "policy_changed", "scheduled", "notified", "erased"].includes(a)).map((a) => html`<option value=${a} ?selected=${p.get("action") === a}>${this.t(`a_${a}` as Key)}</option>`)}</select></label>
          ${this.box("session", "sessionId")}${admin ? html`${this.box("owner", "ownerFilter")}${this.box("run", "runId")}` : nothing}
          ${this.reversible() ? html`<button data-act="reverse" @click=${once(() => reverse(this.frame, p.get("run")!))}>${icon("reopen")}${this.t("reverse")}</button>` : nothing}
          ${admin ? html`<button data-act="csv" ?disabled=${this.exporting !== undefined} @click=${this.csv}>${this.exporting === undefined ? this.t("csv") : this.t("exporting", { n: this.exporting })}</button>` : nothing}
        </div>
        ${this.list()}
      </section>`;
  }

  /** reversible reports whether the log shows a run that closed sessions. */
  private reversible() {
    const { params: p, me } = this.frame;
    return p.get("run") && me.all_sessions && me.changes && this.events?.some((e) => e.run?.phases.some((x) => x.action === "deactivated" && x.done > 0));
  }

  private list() {
    if (!this.events) return skeleton(this.t("loading"));
    if (this.events.length === 0 && !this.next) return html`<div class="card">${empty("history", this.t("historyEmpty"), this.t("historyEmptyHint"))}</div>`;
    const w = this.frame.words;
    let day = "";
    return html`<div class="card ${this.frame.stale ? "stale" : ""}">${repeat(
      this.events,
      (e) => e.id,
      (e) => {
        const on = w.day(e.at),
          head = on === day ? nothing : html`<h2 class="day">${on}</h2>`;
        day = on;
        return html`${head}<div class="entry" data-event=${e.action}><time datetime=${e.at} title=${w.full(e.at)}>${w.time(e.at)}</time>
        <div><strong>${this.action(e.action)}</strong> ${this.which(e)}
          <div class="meta"><span>${this.t("byWho", { who: whoIs(w, this.frame.me, e.actor) })}</span>${e.reason ? html`<span><bdi>${e.reason === "scheduled" ? this.t("r_scheduled") : e.reason}</bdi></span>` : nothing}
            ${
              e.run_id && this.frame.me.all_sessions
                ? html`<a href=${"#log?run=" + encodeURIComponent(e.run_id)} @click=${inside(() => this.set({ run: e.run_id! }))}>${this.t("inRun", { run: e.run_id.slice(0, 8) })}</a>`
                : nothing
            }</div></div></div>`;
      },
    )}
      ${this.next ? html`<div class="foot"><span></span><button data-act="older" @click=${this.more}>${this.t("older")}</button></div>` : nothing}</div>`;
  }

  /** action is an action in words; one of a newer server as it is. */
  private action(a: string): string {
    const key = `a_${a}`;
    return key in languages.en ? this.t(key as Key) : a;
  }

  private which(e: Entry) {
    if (e.run) {
      return html`<span class="muted">${did(this.frame.words, e.run.phases)}${e.run.refused ? html` · ${this.t("lastRefused")}` : e.run.failed ? html` · ${this.t("lastFailed")}` : nothing}</span>`;
    }
    if (e.until) return html`<span class="muted">${this.frame.words.full(e.until)}</span>`;
    const names = e.sessions.map((s) => s.name || s.id);
    if (e.session_count === 0) return nothing;
    if (e.session_count === 1) return html`<bdi>${names[0] ?? ""}</bdi>`;
    return html`<details><summary>${this.t("countSessions", { n: e.session_count })}</summary>
      <ul>${names.map((n) => html`<li><bdi>${n}</bdi></li>`)}${e.session_count > names.length ? html`<li class="muted">${this.t("andMore", { n: e.session_count - names.length })}</li>` : nothing}</ul></details>`;
  }

  /** csv saves the log as filtered: a line for each session of an event. */
  private async csv() {
    const rows = [["id", "at", "action", "session_id", "owner_id", "name", "actor", "reason", "run_id", "unnamed_sessions"]];
    this.exporting = 0;
    try {
      for (let cursor: string | null = null; rows.length < most;) {
        const page: Page<Entry> = await this.frame.api.get<Page<Entry>>("/events", { ...this.query, limit: 500, cursor });
        for (const e of page.events!) {
          const sessions: SessionRef[] = e.sessions.length ? e.sessions : [{ id: "" }],
            unnamed = String(e.session_count - e.sessions.length);
          for (const s of sessions) rows.push([String(e.id), e.at, e.action, s.id, s.owner_id ?? "", s.name ?? "", e.actor, e.reason, e.run_id ?? "", unnamed]);
        }
        this.exporting = rows.length;
        if (!(cursor = page.next_cursor)) break;
      }
      // A cell that begins like a formula would be one in a spreadsheet.
      const cell = (v: string) => `"${(/^[=+\-@\t\r]/.test(v) ? "'" + v : v).replace(/"/g, '""')}"`;
      const url = URL.createObjectURL(new Blob(["\ufeff", rows.map((r) => r.map(cell).join(",")).join("\r\n"), "\r\n"], { type: "text/csv" }));
      const a = Object.assign(document.createElement("a"), { href: url, download: "events.csv" });
      a.click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (e) {
      this.frame.failed(e);
    } finally {
      this.exporting = undefined;
    }
  }
}
