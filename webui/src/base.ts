import { LitElement, html, nothing, type TemplateResult } from "lit";
import type { Api, Dependent, Me, Phase, Session, Summary, Stats } from "./api.ts";
import { Words, type Key } from "./i18n.ts";
import { icon, ring, type Icon } from "./icons.ts";
import type { ToastOptions } from "./toasts.ts";

/** Frame is what the element offers to its views. */
export interface Frame {
  api: Api;
  words: Words;
  me: Me;
  summary?: Summary;
  stats?: Stats;
  stale: boolean;
  view: string;
  params: URLSearchParams;
  go(view: string, params?: Record<string, string>): void;
  ask<T>(dialog: (done: (answer: T | undefined) => void) => TemplateResult): Promise<T | undefined>;
  toast(text: string, o?: ToastOptions): void;
  failed(e: unknown): void;
  dialog(): HTMLDialogElement | null;
  refresh(): void;
}

/** View is a part of the element, inside its shadow root. */
export abstract class View extends LitElement {
  static properties = { frame: { attribute: false } };
  declare frame: Frame;
  protected createRenderRoot() {
    return this;
  }
  protected firstUpdated() {
    this.frame?.refresh();
  }
  t(key: Key, values?: Record<string, string | number>): string {
    return this.frame.words.t(key, values);
  }
  /** load reads what the view shows; the element calls it when there is news. */
  abstract load(): Promise<void>;

  disconnectedCallback() {
    super.disconnectedCallback();
    this.forgo();
  }

  private focused = -1; // the item of a list that has the focus
  private get holder() {
    return (this.getRootNode() as ShadowRoot).activeElement;
  }
  protected willUpdate() {
    const item = this.holder?.closest("li");
    this.focused = item ? [...this.querySelectorAll("li")].indexOf(item) : -1;
  }
  /** updated gives the focus of an item that went to the next one: otherwise the keyboard begins at the top again. */
  protected updated() {
    if (this.focused < 0 || this.holder) return;
    const items = [...this.querySelectorAll("li")];
    items[Math.min(this.focused, items.length - 1)]?.querySelector<HTMLElement>("button, a, input")?.focus();
  }

  private asking?: AbortController; // what was asked last
  private waiting?: ReturnType<typeof setTimeout>;

  /** newest is the answer to a question; undefined if another one was asked meanwhile, or the answer is not of interest any more. */
  protected async newest<T>(question: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    this.forgo();
    const { signal } = (this.asking = new AbortController());
    try {
      const answer = await question(signal);
      return signal.aborted ? undefined : answer;
    } catch (e) {
      if (signal.aborted) return undefined;
      throw e;
    }
  }
  /** forgo ends what is asked or is about to be. */
  protected forgo() {
    clearTimeout(this.waiting);
    this.asking?.abort();
  }
  /** loadIn loads after some milliseconds, unless something is asked before. */
  protected loadIn(after: number) {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => void this.load().catch((e) => this.frame.failed(e)), after);
  }

  /** set changes parameters of the address: filters, or at, which has the cursors. Other filters begin at the first page. */
  protected set(change: Record<string, string>) {
    const all = { ...Object.fromEntries(this.frame.params), at: "", ...change };
    this.frame.go(this.frame.view, Object.fromEntries(Object.entries(all).filter(([, v]) => v)));
  }

  private typing?: ReturnType<typeof setTimeout>;
  private texts: Record<string, string> = {}; // as typed, by the parameter
  /** typed is set with what is in a field, once no more is typed. */
  protected typed(key: string, e: Event) {
    clearTimeout(this.typing);
    const text = (this.texts[key] = (e.target as HTMLInputElement).value);
    this.typing = setTimeout(() => this.set({ [key]: text.trim() }), 300);
  }
  /** text is what a field for a parameter has: as typed, so that a space at the end stays there for the next word. */
  protected text(key: string): string {
    const value = this.frame.params.get(key) ?? "",
      text = this.texts[key] ?? "";
    return text.trim() === value ? text : value;
  }

  /** box is a field for a filter. */
  protected box(key: string, label: Key) {
    return html`<label class="field"><span>${this.t(label)}</span><input name=${key} .value=${this.frame.params.get(key) ?? ""} maxlength="500" @change=${(e: Event) => this.set({ [key]: (e.target as HTMLInputElement).value.trim() })}></label>`;
  }

  /** Cursors of the pages before this one, so that "previous" works after a reload, too. */
  protected get cursors(): string[] {
    return (this.frame.params.get("at") ?? "").split("~").filter(Boolean);
  }

  /** turns are the buttons for the page before and the page after this one. */
  protected turns(next: string | null, turn = (at: string[]) => this.set({ at: at.join("~") })) {
    const at = this.cursors;
    return html`<div class="acts"><button ?disabled=${!at.length} @click=${() => turn(at.slice(0, -1))}>${this.t("previous")}</button>
      <button ?disabled=${!next} @click=${() => turn([...at, next!])}>${this.t("next")}</button></div>`;
  }
}

