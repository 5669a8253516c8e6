import { html, nothing } from "lit";
import { Problem, type Analytics, type Cleanup, type RuleEffect, type Stats } from "./api.ts";
import { progressDialog, reverse } from "./actions.ts";
import { analyticsView } from "./analytics.ts";
import { once, sure } from "./ask.ts";
import { bar, parts } from "./bar.ts";
import { View, alongLists, dated, did, doneOf as of, inside, nameOf, skeleton, stateOf } from "./base.ts";
import type { Key } from "./i18n.ts";
import { icon } from "./icons.ts";
import { pause, pauseBanner } from "./pause.ts";
import { effects } from "./policy.ts";

/** OverviewView is an admin's: whether the cleanup works, and what it would do. */
export class OverviewView extends View {
  static properties = { ...View.properties, analytics: { state: true }, plan: { state: true }, done: { state: true }, busy: { state: true } };
  declare analytics?: Analytics;
  private analyzed = 0; // when they were asked for
  private tags = ""; // whose sessions they are of
  declare plan?: { body: Record<string, unknown>; result: Cleanup };
  declare done?: Cleanup;
  declare busy: boolean;

  /** load asks for the analytics, once a minute at most: figures that change all the time come by themselves. */
  async load() {
    if (Date.now() - this.analyzed < 60_000) return;
    this.analyzed = Date.now();
    try {
      await this.analyze();
    } catch (e) {
      if (!(e instanceof Problem)) throw e;
      this.analyzed -= 50_000; // they are still computed, or the store has none
    }
  }

  private async analyze() {
    const found = await this.newest((signal) => this.frame.api.get<Analytics>("/analytics", { tags: this.tags }, signal));
    if (found) this.analytics = found;
  }

  /** select limits the analytics to the sessions with some tags. */
  private async select(e: Event) {
    const input = e.target as HTMLInputElement;
    this.tags = input.value.trim();
    input.setCustomValidity("");
    try {
      await this.analyze();
    } catch (e) {
      if (!(e instanceof Problem)) throw e;
      input.setCustomValidity(e.message);
      input.reportValidity();
    }
  }

  render() {
    if (!this.frame) return nothing;
    const { stats, summary } = this.frame;
    if (!summary) return html`<h1 class="sentence">${this.t("overview")}</h1><section>${skeleton(this.t("loading"))}</section>`;
    if (!stats)
      return html`<h1 class="sentence">${this.t("overview")}</h1><p class="lead" role="status" data-counting>${this.t("counting")}</p>
        <div class="acts start below">${this.to("owners")}${this.to("policy")}</div>
        <section aria-labelledby="simulate">${this.simulation()}</section>`;
    const late = summary.overdue_seconds > 0,
      n = stats.alerts.length + (late ? 1 : 0),
      state: Key = stats.metrics.pause ? "paused" : stats.metrics.last_run ? "healthy" : "notYet";
    return html`<h1 class="sentence">${n ? html`<b class="gone">${this.t("attention", { n })}</b>` : html`<b class=${stats.metrics.pause ? "near" : "open"}>${this.t(state)}</b>`}</h1>
      <p class="lead">${this.runs()}</p>
      ${stats.metrics.pause ? html`<section aria-label=${this.t("paused")}>${pauseBanner(this.frame, stats.metrics.pause)}</section>` : nothing}
      <div class="acts start below">${this.to("owners")}${this.to("policy")}${stats.metrics.pause || !this.frame.me.changes ? nothing : html`<button data-act="pause" @click=${once(() => pause(this.frame))}>${icon("pause")}${this.t("pauseGo")}</button>`}</div>
      ${n ? html`<section aria-label=${this.t("attention", { n })}>${late ? this.alert(this.around("overdue", new Date(this.frame.words.now() - summary.overdue_seconds * 1000).toISOString())) : nothing}${stats.alerts.map((a) => this.alert(this.said(a), a.code))}</section>` : nothing}
      <section class=${this.frame.stale ? "stale" : ""} aria-label=${this.t("composition")}>${this.figures()}</section>
      <section aria-labelledby="simulate">${this.simulation()}</section>
      ${
        this.analytics
          ? html`<section aria-labelledby="analytics" class=${this.frame.stale ? "stale" : ""}><h2 id="analytics">${this.t("analytics")}</h2>
        ${this.frame.me.tags ? html`<div class="tools"><label class="field"><span>${this.t("tags")}</span><input name="analytics-tags" maxlength="500" placeholder="vip -test" autocapitalize="none" spellcheck="false" @change=${this.select}></label></div>` : nothing}
        <p class="muted">${this.around("counted", this.analytics.at)}</p>${analyticsView(this.frame.words, this.analytics)}
        <session-manager-whatif .frame=${this.frame}></session-manager-whatif></section>`
          : nothing
      }`;
  }

