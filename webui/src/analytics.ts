import { html, nothing, svg } from "lit";
import type { Analytics } from "./api.ts";
import type { Words, Key } from "./i18n.ts";

interface Series {
  tone: string; // a state, for its color
  key: Key;
  values: number[];
}

/** analyticsView shows how the sessions develop: each chart with its table. */
export function analyticsView(w: Words, a: Analytics) {
  const short = { day: "numeric", month: "short" } as const,
    day = (iso: string) => w.format(iso, { ...short, timeZone: "UTC" });
  // The forecast is for each 24 hours from when it was made, which are no days of the calendar.
  const ahead = a.forecast.map((_, i) => w.t("until", { when: w.format(new Date(Date.parse(a.at) + (i + 1) * 86400e3), { ...short, hour: "numeric", minute: "numeric" }) }));
  const age = (hours: number) => (hours < 24 ? w.t("fromHours", { n: hours }) : w.t("fromDays", { n: hours / 24 }));
  return html`
    ${chart(
      w,
      "forecast",
      ahead,
      [
        { tone: "closing", key: "closings", values: a.forecast.map((d) => d.deactivate) },
        { tone: "deleting", key: "deletions", values: a.forecast.map((d) => d.delete) },
      ],
    )}
    ${
      a.history.length
        ? chart(
            w,
            "past",
            a.history.map((d) => day(d.day)),
            [
              { tone: "closing", key: "closings", values: a.history.map((d) => d.deactivated) },
              { tone: "deleting", key: "deletions", values: a.history.map((d) => d.deleted) },
              { tone: "closed", key: "purges", values: a.history.map((d) => d.purged) },
            ],
          )
        : nothing
    }
    ${a.history.some((d) => d.rows) ? freed(w, a, day) : nothing}
    ${chart(
      w,
      "ages",
      a.ages.map((g) => age(g.from_hours)),
      [
        { tone: "live", key: "open", values: a.ages.map((g) => g.active) },
        { tone: "closed", key: "shut", values: a.ages.map((g) => g.inactive) },
      ],
    )}
    ${week(w, a)}
    ${
      a.owners.length
        ? chart(
            w,
            "topOwners",
            a.owners.map((o) => o.owner_id),
            [{ tone: "live", key: "sessions", values: a.owners.map((o) => o.count) }],
          )
        : nothing
    }`;
}

/** freed shows the rows that runs deleted, those that belong to sessions too, and how much room they took as far as that is known. */
function freed(w: Words, a: Analytics, day: (iso: string) => string) {
  const bytes = a.history.reduce((n, d) => n + d.bytes, 0);
  return chart(
    w,
    "freed",
    a.history.map((d) => day(d.day)),
    [{ tone: "deleting", key: "rowsDeleted", values: a.history.map((d) => d.rows) }],
    bytes ? w.t("freedBytes", { size: w.bytes(bytes) }) : "",
  );
}

/** chart draws bars on each other, and lists their figures. */
function chart(w: Words, title: Key, labels: string[], series: Series[], hint = "") {
  const sums = labels.map((_, i) => series.reduce((n, s) => n + s.values[i], 0)),
    most = Math.max(1, ...sums),
    wide = 600 / Math.max(labels.length, 10); // a few bars do not fill the width
  const bars = labels.map((_, i) => {
    let y = 120;
    return series.map((s) => {
      const high = s.values[i] && Math.max(2, (116 * s.values[i]) / most);
      y -= high;
      return high ? svg`<rect class=${s.tone} x=${i * wide + 1} y=${y} width=${Math.max(1, wide - 2)} height=${high} fill="var(--c)"/>` : nothing;
    });
  });
  return html`<figure class="card pad" data-chart=${title}><h3>${w.t(title)}</h3>${hint ? html`<p class="muted">${hint}</p>` : nothing}
    <svg viewBox="0 0 600 120" width="100%" height="120" preserveAspectRatio="none" aria-hidden="true">${bars}</svg>
    ${labels.length < 10 || title === "topOwners" ? nothing : axis([labels[0], labels.at(-1)!])}
    <ul class="legend">${series.map((s) => html`<li class=${s.tone}><i aria-hidden="true"></i>${w.t(s.key)} <strong>${w.number(s.values.reduce((n, v) => n + v, 0))}</strong></li>`)}</ul>
    ${table(
      w,
      title,
      series.map((s) => w.t(s.key)),
      labels.map((l, i) => [l, ...series.map((s) => s.values[i])]),
    )}</figure>`;
}

const axis = (marks: string[]) => html`<div class="axis" aria-hidden="true">${marks.map((m) => html`<span>${m}</span>`)}</div>`;

/** week shows when sessions are used, in the viewer's time zone. */
function week(w: Words, a: Analytics) {
  const counts = Array.from({ length: 7 }, () => new Array<number>(24).fill(0));
  for (const h of a.hours) {
    const at = new Date(h.hour);
    counts[(at.getDay() + 6) % 7][at.getHours()] += h.count;
  }
  const most = Math.max(1, ...counts.flat());
  const name = new Intl.DateTimeFormat(w.lang, { weekday: "short", timeZone: "UTC" });
  const days = counts.map((_, i) => name.format(new Date(Date.UTC(2024, 0, 1 + i)))); // a Monday
  const cells = counts.map((hours, d) =>
    hours.map((n, h) => svg`<rect class="live" x=${h * 25 + 1} y=${d * 18 + 1} width="23" height="16" fill="var(--c)" opacity=${0.08 + (0.92 * n) / most}/>`),
  );
  const hour = (h: number) => w.format(new Date(Date.UTC(2024, 0, 1, h)), { hour: "numeric", timeZone: "UTC" });
  return html`<figure class="card pad" data-chart="week"><h3>${w.t("week")}</h3><p class="muted">${w.t("weekHint")}</p>
    <div class="week"><ul aria-hidden="true">${days.map((d) => html`<li>${d}</li>`)}</ul>
      <svg viewBox="0 0 600 126" width="100%" height="126" preserveAspectRatio="none" aria-hidden="true">${cells}</svg>${axis([0, 6, 12, 18, 23].map(hour))}</div>
    ${table(
      w,
      "week",
      days,
      counts[0].map((_, h) => [hour(h), ...counts.map((c) => c[h])]),
    )}</figure>`;
}

function table(w: Words, title: Key, heads: string[], rows: (string | number)[][]) {
  return html`<details><summary>${w.t("asTable")}</summary>
    <div class="scroll" tabindex="0" role="region" aria-label=${w.t(title)}><table class="figures"><thead><tr><td></td>${heads.map((h) => html`<th scope="col">${h}</th>`)}</tr></thead>
      <tbody>${rows.map(([head, ...cells]) => html`<tr><th scope="row"><bdi>${head}</bdi></th>${cells.map((c) => html`<td>${w.number(c as number)}</td>`)}</tr>`)}</tbody></table></div></details>`;
}
