import { LitElement, html, nothing } from "lit";
import { html as htmlOfTag, unsafeStatic } from "lit/static-html.js";
import { Api, Problem, type Credentials, type Me, type Stats, type Summary } from "./api.ts";
import { ArchiveView } from "./archive.ts";
import { openDialog } from "./ask.ts";
import { View, empty, inside, skeleton, type Frame } from "./base.ts";
import { Words, type Key, type Lang } from "./i18n.ts";
import { icon, type Icon } from "./icons.ts";
import { LogView } from "./log.ts";
import { OverviewView } from "./overview.ts";
import { OwnersView } from "./owners.ts";
import { PolicyView } from "./policy.ts";
import { SessionsView } from "./sessions.ts";
import { style } from "./style.ts";
import { Toasts } from "./toasts.ts";
import { WhatIfView } from "./whatif.ts";

const pollEvery = 15; // seconds, without a live stream
const later = 250; // milliseconds between news and the reading of it
const patience = 30_000; // milliseconds for a response before the page asks again
const remembered = "session-manager:";

// A view with a place is reached from that one, and not from the top.
const views: Record<string, { tag: string; icon: Icon; owner: Key; admin: Key; place?: string }> = {
  overview: { tag: "session-manager-overview", icon: "overview", owner: "overview", admin: "overview" },
  sessions: { tag: "session-manager-sessions", icon: "sessions", owner: "sessions", admin: "sessions" },
  policy: { tag: "session-manager-policy", icon: "overview", owner: "policy", admin: "policy", place: "overview" },
  owners: { tag: "session-manager-owners", icon: "sessions", owner: "owners", admin: "owners", place: "overview" },
  archive: { tag: "session-manager-archive", icon: "trash", owner: "trash", admin: "archive" },
  log: { tag: "session-manager-log", icon: "history", owner: "history", admin: "log" },
};

// What the server refuses, in words of the page where its own are for programs.
const refusals: Record<string, Key> = { offline: "offline", "too-many-requests": "tooFast", "other-sessions": "others", "too-many-deletions": "refused" };

/**
 * <session-manager src lang theme>: the sessions of the user who is logged in, or all for an admin.
 *
 * Attributes: src, the URL of the API; lang, "en" or "fr"; theme, "auto", "light" or "dark"; heading; routes, to keep the view and
 * its filters in the page's fragment; login and logout, URLs. Property: credentials, a function that returns a bearer token;
 * without it the requests have the page's cookies. Event: session-manager-login, cancelable, when there is no login or it expired.
 */
export class SessionManager extends LitElement {
  static styles = style;
  static properties = {
    src: {},
    lang: {},
    theme: {},
    heading: {},
    routes: { type: Boolean },
    login: {},
    logout: {},
    credentials: { attribute: false },
    me: { state: true },
    summary: { state: true },
    stats: { state: true },
    trouble: { state: true },
    view: { state: true },
    params: { state: true },
    live: { state: true },
    chosen: { state: true },
  };
  declare src: string;
  declare lang: string;
  declare theme: string;
  declare heading: string;
  declare routes: boolean;
  declare login: string;
  declare logout: string;
  /** credentials returns a bearer token for each request. Without it the requests have the page's cookies. */
  declare credentials?: Credentials;

  declare me?: Me;
  declare summary?: Summary;
  declare stats?: Stats;
  declare trouble?: Problem; // of the last read
  declare view: string;
  declare params: URLSearchParams;
  declare live: boolean;
  declare chosen: { lang?: Lang; theme?: string };

  private ahead = 0; // milliseconds by which the server's clock is ahead of the browser's
  private now = () => Date.now() + this.ahead;
  private words = new Words("en", this.now);
  private api = new Api(
    () => this.src,
    () => this.words.lang,
    () => this.credentials,
  );
  private stop?: AbortController; // of everything that goes on while the element is in a page
  private watching?: AbortController;
  private soon?: ReturnType<typeof setTimeout>;
  private began = 0;
  private loading?: { what: string; since: number }; // what is read just now
  private again = false; // there was news meanwhile
  private toasts = new Toasts(this);
  private dark = matchMedia("(prefers-color-scheme: dark)");

  constructor() {
    super();
    this.src = "/api/session-cleanup";
    this.lang = this.theme = this.heading = this.login = this.logout = "";
    this.routes = this.live = false;
    this.view = "";
    this.params = new URLSearchParams();
    this.chosen = {};
  }

