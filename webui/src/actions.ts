import { html, nothing } from "lit";
import { Problem, type Action, type BulkResult, type Entry, type Page, type Session } from "./api.ts";
import { askForm, attempt, sure, unconfirmed } from "./ask.ts";
import { alongLists, nameOf, type Frame } from "./base.ts";
import type { Key } from "./i18n.ts";
import type { Icon } from "./icons.ts";

export const actionIcons: Record<Action, Icon> = {
  deactivate: "close",
  reactivate: "reopen",
  keep: "keep",
  protect: "keep",
  unprotect: "lock",
  tag: "tag",
  delete: "trash",
};
export const actionWords: Record<Action, Key> = {
  deactivate: "close",
  reactivate: "reopen",
  keep: "keep",
  protect: "protect",
  unprotect: "unprotect",
  tag: "tags",
  delete: "remove",
};
const done: Record<Action, Key> = {
  deactivate: "didDeactivate",
  reactivate: "didReactivate",
  keep: "didKeep",
  protect: "didProtect",
  unprotect: "didUnprotect",
  tag: "didTag",
  delete: "didDelete",
};

/** Matching are all sessions of a filter. */
export interface Matching {
  filter: Record<string, string>;
  count: number;
}

const path = (id: string) => "/" + encodeURIComponent(id).replace(/^[a-z]/, (c) => "%" + c.charCodeAt(0).toString(16)); // an ID may be the name of a route

/** askKeep asks for how long to keep sessions: days, or always. */
async function askKeep(f: Frame, days: number[], title: string, protectable: boolean): Promise<{ action: Action; days?: number } | undefined> {
  const w = f.words,
    until = (n: number) => new Date(w.now() + n * 86400e3);
  const answer = await askForm(
    f,
    title,
    w.t("keepHint"),
    html`<div class="choices" role="radiogroup" aria-label=${w.t("keep")}>
        ${days.map((n, i) => html`<label><input type="radio" name="keep" value=${n} ?checked=${i === 0}><span>${w.t("keepDays", { n })}</span><small>${w.t("keepDaysHint", { when: w.date(until(n)) })}</small></label>`)}
        ${protectable ? html`<label><input type="radio" name="keep" value="always" ?checked=${days.length === 0}><span>${w.t("keepAlways")}</span><small>${w.t("keepAlwaysHint")}</small></label>` : nothing}
      </div>`,
    "keep",
  );
  if (!answer) return undefined;
  const keep = answer.get("keep");
  return keep === "always" ? { action: "protect" } : { action: "keep", days: Number(keep) };
}

interface Tags {
  add?: string[];
  remove?: string[];
}
const words = (text: FormDataEntryValue | null) =>
  String(text ?? "")
    .split(/[\s,]+/)
    .filter(Boolean);

/** askTags asks for tags: those of one session, or some to add and to remove. */
async function askTags(f: Frame, title: string, has?: string[]): Promise<Tags | undefined> {
  const w = f.words;
  const answer = await askForm(
    f,
    title,
    w.t("tagsHint"),
    html`<br>
      <label class="field"><span>${w.t(has ? "tags" : "tagsAdd")}</span><input name="add" maxlength="1100" autocapitalize="none" autocomplete="off" spellcheck="false" .value=${has?.join(" ") ?? ""} autofocus></label>
      ${has ? nothing : html`<label class="field"><span>${w.t("tagsRemove")}</span><input name="remove" maxlength="1100" autocapitalize="none" autocomplete="off" spellcheck="false"></label>`}`,
    "save",
  );
  if (!answer) return undefined;
  const wanted = words(answer.get("add"));
  const add = has ? wanted.filter((t) => !has.includes(t)) : wanted;
  const remove = has ? has.filter((t) => !wanted.includes(t)) : words(answer.get("remove"));
  if (add.length + remove.length === 0) return undefined;
  return { ...(add.length ? { add } : {}), ...(remove.length ? { remove } : {}) };
}

function fate(f: Frame) {
  const w = f.words,
    n = f.me.archive_keep_days;
  if (!f.me.archives) return html`<p><strong>${w.t("permanent")}</strong></p>`;
  return html`<p>${n === null ? w.t("toTrashForever") : w.t("toTrash", { n: Math.round(n) })}</p>`;
}

const askDelete = (f: Frame, title: string, along: unknown) => sure(f, title, html`${along}${fate(f)}`, "remove");

/** changeOne asks what there is to ask, changes one session and says so. */
export const changeOne = (f: Frame, s: Session, action: Action): Promise<boolean> =>
  attempt(f, async () => {
    const w = f.words,
      name = nameOf(w, s);
    let route: string = action,
      body: object | undefined = {};
    if (action === "delete") return deleteOne(f, s, name);
    if (action === "tag") {
      route = "tags";
      body = await askTags(f, w.t("tagsTitle", { n: 1, name }), s.tags);
    }
    if (action === "keep") {
      const how = await askKeep(f, s.keep_days, w.t("keepTitle", { n: 1, name }), s.actions.includes("protect"));
      if (!how) return;
      action = how.action;
      body = { days: how.days };
    }
    if (action === "protect" || action === "unprotect") {
      route = "auto-cleanup";
      body = { auto_cleanup: action === "unprotect" };
    }
    if (!body) return;
    await f.api.send("PATCH", path(s.id) + "/" + route, body);
    f.toast(w.t(done[action], { n: 1, name }));
  });