  private to(view: "owners" | "policy") {
    return html`<a class="button" href="#${view}" data-to=${view} @click=${inside(() => this.frame.go(view))}>${this.t(view)}</a>`;
  }

  private around(key: Key, at: string) {
    return dated(this.frame.words, key, at);
  }

  private runs() {
    const w = this.frame.words,
      run = this.frame.stats!.metrics.last_run,
      next = this.frame.summary!.next_run_at;
    const all =
      run?.run &&
      `${run.run.refused ? this.t("lastRefused") + ", " : run.run.failed ? this.t("lastFailed") + ", " : ""}${did(w, run.run.phases)}`;
    const [before, between] = this.t("lastRunDid", { last: "\0", did: all ?? "" }).split("\0");
    const last = run?.run ? html`${before}${this.around("lastRun", run.run.started_at)}${between}` : this.t("neverRan") + ".";
    return html`${last} ${next ? dated(w, "nextRun", next, {}, w.due(next) ? w.t("atOnce") : undefined) : this.t("noSchedule")}.`;
  }

  /** said is an alert in words of the page; one without any in those that the server has for programs. */
  private said({ code, message }: Stats["alerts"][number]): string {
    const m = this.frame.stats!.metrics;
    if (code === "too_many_due") return this.t("alertDue", { n: m.due_for_deactivation + m.due_for_deletion });
    if (code === "cleanup_failed") return this.t(m.last_run?.run?.refused ? "alertRefused" : "alertFailed");
    return message.charAt(0).toUpperCase() + message.slice(1);
  }

  private alert(text: unknown, code = "") {
    const refused = code === "cleanup_failed" && this.frame.stats!.metrics.last_run?.run?.refused;
    const due = this.frame.stats!.metrics.due_for_deletion;
    const to = (status: string) =>
      html`<a class="button" href="#sessions?status=${status}" @click=${inside(() => this.frame.go("sessions", { status }))}>${this.t("showSessions")}</a>`;
    return html`<div class="banner ${code === "cleanup_failed" ? "bad" : ""}" data-alert=${code}>${icon("warn")}<p>${text}</p>
      ${
        refused
          ? html`${to("to_delete")}${due && this.frame.me.changes ? html`<button data-act="allow" @click=${once(() => this.allow())}>${this.t("allowOnce")}</button>` : nothing}`
          : code === "too_many_due"
            ? to(due > 0 ? "to_delete" : "to_deactivate")
            : nothing
      }</div>`;
  }

  /** allow does one run that may delete as many sessions as are due now. */
  private async allow() {
    const n = this.frame.stats!.metrics.due_for_deletion;
    if (await sure(this.frame, this.t("allowTitle", { n }), html`<p>${this.t("allowHint", { n })}</p>`, "allowOnce")) await this.clean({ delete_at_most: n });
  }