  connectedCallback() {
    super.connectedCallback();
    if (this.routes) this.chosen = { lang: recall("lang") as Lang | undefined, theme: recall("theme") };
    this.stop = new AbortController();
    const signal = this.stop.signal;
    addEventListener("hashchange", () => this.follow(), { signal });
    document.addEventListener("visibilitychange", () => this.wake(), { signal });
    addEventListener("online", () => this.wake(), { signal });
    this.dark.addEventListener("change", () => this.paint(), { signal });
    const minute = setInterval(() => document.hidden || this.refresh(), 60_000); // what is due, and how long ago things were
    signal.addEventListener("abort", () => clearInterval(minute));
    void this.begin();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.stop?.abort();
    this.watching?.abort();
  }

  willUpdate() {
    const lang: Lang = (this.chosen.lang || this.lang || document.documentElement.lang || "en").toLowerCase().startsWith("fr") ? "fr" : "en";
    if (lang !== this.words.lang) {
      this.words = new Words(lang, this.now);
      if (this.me) this.refresh(); // messages of the server are in its language
    }
    this.paint();
  }

  updated(changed: Map<string, unknown>) {
    // Set after the element was in the page: it asks again who is logged in.
    if (this.isConnected && ((changed.has("credentials") && this.credentials) || (changed.has("src") && changed.get("src") !== undefined))) void this.begin();
  }

  private paint() {
    const theme = this.chosen.theme || this.theme || "auto";
    this.toggleAttribute("dark", theme === "dark" || (theme === "auto" && this.dark.matches));
  }

  private t(key: Key, values?: Record<string, string | number>) {
    return this.words.t(key, values);
  }

  /** begin finds out who looks at the page, and shows the view of the address. */
  private async begin() {
    const began = ++this.began;
    await this.updateComplete;
    try {
      const me = await this.api.get<Me>("/me");
      if (began !== this.began) return; // asked again meanwhile, as somebody else perhaps
      this.me = me;
      this.trouble = undefined;
      this.follow();
      this.wake();
    } catch (e) {
      if (began === this.began) this.fault(e);
    }
  }

  private get home() {
    return this.me?.all_sessions ? "overview" : "sessions";
  }
  private get shown() {
    return Object.keys(views).filter((v) => ((v !== "overview" && views[v].place !== "overview") || this.me?.all_sessions) && (v !== "archive" || this.me?.archive));
  }

  /** follow shows the view of the page's fragment. */
  private follow() {
    if (!this.me) return;
    const [view, query] = this.routes ? location.hash.slice(1).split("?") : [this.view];
    const next = this.shown.includes(view) ? view : this.home;
    if (this.view !== next || this.params.toString() !== (query ?? "")) {
      this.view = next;
      this.params = new URLSearchParams(query ?? "");
    }
    this.refresh();
  }

  private go(view: string, params: Record<string, string> = {}) {
    const query = new URLSearchParams(params).toString();
    if (this.routes) {
      const hash = `#${view}${query ? "?" + query : ""}`;
      if (location.hash !== hash) {
        // filters of one view replace each other; views can be gone back to
        history[view === this.view ? "replaceState" : "pushState"](null, "", hash);
      }
    }
    const moved = view !== this.view;
    this.view = view;
    this.params = new URLSearchParams(query);
    this.refresh();
    if (moved) scrollTo({ top: 0 });
  }

  /** refresh reads again what is shown, soon: news comes in bursts. */
  private refresh() {
    clearTimeout(this.soon);
    this.soon = setTimeout(() => void this.load(), this.summary ? later / 5 : 0);
  }

  private async load() {
    if (!this.me || !this.isConnected) return;
    const what = `${this.view}?${this.params}`,
      loading = { what, since: Date.now() };
    // If responses take longer than the time between news, each would be dropped for the next one.
    if (this.loading?.what === what && loading.since - this.loading.since < patience) return void (this.again = true);
    this.loading = loading;
    this.again = false;
    await this.updateComplete;
    const view = this.renderRoot.querySelector<View>("[data-view]");
    try {
      // Each shows as soon as it is there: nothing waits for figures that take long to count.
      const summary = this.api.get<Summary>("/summary").then((s) => {
        this.ahead = Date.parse(s.at) - Date.now();
        this.summary = s;
      });
      await Promise.all([this.identify(), summary, this.me.all_sessions ? this.count() : undefined, view?.load()]);
      if (this.loading !== loading) return;
      const back = this.trouble !== undefined && !this.live;
      this.trouble = undefined;
      if (back) this.wake(); // the server is back: so may be its stream
    } catch (e) {
      if (this.loading === loading) this.fault(e);
    } finally {
      if (this.loading === loading) {
        this.loading = undefined;
        if (this.again) this.refresh();
      }
    }
  }

