import { en } from "./en.ts";
import { fr } from "./fr.ts";

// Texts in both languages. {name} is replaced; an object has a text for each plural category of n.
export type Text = string | { one: string; other: string };

export type Key = keyof typeof en;
export type Lang = "en" | "fr";
export const languages: Record<Lang, Record<Key, Text>> = { en, fr };

/** Words says everything in one language. */
export class Words {
  private plural: Intl.PluralRules;
  private relative: Intl.RelativeTimeFormat;
  private numbers: Intl.NumberFormat;
  constructor(public lang: Lang) {
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

  /** when is a moment as people say it: relative when it is near. */
  when(at: string | Date, now = new Date()): string {
    const d = new Date(at),
      minutes = (d.getTime() - now.getTime()) / 60000,
      abs = Math.abs(minutes);
    if (abs < 1) return minutes <= 0 ? this.t("justNow") : this.relative.format(0, "second");
    if (abs < 60) return this.relative.format(Math.round(minutes), "minute");
    const days = Math.round((midnight(d) - midnight(now)) / 86400000);
    if (abs < 6 * 60 || days === 0) return this.relative.format(Math.round(minutes / 60), "hour");
    if (Math.abs(days) === 1) return this.t("dayAt", { day: this.relative.format(days, "day"), time: this.time(d) });
    if (abs < 7 * 1440) return this.relative.format(days, "day");
    return this.t("onDate", { date: this.date(d, now) });
  }
  date(d: Date, now = new Date()): string {
    const year = d.getFullYear() === now.getFullYear() ? {} : { year: "numeric" as const };
    return new Intl.DateTimeFormat(this.lang, { day: "numeric", month: "long", ...year }).format(d);
  }
  full(at: string | Date): string {
    return new Intl.DateTimeFormat(this.lang, { dateStyle: "full", timeStyle: "short" }).format(new Date(at));
  }
  day(at: string | Date): string {
    return new Intl.DateTimeFormat(this.lang, { weekday: "long", day: "numeric", month: "long", year: "numeric" }).format(new Date(at));
  }
  time(at: string | Date): string {
    return new Intl.DateTimeFormat(this.lang, { timeStyle: "short" }).format(new Date(at));
  }
}

function midnight(d: Date): number {
  return new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime();
}