  private figures() {
    const { stats, words: w } = this.frame,
      s = stats!.stats,
      m = stats!.metrics;
    const due = m.due_for_deactivation + m.due_for_deletion,
      last = m.last_run?.run;
    const failed = last ? last.phases.reduce((n, p) => n + p.failed, 0) : 0;
    const tile = (label: string, n: number, hint: string, warn = false) =>
      html`<div class="tile ${warn ? "warn" : ""}"><dt>${label}</dt><dd>${w.number(n)}<small>${hint}</small></dd></div>`;
    return html`<dl class="tiles">
        ${tile(this.t("total"), s.total, m.never_due_sessions ? this.t("neverDue", { n: m.never_due_sessions }) : "")}
        ${tile(this.t("open"), s.active, this.t("activityRate", { p: w.percent(s.active, s.total) }))}
        ${tile(this.t("s_protected"), m.protected_sessions, this.t("ofAll", { p: w.percent(m.protected_sessions, s.total) }))}
        ${tile(
          this.t("due"),
          due,
          this.t("ofAll", { p: w.percent(due, s.total) }),
          stats!.alerts.some((a) => a.code === "too_many_due"),
        )}
        ${tile(this.t("failures"), failed, "", failed > 0)}</dl>
      ${m.untracked ? html`<p class="lead">${this.t("untracked")}</p>` : nothing}
      ${this.composition()}`;
  }

  private composition() {
    const w = this.frame.words,
      s = this.frame.stats!.stats,
      m = this.frame.stats!.metrics;
    if (!s.total) return nothing;
    return html`<figure class="card pad" id="composition"><h2>${this.t("composition")}</h2>
      ${bar(w, parts(s.active, m.due_for_deactivation, s.inactive, m.due_for_deletion))}
      ${Date.parse(this.frame.summary!.at) - Date.parse(m.at) > 10_000 ? html`<p class="muted" data-counted>${this.around("counted", m.at)}</p>` : nothing}</figure>`;
  }

  private simulation() {
    const { me, words } = this.frame,
      inForce = (n: number | null) => (n === null ? this.t("never") : words.number(n));
    return html`<div class="card pad"><h2 id="simulate">${this.t("simulate")}</h2><p class="muted">${this.t("simulateHint")}</p>
      <form class="fields" @submit=${this.simulate}>
        <label class="field"><span>${this.t("onlyOwner")}</span><input name="owner_id" placeholder=${this.t("everybody")} maxlength="500"></label>
        <label class="field"><span>${this.t("inactiveHours")}</span><input name="inactive_hours" inputmode="decimal" pattern="[0-9]*[.]?[0-9]+|never" placeholder=${inForce(me.inactive_hours)}></label>
        <label class="field"><span>${this.t("deleteDays")}</span><input name="delete_old_days" inputmode="decimal" pattern="[0-9]*[.]?[0-9]+|never" placeholder=${inForce(me.delete_old_days)}></label>
        <button class="primary" ?disabled=${this.busy}>${this.busy ? this.t("working") : this.t("simulateGo")}</button></form>
      ${this.plan ? this.showPlan() : nothing}${this.done ? this.showDone() : nothing}</div>`;
  }

  private async simulate(e: SubmitEvent) {
    e.preventDefault();
    const form = new FormData(e.target as HTMLFormElement),
      body: Record<string, unknown> = {};
    for (const k of ["owner_id", "inactive_hours", "delete_old_days"]) {
      const v = String(form.get(k) ?? "").trim();
      if (v) body[k] = k === "owner_id" || v === "never" ? v : Number(v);
    }
    this.busy = true;
    this.done = undefined;
    try {
      this.plan = { body, result: await this.frame.api.send<Cleanup>("POST", "/cleanup", { ...body, dry_run: true }) };
    } catch (x) {
      this.plan = undefined;
      this.frame.failed(x);
    } finally {
      this.busy = false;
    }
  }

