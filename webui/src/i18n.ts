import { en } from "./en.ts";
import { fr } from "./fr.ts";

// Texts in both languages. {name} is replaced; an object has a text for each plural category of n.
export type Text = string | { one: string; other: string };

export type Key = keyof typeof en;
export type Lang = "en" | "fr";
export const languages: Record<Lang, Record<Key, Text>> = { en, fr };

/** Words says everything in one language, and times as they are by one clock. */
export class Words {
  private plural: Intl.PluralRules;
  private relative: Intl.RelativeTimeFormat;
  private numbers: Intl.NumberFormat;
  constructor(
    public lang: Lang,
    public now: () => number = Date.now, // milliseconds
  ) {
    this.plural = new Intl.PluralRules(lang);
    this.relative = new Intl.RelativeTimeFormat(lang, { numeric: "auto" });
    this.numbers = new Intl.NumberFormat(lang);
  }

  t(key: Key, values: Record<string, string | number> = {}): string {
    const text = languages[this.lang][key];
    const n = values.n;
    const form = typeof text === "string" ? text : typeof n === "number" && this.plural.select(n) !== "one" ? text.other : text.one;
    return form.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? this.number(values[name]) : String(values[name] ?? "")));
  }

  number(n: number): string {
    return this.numbers.format(n);
  }
  percent(part: number, of: number): string {
    const p = of ? (100 * part) / of : 0;
    return this.numbers.format(p > 0 && p < 1 ? Math.max(0.1, Math.round(10 * p) / 10) : Math.round(p));
  }
  bytes(n: number): string {
    const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
    const i = n < 1 ? 0 : Math.min(3, Math.floor(Math.log10(n) / 3));
    return new Intl.NumberFormat(this.lang, { style: "unit", unit: units[i], unitDisplay: "short", maximumFractionDigits: 1 }).format(n / 1000 ** i);
  }

  /** due reports whether the time of something has come, to the minute. */
  due(at: string): boolean {
    return Date.parse(at) - this.now() < 30_000;
  }
  /** ahead is when a cleanup does something, and when its time has come: with the next one. */
  ahead(at: string): string {
    return this.due(at) ? this.t("now") : this.when(at);
  }
  /** when is a moment as people say it: relative when it is near. Days are those of the calendar here. */
  when(at: string | Date): string {
    const d = new Date(at),
      now = new Date(this.now()),
      minutes = Math.round((d.getTime() - now.getTime()) / 60000),
      days = Math.round((midnight(d) - midnight(now)) / 86400e3); // a day may have 23 or 25 hours
    if (minutes === 0) return this.t("justNow");
    if (Math.abs(minutes) < 60) return this.relative.format(minutes, "minute");
    if (Math.abs(minutes) < 6 * 60) return this.relative.format(Math.round(minutes / 60), "hour");
    if (Math.abs(days) <= 1) return this.t("dayAt", { day: this.relative.format(days, "day"), time: this.time(d) });
    if (Math.abs(days) <= 7) return this.relative.format(days, "day");
    return this.t("onDate", { date: this.date(d) });
  }
  date(d: Date): string {
    const sameYear = d.getFullYear() === new Date(this.now()).getFullYear();
    return this.format(d, { day: "numeric", month: "long", year: sameYear ? undefined : "numeric" });
  }
  full(at: string | Date): string {
    return this.format(at, { dateStyle: "full", timeStyle: "short" });
  }
  day(at: string | Date): string {
    return this.format(at, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
  }
  time(at: string | Date): string {
    return this.format(at, { timeStyle: "short" });
  }
  format(at: string | Date, o: Intl.DateTimeFormatOptions): string {
    const said = new Intl.DateTimeFormat(this.lang, o).format(new Date(at));
    return this.lang === "fr" ? said.replace(/(^| )1 (?=\p{L})/u, "$11er ") : said;
  }
}

function midnight(d: Date): number {
  return new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime();
}
