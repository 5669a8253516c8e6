import { html, nothing } from "lit";
import type { Entry } from "./api.ts";
import { askForm, attempt, sure, unconfirmed } from "./ask.ts";
import { nameOf, type Frame } from "./base.ts";

interface Erased {
  owner_id: string;
  sessions: number;
  archived: number;
  held: number;
  events: number;
}

/** hold keeps an entry of the archive, or ends that. */
export async function hold(f: Frame, e: Entry, held: boolean): Promise<void> {
  const w = f.words,
    name = nameOf(w, e);
  let reason = "";
  if (held) {
    const why = html`<br><label class="field"><span>${w.t("reason")}</span><input name="reason" maxlength="200" autofocus></label>`;
    const asked = await askForm(f, w.t("holdTitle", { name }), w.t("holdHint"), why, "hold");
    if (!asked) return;
    reason = String(asked.get("reason")).trim();
  }
  await attempt(f, async () => {
    await f.api.send("PATCH", `/archive/${e.id}/hold`, { held, reason });
    f.toast(w.t(held ? "didHold" : "didRelease", { name }));
  });
}

/** purge removes an entry from the archive permanently. */
export async function purge(f: Frame, e: Entry): Promise<void> {
  const w = f.words,
    name = nameOf(w, e);
  if (!(await sure(f, w.t("purgeTitle", { name }), html`<p>${w.t("purgeHint")}</p>`, "purge"))) return;
  await attempt(f, async () => {
    await f.api.send("DELETE", `/archive/${e.id}`, undefined, { confirm: e.id });
    f.toast(w.t("didPurge", { name }));
  });
}

/** eraseOwner asks for an owner, counts what belongs to it, and removes that permanently. */
export async function eraseOwner(f: Frame): Promise<void> {
  const w = f.words;
  const whose = html`<br><label class="field"><span>${w.t("ownerFilter")}</span><input name="erased" required maxlength="500" autofocus></label>`;
  const asked = await askForm(f, w.t("eraseTitle"), w.t("eraseHint"), whose, "count");
  const owner = String(asked?.get("erased") ?? "").trim();
  if (!owner) return;
  await attempt(f, async () => {
    const counts: Erased | undefined = (await unconfirmed(f.api.send("POST", "/erase", { owner })))?.erase;
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
