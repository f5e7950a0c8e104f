// SPDX-License-Identifier: Apache-2.0
// Numbers, times and names as a person reads them. Everything is UTC; an absent number is a dash.

const kMonths = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
export const kNone = "–";

type Maybe = number | null | undefined;

export function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

export function fixed(value: Maybe, digits: number): string {
  if (!isNumber(value)) return kNone;
  const text = value.toFixed(digits);
  return /^-0(\.0+)?$/.test(text) ? text.slice(1) : text.replace("-", "\u2212");
}

export function signed(value: Maybe, digits: number): string {
  if (!isNumber(value)) return kNone;
  const text = fixed(value, digits);
  return value > 0 && Number(value.toFixed(digits)) !== 0 ? `+${text}` : text;
}

/** 12345 -> "12 345"; thin spaces keep columns readable. */
export function count(value: Maybe): string {
  if (!isNumber(value)) return kNone;
  return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

export function percent(share: Maybe, digits = 0): string {
  return isNumber(share) ? `${fixed(share * 100, digits)}\u202f%` : kNone;
}

/** A share that must not be rounded into "none" or "all": 0.0004 -> "0.04 %". */
export function finePercent(share: Maybe): string {
  if (!isNumber(share)) return kNone;
  const digits = share === 0 || share === 1 ? 0 : share < 0.001 || share > 0.999 ? 2 : share < 0.1 ? 1 : 0;
  return percent(share, digits);
}

export function millis(value: Maybe): string {
  if (!isNumber(value)) return kNone;
  if (value >= 1000) return `${fixed(value / 1000, 2)} s`;
  if (value > 0 && value < 0.1) return `${fixed(value * 1000, 0)} \u00b5s`;
  return `${fixed(value, value < 1 ? 2 : value < 100 ? 1 : 0)} ms`;
}

export function bytes(value: Maybe): string {
  if (!isNumber(value)) return kNone;
  if (value < 1000) return `${value} B`;
  if (value < 1e6) return `${fixed(value / 1e3, 1)} kB`;
  return value < 1e9 ? `${fixed(value / 1e6, 1)} MB` : `${fixed(value / 1e9, 1)} GB`;
}

/** 3725 -> "1 h 2 min". */
export function duration(seconds: Maybe): string {
  if (!isNumber(seconds)) return kNone;
  const s = Math.max(0, seconds);
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 10) return `${fixed(s, 1)} s`;
  if (s < 60) return `${Math.round(s)} s`;
  if (s < 3600) return pair(s, 60, "min", 1, "s");
  return s < 86400 ? pair(s, 3600, "h", 60, "min") : pair(s, 86400, "d", 3600, "h");
}

function pair(seconds: number, large: number, largeName: string, small: number, smallName: string): string {
  const units = Math.round(seconds / small);
  const ratio = large / small;
  const rest = units % ratio;
  return `${Math.floor(units / ratio)} ${largeName}${rest ? ` ${rest} ${smallName}` : ""}`;
}

export function parseTime(text: string | null | undefined): number | null {
  if (!text) return null;
  // Servers give microseconds; Date.parse is only sure of milliseconds.
  const time = Date.parse(text.replace(/(\.\d{3})\d+/, "$1"));
  return Number.isNaN(time) ? null : time;
}

type TimeLike = number | string | null | undefined;

function toDate(time: TimeLike): Date | null {
  const ms = typeof time === "number" ? time : parseTime(time);
  return ms === null ? null : new Date(ms);
}

const two = (value: number) => value.toString().padStart(2, "0");

/** "30 Jul" or, with its year, "30 Jul 2013". */
export function day(time: TimeLike, year = false): string {
  const date = toDate(time);
  if (!date) return kNone;
  return `${date.getUTCDate()} ${kMonths[date.getUTCMonth()] ?? ""}${year ? ` ${date.getUTCFullYear()}` : ""}`;
}

/** "14:05" or "14:05:09". */
export function hour(time: TimeLike, seconds = false): string {
  const date = toDate(time);
  if (!date) return kNone;
  return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}${seconds ? `:${two(date.getUTCSeconds())}` : ""}`;
}

/** "30 Jul 2013, 14:05 UTC". */
export function moment(time: TimeLike): string {
  return toDate(time) ? `${day(time, true)}, ${hour(time)} UTC` : kNone;
}

/** A span as people say it: days when it is made of days, else hours too. */
export function span(start: TimeLike, end: TimeLike): string {
  const from = toDate(start);
  const to = toDate(end);
  if (!from || !to) return kNone;
  if (to.getTime() - from.getTime() >= 86_400_000) {
    return from.getUTCFullYear() === to.getUTCFullYear()
      ? `${day(+from)} \u2013 ${day(+to, true)}`
      : `${day(+from, true)} \u2013 ${day(+to, true)}`;
  }
  return `${day(+from)} ${hour(+from)} \u2013 ${hour(+to)}`;
}

/** "3 h ago", by the product's clock, which may be driven. */
export function ago(time: TimeLike, now: number): string {
  const date = toDate(time);
  if (!date) return kNone;
  const seconds = (now - date.getTime()) / 1000;
  if (seconds < 0) return moment(time);
  if (seconds < 10) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return seconds < 30 * 86_400 ? `${Math.floor(seconds / 86_400)} d ago` : day(time, true);
}

/** So many significant digits, without zeros at the end. */
export function significant(value: Maybe, digits = 3): string {
  if (!isNumber(value)) return kNone;
  if (value === 0) return "0";
  const places = Math.max(0, Math.min(6, digits - 1 - Math.floor(Math.log10(Math.abs(value)))));
  const text = fixed(value, places);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

export function psi(value: Maybe): string {
  if (!isNumber(value)) return kNone;
  return fixed(value, value < 10 ? 2 : 1);
}

/** "prediction_psi" -> "Prediction PSI". */
export function words(name: string): string {
  const text = name
    .replace(/[_.-]+/g, " ")
    .replace(/\b(auc|psi|onnx|git|id|sha)\b/gi, (word) => word.toUpperCase())
    .replace(/\bGIT\b/g, "git");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A long name keeps both its ends: they are what tells it from its neighbours. */
export function middle(name: string, most: number): string {
  if (name.length <= most) return name;
  const head = Math.ceil((most - 1) * 0.45);
  return `${name.slice(0, head)}\u2026${name.slice(name.length - (most - 1 - head))}`;
}

/** The same inside a sentence: "prediction PSI", "AUC drop". */
export function phrase(name: string): string {
  const text = words(name);
  return /^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** Any JSON value in one line. */
export function scalar(value: unknown): string {
  if (value === null || value === undefined) return kNone;
  if (typeof value === "number") return Number.isInteger(value) ? count(value) : significant(value, 4);
  return typeof value === "string" ? value : JSON.stringify(value);
}
