import { html } from "lit";
import type { Pause } from "./api.ts";
import { timeTag, whoIs, type Frame } from "./base.ts";
import { icon } from "./icons.ts";

const choices = [1, 24, 168]; // hours

/** pause asks until when and why, and pauses all cleanup. */
export async function pause(f: Frame): Promise<void> {
  const w = f.words;
  const asked = await f.ask<Record<string, unknown>>(
    (end) => html`<form method="dialog" @submit=${(e: SubmitEvent) => {
      e.preventDefault();
      const form = new FormData(e.target as HTMLFormElement),
        until = String(form.get("until")),
        length = until ? { until: new Date(until).toISOString() } : { hours: Number(form.get("hours")) };
      end({ ...length, reason: String(form.get("why")).trim() });
    }}>
    <h2>${w.t("pauseTitle")}</h2><p class="muted">${w.t("pauseHint")}</p>
    <div class="choices">${choices.map((h, i) => html`<label><input type="radio" name="hours" value=${h} ?checked=${i === 0}><span>${h < 24 ? w.t("hours", { n: h }) : w.t("keepDays", { n: h / 24 })}</span></label>`)}</div><br>
    <label class="field"><span>${w.t("orUntil")}</span><input type="datetime-local" name="until"></label><br>
    <label class="field"><span>${w.t("reason")}</span><input name="why" required pattern=".*\\S.*" maxlength="200" autofocus></label>
    <footer><button type="button" @click=${() => end(undefined)}>${w.t("cancel")}</button><button class="primary">${w.t("pause")}</button></footer></form>`,
  );
  if (asked) await change(f, () => f.api.send<{ message: string }>("POST", "/pause", asked));
}

async function change(f: Frame, work: () => Promise<{ message: string }>) {
  try {
    f.toast((await work()).message);
  } catch (e) {
    f.failed(e);
  } finally {
    f.refresh();
  }
}

/** pauseBanner says until when all cleanup is paused, by whom and why. */
export function pauseBanner(f: Frame, p: Pause) {
  const w = f.words,
    [a, b] = w.t("pausedUntil", { when: "\0", who: whoIs(w, f.me, p.by) }).split("\0");
  const resume = () => change(f, () => f.api.send("DELETE", "/pause"));
  return html`<div class="banner" data-paused>${icon("pause")}<p>${a}${timeTag(w, p.until)}${b} <bdi>${p.reason}</bdi></p>
    ${f.me.changes ? html`<button data-act="resume" @click=${resume}>${w.t("resume")}</button>` : ""}</div>`;
}