  /** identify reads again what the user may do and what the policy is. The user may have become another one in another tab. */
  private async identify() {
    const before = this.me!.actor,
      me = await this.api.get<Me>("/me");
    if (me.actor === before) this.me = me;
    else await this.begin();
  }

  /** count reads the figures, and again soon while they are counted for the first time. */
  private async count() {
    try {
      this.stats = await this.api.get<Stats>("/stats");
    } catch (e) {
      if (!(e instanceof Problem) || e.kind !== "counting") throw e;
      if (!this.stats) setTimeout(() => this.isConnected && !this.stats && !document.hidden && void this.count().catch((x) => this.fault(x)), 2000);
    }
  }

  /** fault keeps what is shown, and says what is wrong with it. */
  private fault(e: unknown) {
    if (!(e instanceof Problem)) throw e;
    this.trouble = e;
    if (e.status === 401) {
      this.watching?.abort();
      this.dispatchEvent(new CustomEvent("session-manager-login", { bubbles: true, composed: true, cancelable: true }));
    } else if (e.status !== 403 && e.status !== 400) {
      clearTimeout(this.soon);
      this.soon = setTimeout(() => (this.me ? void this.load() : void this.begin()), 5000);
    }
  }

  /** wake watches the live stream while the page is visible. */
  private wake() {
    this.watching?.abort();
    if (document.hidden || !this.me || !this.isConnected) {
      this.live = false;
      return;
    }
    this.watching = new AbortController();
    this.loading = undefined; // the network may have lost the answer
    void this.watch(this.watching.signal);
    this.refresh();
  }

  private async watch(signal: AbortSignal) {
    while (!signal.aborted) {
      const began = Date.now();
      try {
        await this.api.watch((event, data) => {
          this.live = true;
          if (event === "stats" && this.me!.all_sessions) this.stats = JSON.parse(data);
          if (event === "unavailable") this.trouble = new Problem(503, { type: "#unavailable" });
          else this.refresh();
        }, signal);
      } catch (e) {
        if (e instanceof Problem && e.status === 401) return this.fault(e);
      }
      this.live = false;
      if (!signal.aborted) this.refresh(); // it may be gone, or cannot stream: then this is how often the page asks
      const lasted = Date.now() - began > pollEvery * 1000; // servers end streams after a while
      await new Promise((r) => setTimeout(r, lasted ? 1000 : pollEvery * 1000));
    }
  }

  private failed(e: unknown) {
    if (!(e instanceof Problem)) throw e;
    if (e.status === 401) return this.fault(e);
    const own = refusals[e.kind] ?? (e.status === 404 ? "gone" : undefined);
    const text = own ? this.t(own) : e.message || this.t("failed");
    this.toasts.add(text, { bad: true });
  }

  private frame(): Frame {
    return {
      api: this.api,
      words: this.words,
      me: this.me!,
      summary: this.summary,
      stats: this.stats,
      stale: this.trouble !== undefined,
      view: this.view,
      params: this.params,
      go: (v, p) => this.go(v, p),
      ask: (d) => openDialog(this, d),
      toast: (t, o) => this.toasts.add(t, o ?? {}),
      failed: (e) => this.failed(e),
      refresh: () => this.refresh(),
      dialog: () => this.renderRoot.querySelector("dialog"),
    };
  }

  render() {
    return html`<div lang=${this.words.lang}>${this.me && this.trouble?.status !== 401 ? this.whole() : html`<main>${this.closed()}</main>`}
      ${this.toasts.render(this.words)}</div>`;
  }

  /** closed is the page of somebody who sees nothing, or nothing yet. */
  private closed() {
    const e = this.trouble;
    if (!e) return skeleton(this.t("loading"));
    if (e.status === 401) {
      const before = this.me !== undefined;
      return html`<div class="card">${empty(
        "lock",
        this.t(before ? "expired" : "needLogin"),
        before ? this.t("expiredHint") : this.login ? "" : this.t("needLoginHint"),
        this.login
          ? html`<a class="button primary" href=${this.login}>${this.t("logIn")}</a>`
          : html`<button class="primary" @click=${() => void this.begin()}>${this.t("retry")}</button>`,
        true,
      )}</div>`;
    }
    if (e.status === 403) return html`<div class="card">${empty("lock", this.t("noAccess"), this.t("noAccessHint"), this.logoutForm(true), true)}</div>`;
    return html`<div class="card">${empty("warn", e.kind === "offline" ? this.t("offline") : e.message || this.t("failed"), this.t("offlineDo"), html`<button class="primary" @click=${() => void this.begin()}>${this.t("retry")}</button>`, true)}</div>`;
  }