/** inside is the click of a link: the element follows it, unless it is to open elsewhere. */
export const inside = (go: () => void) => (e: MouseEvent) => {
  if (e.ctrlKey || e.metaKey || e.shiftKey) return;
  e.preventDefault();
  go();
};

export const nameOf = (w: Words, s: { name?: string; code?: string }): string => s.name?.trim() || s.code || w.t("unnamed");

const timeTag = (w: Words, at: string, text: string) => html`<time datetime=${at} title=${w.full(at)}>${text}</time>`;

/** dated is a text whose date is an element of its own. */
export function dated(w: Words, key: Key, at: string, values: Record<string, string | number> = {}, date = w.when(at)) {
  const [before, after] = w.t(key, { ...values, when: "\0" }).split("\0");
  return html`${before}${timeTag(w, at, date)}${after}`;
}
/** ahead is a text with the date of what a cleanup does. */
export const ahead = (w: Words, key: Key, at: string, values?: Record<string, string | number>) => dated(w, key, at, values, w.ahead(at));

/** stateOf is one state and one date; in a plan, what the cleanup at that time would do with the session. */
export function stateOf(w: Words, s: Session, plan?: string) {
  const at = s.state_until;
  if (plan && at && Date.parse(at) <= Date.parse(plan))
    return html`<span class="state ${s.active ? "closing" : "deleting"}"><span class="pill">${w.t(s.active ? "planClosed" : "planDeleted")}</span>${ruleOf(w, s)}</span>`;
  const key = s.active ? (s.state === "closing" || (at && w.due(at)) ? "closingAt" : "closesAt") : "deletedAt";
  const text = s.state === "protected" ? w.t("neverCleaned") : at ? ahead(w, key, at) : w.t(s.active ? "staysOpen" : "staysClosed");
  return html`<span class="state ${s.state}"><span class="pill">${w.t(s.state)}</span> <span class="until">${text}</span>${ruleOf(w, s)}${warningOf(w, s)}</span>`;
}

/** ruleOf names the tag whose rule says when the session is closed or deleted, if one does. */
function ruleOf(w: Words, s: Session) {
  const tag = s.active ? s.deactivate_rule : s.delete_rule;
  return tag && s.state !== "protected" ? html` <span class="until">${w.t("byTag", { tag })}</span>` : nothing;
}

/** warningOf says what became of the warning before the deletion. */
function warningOf(w: Words, s: Session) {
  if (!s.warning) return nothing;
  const text = s.warning === "delivered" ? dated(w, "warnedAt", s.warned_at!) : w.t(s.warning === "waiting" ? "warningWaits" : "warningFailed");
  return html`<span class="warning" data-warning=${s.warning}>${text}</span>`;
}

export function ringOf(w: Words, me: Me, s: Session) {
  let left: number | null = null;
  const whole = s.active ? (me.inactive_hours ?? 0) * 3600e3 : (me.delete_old_days ?? 0) * 86400e3;
  if (s.state_until && whole) left = Math.min(1, Math.max(0, (Date.parse(s.state_until) - w.now()) / whole));
  return html`<span class=${s.state}>${ring(s.state, left)}</span>`;
}

export const empty = (i: Icon, title: string, hint: string, action: unknown = nothing, whole = false) =>
  html`<div class="empty">${icon(i)}${whole ? html`<h1>${title}</h1>` : html`<strong>${title}</strong>`}<p>${hint}</p>${action}</div>`;

export const skeleton = (label: string) => html`<div class="card skeleton" role="status" aria-label=${label}><i></i><i></i><i></i><i></i></div>`;

/** alongLists are what is deleted along with sessions, and what is unlinked; without what there is none of. */
export function alongLists(w: Words, all: Dependent[]): TemplateResult[] {
  const some = (effect: string) => all.filter((d) => d.effect === effect && (d.rows > 0 || d.more));
  const said = (d: Dependent) => (d.more && !d.rows ? w.t("rowsIn", { table: d.table }) : (d.more ? w.t("atLeast") : "") + w.t("rowsOf", { n: d.rows, table: d.table }));
  const lists: [Key, Dependent[]][] = [["deleteAlong", some("deleted")], ["unlinkedAlong", some("unlinked")]];
  return lists.filter(([, rows]) => rows.length).map(([title, rows]) => html`<p>${w.t(title)}</p><ul class="list">${rows.map((d) => html`<li>${said(d)}</li>`)}</ul>`);
}

/** doneOf is how many sessions a run did something with. */
export const doneOf = (phases: Phase[], action: string) => phases.find((p) => p.action === action)?.done ?? 0;
/** did is what a run did. */
export const did = (w: Words, phases: Phase[]) => `${w.t("nDeleted", { n: doneOf(phases, "deleted") })}, ${w.t("nClosed", { n: doneOf(phases, "deactivated") })}`;

export const whoIs = (w: Words, me: Me, actor: string): string => {
  if (actor === me.actor) return w.t("you");
  if (actor === "system") return w.t("system");
  if (actor === "admin") return w.t("anAdmin");
  const [role, id] = [actor.split(":")[0], actor.slice(actor.indexOf(":") + 1)];
  return role === "owner" && id !== actor ? w.t("anOwner", { id }) : actor;
};
