import { html } from "lit";
import type { Pause } from "./api.ts";
import { askForm, attempt, once } from "./ask.ts";
import { dated, whoIs, type Frame } from "./base.ts";
import { icon } from "./icons.ts";

const choices = [1, 24, 168]; // hours

/** pause asks until when and why, and pauses all cleanup. */
export async function pause(f: Frame): Promise<void> {
  const w = f.words;
  const asked = await askForm(
    f,
    w.t("pauseTitle"),
    w.t("pauseHint"),
    html`<div class="choices">${choices.map((h, i) => html`<label><input type="radio" name="hours" value=${h} ?checked=${i === 0}><span>${h < 24 ? w.t("hours", { n: h }) : w.t("keepDays", { n: h / 24 })}</span></label>`)}</div><br>
    <label class="field"><span>${w.t("orUntil")}</span><input type="datetime-local" name="until"></label><br>
    <label class="field"><span>${w.t("reason")}</span><input name="why" required pattern=".*\\S.*" maxlength="200" autofocus></label>`,
    "pause",
  );
  if (!asked) return;
  const until = String(asked.get("until")),
    length = until ? { until: new Date(until).toISOString() } : { hours: Number(asked.get("hours")) };
  await change(f, "POST", { ...length, reason: String(asked.get("why")).trim() });
}

const change = (f: Frame, method: string, body?: unknown) => attempt(f, async () => f.toast((await f.api.send<{ message: string }>(method, "/pause", body)).message));

/** pauseBanner says until when all cleanup is paused, by whom and why. */
export function pauseBanner(f: Frame, p: Pause) {
  const w = f.words;
  return html`<div class="banner" data-paused>${icon("pause")}<p>${dated(w, "pausedUntil", p.until, { who: whoIs(w, f.me, p.by) })} <bdi>${p.reason}</bdi></p>
    ${f.me.changes ? html`<button data-act="resume" @click=${once(() => change(f, "DELETE"))}>${w.t("resume")}</button>` : ""}</div>`;
}
