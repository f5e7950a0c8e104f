// SPDX-License-Identifier: Apache-2.0
// Small pictures inside tables: an interval on an axis around zero, the rate of the last minutes, distributions in bins.
import { h, type Node } from "../dom.ts";
import { finePercent } from "../format.ts";
import { linear } from "../scale.ts";
import { linePath } from "./quality.ts";

export interface IntervalPicture {
  lower: number | null;
  value: number | null;
  upper: number | null;
  domain: readonly [number, number];
  limit: number; // the tolerance (larger is worse) or the margin (larger is better)
  worse: "above" | "below"; // on which side of the limit lies what is not wanted
  tone: string;
  label: string;
}

/** The zero line, the limit with its unwanted side shaded, the interval and its middle. */
export function interval(picture: IntervalPicture, width = 168): Node {
  const height = 26;
  const x = linear(picture.domain, [3, width - 3]);
  const clip = (value: number) => Math.max(1, Math.min(width - 1, x(value)));
  const limit = clip(picture.limit);
  const middle = height / 2;
  const bounds = picture.lower !== null && picture.upper !== null ? [clip(picture.lower), clip(picture.upper)] : null;
  return h(
    "svg",
    { class: `interval ${picture.tone}`, viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": picture.label },
    picture.worse === "above"
      ? h("rect", { x: limit, y: 2, width: Math.max(0, width - limit), height: height - 4, class: "unwanted", rx: 2 })
      : h("rect", { x: 0, y: 2, width: Math.max(0, limit), height: height - 4, class: "unwanted", rx: 2 }),
    h("line", { x1: 0, x2: width, y1: middle, y2: middle, class: "base" }),
    h("line", { x1: clip(0), x2: clip(0), y1: 4, y2: height - 4, class: "zero" }),
    h("line", { x1: limit, x2: limit, y1: 2, y2: height - 2, class: "limit" }),
    bounds && h("line", { x1: bounds[0] ?? 0, x2: Math.max(bounds[1] ?? 0, (bounds[0] ?? 0) + 1), y1: middle, y2: middle, class: "reach" }),
    picture.value !== null && h("circle", { cx: clip(picture.value), cy: middle, r: 4, class: "middle" }),
  );
}

export function sparkline(values: readonly number[], width: number, height: number, label: string): Node {
  const most = Math.max(1e-9, ...values);
  const x = linear([0, Math.max(1, values.length - 1)], [1, width - 1]);
  const y = linear([0, most], [height - 2, 3]);
  const points = values.map((value, i): [number, number] => [x(i), y(value)]);
  const line = linePath(points);
  return h(
    "svg",
    { class: "sparkline", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label },
    points.length > 1 && h("path", { class: "area", d: `${line}L${(points.at(-1)?.[0] ?? 0).toFixed(1)},${height}L${(points[0]?.[0] ?? 0).toFixed(1)},${height}Z` }),
    points.length > 1 && h("path", { class: "line", d: line }),
  );
}

export interface Bin {
  label: string;
  baseline_share: number;
  current_share: number;
}

/** Now against the baseline, one row a bin, so that long labels of categories have room. */
export function distributions(bins: readonly Bin[], most: number): Node {
  const largest = Math.max(1e-9, ...bins.flatMap((bin) => [bin.baseline_share, bin.current_share]));
  const ranked = bins.length > most ? largestBins(bins, most) : bins;
  const bar = (kind: string, share: number) =>
    h("span", { class: `share ${kind}`, style: `width:${((share / largest) * 100).toFixed(1)}%` });
  return h(
    "table",
    { class: "bins" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Bin"), h("th", { scope: "col" }, h("span", { class: "visually-hidden" }, "Bars")), h("th", { scope: "col", class: "number" }, "Baseline"), h("th", { scope: "col", class: "number" }, "Now"))),
    h(
      "tbody",
      {},
      ranked.map((bin) =>
        h(
          "tr",
          { key: bin.label },
          h("th", { scope: "row", title: bin.label }, bin.label),
          h("td", { class: "bars", "aria-hidden": "true" }, bar("baseline", bin.baseline_share), bar("current", bin.current_share)),
          h("td", { class: "number" }, finePercent(bin.baseline_share)),
          h("td", { class: "number strong" }, finePercent(bin.current_share)),
        ),
      ),
    ),
  );
}

/** The bins that hold most on either side, in their own order; empty ones go first. */
export function largestBins<T extends Bin>(bins: readonly T[], most: number): T[] {
  const rank = new Map([...bins].sort((a, b) => weight(b) - weight(a)).map((bin, i) => [bin, i]));
  return bins.filter((bin) => (rank.get(bin) ?? most) < most);
}

function weight(bin: Bin): number {
  return Math.max(bin.baseline_share, bin.current_share);
}
