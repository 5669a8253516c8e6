import { html, nothing } from "lit";
import { Problem, type Due, type Policy, type Setting } from "./api.ts";
import { attempt, sure } from "./ask.ts";
import { View, skeleton } from "./base.ts";
import { languages, type Key, type Words } from "./i18n.ts";

/** effects are what a cleanup would do, in words; empty for nothing. */
export function effects(w: Words, d: Due): string {
  const all: [Key, number][] = [["wouldDelete", d.delete], ["wouldClose", d.deactivate], ["wouldPurge", d.purge]];
  return all
    .filter(([, n]) => n)
    .map(([key, n]) => w.t(key, { n }))
    .join(", ");
}

/** would is what the next cleanup would do, in words. */
export function would(w: Words, d: Due | null): string {
  if (!d) return w.t("countingDue");
  const what = effects(w, d);
  return what ? w.t("nextWould", { what }) : w.t("nothingDue");
}

const thresholds = ["inactive_hours", "delete_old_days", "archive_keep_days"];
const percents = ["alert_use_rate", "alert_activity_rate"];

/** forms are those of values that are not plain numbers. */
const time = String.raw`\d*[.]?\d+|never`;
const rule = String.raw`[a-z0-9][a-z0-9_.:\-]*:( +(inactive|delete|warn|archive)=(never|(\d+([.]\d+)?[dhms])+))+`;
const forms: Record<string, string> = {
  ...Object.fromEntries(thresholds.map((k) => [k, time])),
  rules: `none|${rule}( *; *${rule})*`,
};

/** PolicyView is the policy: what is in force, where it comes from, and what other values would do. */
export class PolicyView extends View {
  static properties = { ...View.properties, policy: { state: true }, proposed: { state: true }, edited: { state: true }, busy: { state: true }, counting: { state: true }, others: { state: true } };
  declare counting: boolean; // what the typed values would do
  declare policy?: Policy;
  declare proposed?: Due;
  declare edited: Record<string, string>; // by the name of a setting, as typed
  declare busy: boolean;
  declare others: Record<string, string>; // by the name of a setting that somebody else changed during the editing: its previous value
  private tag = ""; // of the policy that is shown

  constructor() {
    super();
    this.edited = {};
    this.others = {};
    this.counting = false;
  }

  /** The address may propose thresholds. */
  protected firstUpdated() {
    this.edited = Object.fromEntries(thresholds.map((k) => [k, this.frame.params.get(k) ?? ""]).filter(([, v]) => v));
    super.firstUpdated();
  }

  async load() {
    if (!this.policy && Object.keys(this.query()).length) this.show(...(await this.frame.api.tagged<Policy>("GET", "/policy"))); // while the rest is counted
    const query = this.query();
    this.counting = Object.keys(query).length > 0;
    const found = await this.newest((signal) => this.frame.api.tagged<Policy>("GET", "/policy", query, undefined, undefined, signal).finally(() => signal.aborted || (this.counting = false)));
    if (!found) return;
    this.show(...found);
    this.proposed = found[0].proposed;
    if (!found[0].due) this.loadIn(2000);
  }

  /** show shows the policy. During editing, it also notes what somebody else changed. */
  private show(policy: Policy, tag: string) {
    const before = this.policy;
    this.policy = policy;
    this.tag = tag;
    if (!before || !this.changes().length) return void (this.others = {});
    const found = before.settings.map((s) => [s.name, this.others[s.name] ?? typed(before, s.name)]).filter(([k, v]) => v !== this.inForce(k));
    this.others = Object.fromEntries(found.filter(([k]) => k in words));
  }

  /** query has what was typed, may be right, and changes what a cleanup does. */
  private query() {
    const valid = ([k, v]: [string, string]) => k in forms && new RegExp(`^(${forms[k]})$`).test(v) && v !== this.inForce(k);
    return Object.fromEntries(Object.entries(this.edited).filter(valid));
  }

  /** inForce is a value in force, as it would be typed. */
  private inForce(name: string): string {
    return typed(this.policy, name);
  }

  render() {
    if (!this.frame) return nothing;
    const p = this.policy;
    return html`<h1 class="sentence">${this.t("policy")}</h1>
      <p class="lead">${!p ? "" : this.t(p.editable ? "policyLead" : "policyFixed")}</p>
      <section>${!p ? skeleton(this.t("loading")) : html`${this.editor(p)}${this.rest(p)}`}</section>`;
  }

  private editor(p: Policy) {
    const some = p.settings.filter((s) => s.name in words);
    return html`<form class="card pad ${this.frame.stale ? "stale" : ""}" @submit=${this.save}><div class="fields three">${some.map((s) => this.field(s))}</div>${this.conflict()}
      <div class="result" role="status" id="would" aria-busy=${this.counting ? "true" : nothing}><strong>${this.counting && !this.proposed ? this.t("countingDue") : html`<span class=${this.counting ? "stale" : ""}>${would(this.frame.words, this.proposed ?? p.due)}</span>`}</strong>
        ${this.proposed && p.due ? html`<p class="muted">${this.t("policyNow", { now: would(this.frame.words, p.due) })}</p>` : nothing}
        ${p.editable ? html`<div class="acts start"><button class="primary" ?disabled=${this.busy || !this.changes().length}>${this.t("save")}</button>${this.changes().length ? html`<button type="button" @click=${this.reset}>${this.t("cancel")}</button>` : nothing}</div>` : nothing}</div></form>`;
  }