  private logoutForm(whole = false) {
    const say = this.t("logOut");
    if (!this.logout) return nothing;
    return html`<form method="post" action=${this.logout}><button class=${whole ? "" : "ghost icon"} title=${say} aria-label=${say}>${icon("out")}${whole ? say : nothing}</button></form>`;
  }

  private whole() {
    const me = this.me!,
      kind = me.all_sessions ? "admin" : "owner",
      shown = this.shown;
    return html`<header><div class="bar">
        <div class="brand">${icon("brand")}<span class="title">${this.heading || this.t("sessions")}</span><span class="who"><bdi>${this.who()}</bdi>${me.changes ? nothing : html` · ${this.t("readOnly")}`}</span></div>
        <nav aria-label=${this.t("main")}><ul>${shown.filter((v) => !views[v].place).map(
          (v) =>
            html`<li><a href="#${v}" aria-current=${v === this.view ? "page" : v === views[this.view]?.place ? "true" : nothing} data-go=${v} @click=${inside(() => this.go(v))}>${icon(v === "archive" && me.all_sessions ? "box" : views[v].icon)}<span>${this.t(views[v][kind])}</span></a></li>`,
        )}</ul></nav>
        <span class="pulse ${this.live ? "on" : ""}" title=${this.live ? this.t("liveOn") : this.t("liveOff", { n: pollEvery })}><i></i><span>${this.live ? this.t("liveOn") : this.t("liveOff", { n: pollEvery })}</span></span>
        <button class="ghost icon" data-act="theme" title="${this.t("theme")}: ${this.t(`t_${this.chosen.theme || this.theme || "auto"}` as Key)}" aria-label="${this.t("theme")}: ${this.t(`t_${this.chosen.theme || this.theme || "auto"}` as Key)}" @click=${this.nextTheme}>${icon("theme")}</button>
        <button class="ghost" data-act="lang" lang=${this.words.lang === "en" ? "fr" : "en"} aria-label="${this.words.lang === "en" ? "FR" : "EN"}: ${this.t("language")}" @click=${this.nextLang}>${this.words.lang === "en" ? "FR" : "EN"}</button>
        ${this.logoutForm()}
      </div></header>
      <main>${this.warning()}${this.content()}</main>`;
  }

  private who() {
    const me = this.me!,
      named = this.summary && [...this.summary.closing.sessions, ...this.summary.deleting.sessions].find((s) => s.owner_id === me.id && s.owner_name);
    if (me.role === "owner") return named ? named.owner_name : this.t("anOwner", { id: me.id });
    return me.id ? `${this.t("admin")} ${me.id}` : this.t("admin");
  }

  private warning() {
    const e = this.trouble;
    if (!e) return nothing;
    const text = e.kind === "offline" ? this.t("offline") : e.status === 503 && e.kind !== "counting" ? this.t("unavailable") : e.message || this.t("failed");
    return html`<div class="banner" role="alert">${icon("warn")}<p>${text} <span class="muted">${this.t("offlineDo")}</span></p><button @click=${() => void this.load()}>${this.t("retry")}</button></div>`;
  }

  private content() {
    if (!this.view) return nothing;
    const tag = unsafeStatic(views[this.view].tag);
    return htmlOfTag`<${tag} data-view .frame=${this.frame()}></${tag}>`;
  }

  private nextTheme() {
    const all = ["auto", "light", "dark"];
    const theme = all[(all.indexOf(this.chosen.theme || this.theme || "auto") + 1) % 3];
    this.chosen = { ...this.chosen, theme };
    remember("theme", theme);
  }

  private nextLang() {
    const lang: Lang = this.words.lang === "en" ? "fr" : "en";
    this.chosen = { ...this.chosen, lang };
    remember("lang", lang);
  }
}

function recall(what: string): string | undefined {
  try {
    return localStorage.getItem(remembered + what) ?? undefined;
  } catch {
    return undefined;
  } // storage may be off
}
function remember(what: string, value: string) {
  try {
    localStorage.setItem(remembered + what, value);
  } catch {
    /* storage may be off */
  }
}

for (const [tag, element] of [
  [views.overview.tag, OverviewView],
  [views.sessions.tag, SessionsView],
  [views.policy.tag, PolicyView],
  [views.owners.tag, OwnersView],
  ["session-manager-whatif", WhatIfView],
  [views.archive.tag, ArchiveView],
  [views.log.tag, LogView],
  ["session-manager", SessionManager],
] as const) {
  if (!customElements.get(tag)) customElements.define(tag, element as unknown as CustomElementConstructor);
}