async function deleteOne(f: Frame, s: Session, name: string): Promise<void> {
  const w = f.words,
    asked = await unconfirmed(f.api.send("DELETE", path(s.id))), // what would be deleted
    lists = alongLists(w, asked?.dependents ?? []);
  const ok = await askDelete(f, w.t("deleteTitle", { n: 1, name }), lists.length ? lists : html`<p>${w.t("nothingAlong")}</p>`);
  if (!ok) return;
  await f.api.send("DELETE", path(s.id), undefined, { confirm: asked?.session.id ?? s.id });
  const text = w.t("didDelete", { n: 1, name });
  if (!f.me.archives) f.toast(text);
  else f.toast(text, { action: w.t("undo"), run: () => void undo(f, s.id) });
}

async function undo(f: Frame, id: string) {
  try {
    const found = await f.api.get<Page<Entry>>("/archive", { session: id, limit: 1 });
    if (found.entries?.length) await restore(f, found.entries[0]);
  } catch (e) {
    f.failed(e);
  }
}

/** restore brings an entry of the archive back, or shows what is in the way. */
export const restore = (f: Frame, entry: Entry): Promise<boolean> =>
  attempt(f, async () => {
    const w = f.words,
      name = nameOf(w, entry);
    try {
      await f.api.send("POST", `/archive/${entry.id}/restore`, {});
      f.toast(w.t("didRestore", { name }));
    } catch (e) {
      if (!(e instanceof Problem) || e.kind !== "obstructed") throw e;
      await f.ask(
        (end) => html`<h2>${w.t("blockedTitle", { name })}</h2>
        <ul class="list">${e.body.obstacles.map((o: any) => html`<li>${o.text}${o.table ? html` <span class="muted">${w.t("inTable", { table: o.table })}</span>` : nothing}</li>`)}</ul>
        <footer><button autofocus @click=${() => end(undefined)}>${w.t("dismiss")}</button></footer>`,
      );
    }
  });

/** reverse makes the sessions active again that a run deactivated. */
export const reverse = (f: Frame, run: string): Promise<boolean> =>
  attempt(f, async () => {
    const r = await f.api.send<{ done: number }>("POST", `/runs/${encodeURIComponent(run)}/reactivate`, {});
    f.toast(f.words.t("reversed", { n: r.done }));
  });

/** changeMany is one change of the sessions with these IDs, or of all that match, with progress. */
export async function changeMany(f: Frame, action: Action, which: string[] | Matching): Promise<boolean> {
  const w = f.words,
    n = Array.isArray(which) ? which.length : which.count;
  let days: number | undefined;
  if (action === "keep") {
    const how = await askKeep(f, f.me.keep_days, w.t("keepTitle", { n, name: "" }), true);
    if (!how) return false;
    ({ action, days } = how);
  }
  let tags: Tags | undefined;
  if (action === "tag" && !(tags = await askTags(f, w.t("tagsTitle", { n, name: "" })))) return false;
  if (action === "delete" && !(await askDelete(f, w.t("deleteTitle", { n, name: "" }), html`<p>${w.t("bulkAlong")}</p>`))) return false;
  const body = Array.isArray(which) ? { action, days, ...tags, ids: which } : { action, days, ...tags, ...which.filter, expected: which.count };
  const stop = new AbortController();
  let show: (done: number, total: number) => void = () => {};
  const work = f.api.stream<BulkResult>("/bulk", body, (d, t) => show(d, t), stop.signal);
  try {
    const r = await progressDialog(f, w.t("working"), work, stop, (s) => (show = s));
    f.toast(
      [
        w.t(done[action], { n: r.done, name: w.t("countSessions", { n: 1 }) }),
        r.skipped ? w.t("skippedSome", { n: r.skipped }) : "",
        r.failed ? w.t("failedSome", { n: r.failed }) : "",
      ].join(" "),
      { bad: r.failed > 0 },
    );
    return true;
  } catch (e) {
    if (stop.signal.aborted) f.toast(w.t("stopped"));
    else f.failed(e);
    return stop.signal.aborted;
  } finally {
    f.refresh();
  }
}

/** progressDialog shows how far some work is, with a way to stop it, unless it ends at once. */
export async function progressDialog<T>(
  f: Frame,
  title: string,
  work: Promise<T>,
  stop: AbortController,
  shows: (show: (done: number, total: number) => void) => void,
): Promise<T> {
  const w = f.words,
    quick = await Promise.race([
      work.then(
        () => true,
        () => true,
      ),
      new Promise<boolean>((r) => setTimeout(() => r(false), 350)),
    ]);
  if (quick) return work;
  let close: (answer?: undefined) => void = () => {};
  void f.ask<undefined>((end) => {
    close = end;
    return html`<h2>${title}</h2><progress aria-label=${title}></progress><p class="muted" data-progress role="status"></p>
      <footer><button @click=${() => stop.abort()}>${w.t("stop")}</button></footer>`;
  });
  shows((n, total) => {
    const dialog = f.dialog();
    const bar = dialog?.querySelector("progress");
    if (!bar) return;
    bar.max = total;
    bar.value = n;
    dialog!.querySelector("[data-progress]")!.textContent = w.t("progress", { done: n, total });
  });
  try {
    return await work;
  } finally {
    close();
  }
}