  /** conflict says what somebody else changed while the values were edited. */
  private conflict() {
    const all = Object.entries(this.others);
    return html`<div role="alert" id="others">${!all.length ? nothing : html`<div class="result"><strong>${this.t("policyOthers")}</strong>
      <ul class="list">${all.map(([k, before]) => html`<li>${this.t("policyOther", { setting: this.t(words[k]), before, now: this.inForce(k) })}</li>`)}</ul>
      <p class="muted">${this.t("policyOthersHint")}</p></div>`}</div>`;
  }

  private field(s: Setting) {
    const rules = s.name === "rules";
    return html`<label class="field ${rules ? "wide" : ""}"><span>${this.t(words[s.name])}</span>
      <input name=${s.name} inputmode=${rules ? "text" : "decimal"} autocapitalize="none" autocomplete="off" spellcheck="false" required pattern=${forms[s.name] ?? "[0-9]*[.]?[0-9]+"} title=${rules ? this.t("rulesHint") : nothing} ?disabled=${!s.editable} .value=${this.edited[s.name] ?? this.inForce(s.name)} @input=${this.type}>
      <small class="muted">${rules ? html`${this.t("rulesHint")} · ` : nothing}${this.t(`from_${s.origin}` as Key)}</small></label>`;
  }

  private rest(p: Policy) {
    const rest = p.settings.filter((s) => !(s.name in words));
    const shown = (v: Setting["value"]) => (v === null ? this.t("never") : typeof v === "string" ? v : typeof v === "boolean" ? this.t(v ? "on" : "off") : this.frame.words.number(v));
    const say = (name: string) => (`p_${name}` in languages.en ? this.t(`p_${name}` as Key) : name);
    return html`<details class="card pad"><summary>${this.t("policyMore")}</summary><table><thead><tr><th scope="col">${this.t("setting")}</th><th scope="col">${this.t("value")}</th><th scope="col">${this.t("origin")}</th></tr></thead>
      <tbody>${rest.map((s) => html`<tr><td>${say(s.name)}</td><td><strong>${shown(s.value)}</strong></td><td class="muted">${this.t(`from_${s.origin}` as Key)}</td></tr>`)}</tbody></table></details>`;
  }

  private type(e: Event) {
    const input = e.target as HTMLInputElement;
    this.edited = { ...this.edited, [input.name]: input.value.trim() };
    this.forgo();
    this.counting = false;
    if (Object.keys(this.query()).length === 0) this.proposed = undefined;
    this.loadIn(300);
  }

  private reset() {
    this.edited = {};
    this.others = {};
    this.proposed = undefined;
    this.counting = false;
    this.forgo();
  }

  private changes() {
    return Object.entries(this.edited).filter(([k, v]) => v && v !== this.inForce(k));
  }

  private async save(e: SubmitEvent) {
    e.preventDefault();
    const value = (k: string, v: string) => (k === "rules" || v === "never" ? v : percents.includes(k) ? Number(v) / 100 : Number(v));
    const body = Object.fromEntries(this.changes().map(([k, v]) => [k, value(k, v)]));
    this.busy = true;
    await attempt(this.frame, () => this.send(body, this.tag));
    this.busy = false;
  }

  /** send changes the policy that was shown with this tag, and asks first when it would delete more. */
  private async send(body: Record<string, unknown>, shown: string, confirm?: number): Promise<void> {
    try {
      const [policy, tag] = await this.frame.api.tagged<Policy>("PATCH", "/policy", { confirm }, body, shown);
      this.reset();
      this.show(policy, tag);
      this.frame.toast(policy.message!);
    } catch (x) {
      if (!(x instanceof Problem) || x.kind !== "confirmation-required") throw x;
      const { due: n, due_before: before } = x.body;
      if (await sure(this.frame, this.t("policySure"), html`<p>${this.t("policySureHint", { n, before })}</p>`, "save")) await this.send(body, shown, n);
    }
  }
}

/** typed is a value of a policy, as it would be typed. */
function typed(policy: Policy | undefined, name: string): string {
  const s = policy?.settings.find((s) => s.name === name);
  if (name === "rules") return String(s?.value || "none");
  return !s ? "" : s.value === null ? "never" : percents.includes(name) ? String(Math.round(1000 * Number(s.value)) / 10) : String(s.value);
}

/** words are the settings that people look at first. */
const words: Record<string, Key> = {
  inactive_hours: "inactiveHours",
  delete_old_days: "deleteDays",
  archive_keep_days: "p_archive_keep_days",
  rules: "p_rules",
  alert_due: "p_alert_due",
  alert_use_rate: "p_alert_use_rate",
  alert_activity_rate: "p_alert_activity_rate",
};
