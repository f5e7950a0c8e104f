// SPDX-License-Identifier: Apache-2.0
// From values to pixels, and where to put ticks. Pure functions.

export interface Scale {
  (value: number): number;
  readonly domain: readonly [number, number];
}

export function linear(domain: readonly [number, number], range: readonly [number, number]): Scale {
  const width = domain[1] - domain[0];
  const map = (value: number) =>
    width === 0 ? (range[0] + range[1]) / 2 : range[0] + ((value - domain[0]) / width) * (range[1] - range[0]);
  return Object.assign(map, { domain });
}

/** Round values (1, 2 or 5 times a power of ten) inside the domain; about `wanted` of them. */
export function ticks(domain: readonly [number, number], wanted: number): number[] {
  const [low, high] = domain;
  if (!(high > low) || wanted < 1) return [low];
  const step = niceStep((high - low) / wanted);
  const found: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(Number((i * step).toPrecision(12)));
  return found;
}

export function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const part = rough / power;
  return power * (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10);
}

/** The values' range with some air, at least `least` wide, inside `limits`. */
export function paddedDomain(values: readonly number[], least: number, limits: readonly [number, number]): [number, number] {
  if (values.length === 0) return [limits[0], limits[1]];
  let low = Math.min(...values);
  let high = Math.max(...values);
  const lack = Math.max(0, least - (high - low)) / 2;
  const air = (high - low) * 0.1;
  low = Math.max(limits[0], low - lack - air);
  high = Math.min(limits[1], high + lack + air);
  return [low, high];
}

/** A symmetric domain around zero that shows all the values. */
export function aroundZero(values: readonly (number | null | undefined)[]): [number, number] {
  let most = 0;
  for (const value of values) if (typeof value === "number" && Number.isFinite(value)) most = Math.max(most, Math.abs(value));
  return most === 0 ? [-1, 1] : [-most * 1.15, most * 1.15];
}

/** Limits of the colour classes of a PSI. The third is the threshold that is usual for an alarm. */
export const kHeatLimits = [0.05, 0.1, 0.2, 0.5, 1, 2] as const;

/** 0 (calm) to 6; from 3 on the value is above 0.2. */
export function heatClass(psi: number): number {
  let level = 0;
  while (level < kHeatLimits.length && psi > (kHeatLimits[level] ?? Infinity)) level++;
  return level;
}

/** Keeps labels apart: which of the positions (rising) can be shown when each needs `room`. */
export function thinned(positions: readonly number[], room: number): boolean[] {
  let last = -Infinity;
  return positions.map((position) => {
    if (position - last < room) return false;
    last = position;
    return true;
  });
}

/** First days of months (or of years, when the span is long) between two times in ms. */
export function monthTicks(from: number, to: number, most: number): number[] {
  const found: number[] = [];
  const date = new Date(from);
  let month = date.getUTCFullYear() * 12 + date.getUTCMonth();
  const months = Math.max(1, (to - from) / (30.4 * 86_400_000));
  const step = [1, 2, 3, 6, 12, 24, 60].find((candidate) => months / candidate <= most) ?? 120;
  for (month = Math.ceil(month / step) * step; ; month += step) {
    const time = Date.UTC(Math.floor(month / 12), month % 12, 1);
    if (time > to) return found;
    if (time >= from) found.push(time);
  }
}

/** Ticks of a time axis of any length: months, days, hours or minutes, always on round times. */
export function timeTicks(from: number, to: number, most: number): number[] {
  const width = to - from;
  if (width >= 75 * 86_400_000) return monthTicks(from, to, most);
  const minute = 60_000;
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7 * 1440, 14 * 1440].map((m) => m * minute);
  const step = steps.find((candidate) => width / candidate <= most) ?? 28 * 1440 * minute;
  const found: number[] = [];
  for (let time = Math.ceil(from / step) * step; time <= to; time += step) found.push(time);
  return found;
}