  private showPlan() {
    const { result: r, body } = this.plan!,
      w = this.frame.words;
    const deleted = of(r.phases, "deleted");
    const said = effects(w, { delete: deleted, deactivate: of(r.phases, "deactivated"), purge: of(r.phases, "purged") });
    if (!said) return html`<div class="result" role="status"><strong>${this.t("nothingDue")}</strong>${this.showRules(r)}</div>`;
    const run = () => this.clean({ ...body, as_of: r.as_of, ...(r.would_be_refused ? { delete_at_most: deleted } : {}) });
    return html`<div class="result" role="status" id="plan"><strong>${said}.</strong>
      ${r.would_be_refused ? html`<div class="banner bad">${icon("warn")}<p>${this.t("limitWould")}</p></div>` : nothing}
      ${alongLists(w, r.dependents ?? [])}${this.showRules(r)}
      ${r.sessions?.length ? html`<details><summary>${this.t("firstOf", { n: r.sessions.length })}</summary><ul>${r.sessions.map((s) => html`<li class="row plain"><span></span><div><span class="name"><bdi>${nameOf(w, s)}</bdi></span><span class="meta">${s.owner_name || s.owner_id ? html`<span><bdi>${s.owner_name || s.owner_id}</bdi></span>` : nothing}</span></div>${stateOf(w, s, r.as_of)}</li>`)}</ul></details>` : nothing}
      ${this.frame.me.changes ? html`<div class="acts start"><button class="primary ${deleted ? "danger" : ""}" data-act="clean" @click=${once(run)}>${this.t("cleanExactly")}</button></div>` : nothing}</div>`;
  }

  /** showRules says for how many sessions each rule by tag decides. */
  private showRules(r: Cleanup) {
    if (!r.rules?.length) return nothing;
    const does = (e: RuleEffect) =>
      ([["ruleDeletes", e.deletes], ["ruleKeeps", e.keeps_from_deletion], ["ruleCloses", e.deactivates], ["ruleKeepsActive", e.keeps_active]] as [Key, number][])
        .filter(([, n]) => n > 0)
        .map(([key, n]) => (e.more ? this.t("atLeast") : "") + this.t(key, { n }))
        .join(", ") || this.t("ruleNothing");
    return html`<p>${this.t("ruleEffects")}</p><ul class="list" id="rule-effects">${r.rules.map((e) => html`<li><bdi>${e.tag}</bdi>: ${does(e)}</li>`)}</ul>`;
  }

  private async clean(body: Record<string, unknown>) {
    const stop = new AbortController();
    let show: (done: number, total: number) => void = () => {};
    const work = this.frame.api.stream<Cleanup>("/cleanup", body, (d, t) => show(d, t), stop.signal);
    try {
      this.done = await progressDialog(this.frame, this.t("cleaning"), work, stop, (s) => (show = s));
      this.plan = undefined;
    } catch (e) {
      if (stop.signal.aborted) this.frame.toast(this.t("stopped"));
      else this.frame.failed(e);
    } finally {
      this.frame.refresh();
    }
  }

  private showDone() {
    const r = this.done!,
      sum = (k: "skipped" | "failed") => r.phases.reduce((n, p) => n + p[k], 0);
    const closed = of(r.phases, "deactivated");
    return html`<div class="result" role="status" id="done"><strong>${this.t("cleanDone", { did: did(this.frame.words, r.phases) })}</strong>
      ${sum("skipped") + sum("failed") ? html`<p>${this.t("nSkipped", { n: sum("skipped") })}, ${this.t("nFailed", { n: sum("failed") })}.</p><ul class="list">${[...r.failures.map((f) => [f.session_id, f.error]), ...r.skipped.map((s) => [s.session_id, s.reason])].slice(0, 20).map(([id, why]) => html`<li><bdi>${id}</bdi>: ${why}</li>`)}</ul>` : nothing}
      ${closed && r.run_id ? html`<div class="acts start"><button data-act="reverse" @click=${once(() => this.reverse())}>${icon("reopen")}${this.t("reverse")}</button></div>` : nothing}</div>`;
  }

  private async reverse() {
    if (await reverse(this.frame, this.done!.run_id!)) this.done = undefined;
  }
}
