import { html, nothing } from "lit";
import { Problem, type Entry } from "./api.ts";
import { nameOf, type Frame } from "./base.ts";
import type { Key } from "./i18n.ts";
import { icon } from "./icons.ts";

interface Erased {
  owner_id: string;
  sessions: number;
  archived: number;
  held: number;
  events: number;
}

async function doing(f: Frame, work: () => Promise<void>) {
  try {
    await work();
  } catch (e) {
    f.failed(e);
  } finally {
    f.refresh();
  }
}

/** hold keeps an entry of the archive, or ends that. */
export async function hold(f: Frame, e: Entry, held: boolean): Promise<void> {
  const w = f.words,
    name = nameOf(w, e);
  let reason: string | undefined = "";
  if (held) {
    reason = await f.ask<string>(
      (end) => html`<form method="dialog" @submit=${(x: SubmitEvent) => {
        x.preventDefault();
        end(String(new FormData(x.target as HTMLFormElement).get("reason")).trim());
      }}>
      <h2>${w.t("holdTitle", { name })}</h2><p class="muted">${w.t("holdHint")}</p><br>
      <label class="field"><span>${w.t("reason")}</span><input name="reason" maxlength="200" autofocus></label>
      <footer><button type="button" @click=${() => end(undefined)}>${w.t("cancel")}</button><button class="primary">${w.t("hold")}</button></footer></form>`,
    );
  }
  if (reason === undefined) return;
  await doing(f, async () => {
    await f.api.send("PATCH", `/archive/${e.id}/hold`, { held, reason });
    f.toast(w.t(held ? "didHold" : "didRelease", { name }));
  });
}

const sure = (f: Frame, title: string, text: unknown, go: Key) =>
  f.ask<boolean>(
    (end) => html`<h2>${title}</h2>${text}
  <footer><button autofocus @click=${() => end(undefined)}>${f.words.t("cancel")}</button><button class="primary danger" @click=${() => end(true)}>${icon("trash")}${f.words.t(go)}</button></footer>`,
  );

/** purge removes an entry from the archive permanently. */
export async function purge(f: Frame, e: Entry): Promise<void> {
  const w = f.words,
    name = nameOf(w, e);
  if (!(await sure(f, w.t("purgeTitle", { name }), html`<p>${w.t("purgeHint")}</p>`, "purge"))) return;
  await doing(f, async () => {
    await f.api.send("DELETE", `/archive/${e.id}`, undefined, { confirm: e.id });
    f.toast(w.t("didPurge", { name }));
  });
}

/** eraseOwner asks for an owner, counts what belongs to it, and removes that permanently. */
export async function eraseOwner(f: Frame): Promise<void> {
  const w = f.words;
  const owner = await f.ask<string>(
    (end) => html`<form method="dialog" @submit=${(x: SubmitEvent) => {
      x.preventDefault();
      end(String(new FormData(x.target as HTMLFormElement).get("erased")).trim());
    }}>
    <h2>${w.t("eraseTitle")}</h2><p class="muted">${w.t("eraseHint")}</p><br>
    <label class="field"><span>${w.t("ownerFilter")}</span><input name="erased" required maxlength="500" autofocus></label>
    <footer><button type="button" @click=${() => end(undefined)}>${w.t("cancel")}</button><button class="primary">${w.t("count")}</button></footer></form>`,
  );
  if (!owner) return;
  await doing(f, async () => {
    const counts = await f.api.send("POST", "/erase", { owner }).then(
      () => undefined,
      (e) => {
        if (e instanceof Problem && e.kind === "confirmation-required") return e.body.erase as Erased;
        throw e;
      },
    );
    if (!counts) return;
    let held = false;
    const ok = await sure(
      f,
      w.t("eraseSure", { id: owner }),
      html`
      <ul class="list"><li>${w.t("eraseCounts", { n: counts.sessions })}</li><li>${w.t("eraseArchived", { n: counts.archived })}</li><li>${w.t("eraseEvents", { n: counts.events })}</li></ul>
      ${
        counts.held
          ? html`<p>${w.t("eraseHeld", { n: counts.held })}</p><div class="choices"><label><input type="checkbox" @change=${(e: Event) => {
              held = (e.target as HTMLInputElement).checked;
            }}><span>${w.t("eraseHeldToo")}</span></label></div>`
          : nothing
      }
      <p><strong>${w.t("permanent")}</strong></p>`,
      "eraseGo",
    );
    if (!ok) return;
    await f.api.send("POST", "/erase", { owner, include_held: held }, { confirm: owner });
    f.toast(w.t("didErase"));
  });
}
