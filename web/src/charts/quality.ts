// SPDX-License-Identifier: Apache-2.0
// Quality over time: panels of AUC (with its interval), accuracy and label coverage on one time axis, who was in production
// along it, and what happened: alarms above, promotions as lines.
import type { Estimate, Window } from "../api.ts";
import { day, fixed, hour, parseTime, percent, plural, psi, span } from "../format.ts";
import { h, type Child, type Node } from "../dom.ts";
import { linear, paddedDomain, thinned, ticks, timeTicks, type Scale } from "../scale.ts";
import type { Span } from "../story.ts";

export interface Mark {
  time: number;
  label: string;
  kind: "alarm" | "promotion";
  tip: string;
}

interface Point {
  window: Window;
  x: number;
  left: number;
  right: number;
}

const kLeft = 44;
const kRight = 14;
const kMarks = 22;

export function qualityChart(width: number, windows: readonly Window[], spans: readonly Span[], marks: readonly Mark[]): Node {
  const narrow = width < 560;
  const panels = { auc: narrow ? 130 : 168, accuracy: narrow ? 70 : 84, coverage: 34 };
  const from = parseTime(windows[0]?.start) ?? 0;
  const to = Math.max(parseTime(windows.at(-1)?.end) ?? 1, from + 1);
  const x = linear([from, to], [kLeft, width - kRight]);
  const points = windows.map((window) => {
    const left = x(parseTime(window.start) ?? from);
    const right = x(parseTime(window.end) ?? to);
    return { window, left, right, x: (left + right) / 2 };
  });
  const aucTop = kMarks + 24;
  const accuracyTop = aucTop + panels.auc + 30;
  const coverageTop = accuracyTop + panels.accuracy + 30;
  const stripTop = coverageTop + panels.coverage + 14;
  const bottom = stripTop + 20;
  const height = bottom + 26;
  return h(
    "svg",
    { class: "chart", width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": summary(windows), "data-rove": "" },
    timeAxis(x, bottom, aucTop),
    promotionLines(marks, x, kMarks + 8, stripTop),
    panel("AUC", points, (window) => window.quality?.auc, [aucTop, panels.auc], width, "auc", 0.06, 4),
    panel("Accuracy", points, (window) => window.quality?.accuracy, [accuracyTop, panels.accuracy], width, "accuracy", 0.06, 2),
    coveragePanel(points, coverageTop, panels.coverage, width),
    strip(spans, x, stripTop, from, to),
    alarmMarks(marks, x),
    hoverColumns(points, aucTop, stripTop + 20, spans),
  );
}

function summary(windows: readonly Window[]): string {
  const judged = windows.filter((window) => window.quality?.auc);
  const last = judged.at(-1);
  const now = last ? `AUC ${fixed(last.quality?.auc?.value, 3)} in the window of ${span(last.start, last.end)}` : "no window has labels yet";
  return `Quality over ${plural(windows.length, "window")}: ${now}. Arrow keys move between windows.`;
}

function timeAxis(x: Scale, bottom: number, top: number): Node {
  const [from, to] = x.domain;
  const room = x(to) - x(from);
  const at = timeTicks(from, to, Math.max(2, Math.floor(room / 72)));
  const daily = to - from >= 2 * 86_400_000;
  return h(
    "g",
    { class: "axis" },
    at.map((time) => h("line", { x1: x(time), x2: x(time), y1: top, y2: bottom, class: "grid-v" })),
    at.map((time) => h("text", { x: x(time), y: bottom + 17, "text-anchor": "middle" }, daily ? day(time) : hour(time))),
  );
}

function panel(
  title: string,
  points: readonly Point[],
  pick: (window: Window) => Estimate | null | undefined,
  [top, height]: [number, number],
  width: number,
  name: string,
  least: number,
  wantedTicks: number,
): Node {
  const drawn = points.flatMap((point) => {
    const estimate = pick(point.window);
    return estimate ? [{ ...point, estimate }] : [];
  });
  const values = drawn.flatMap(({ estimate }) => [estimate.lower ?? estimate.value, estimate.upper ?? estimate.value]);
  const y = linear(paddedDomain(values, least, [0, 1]), [top + height, top]);
  const runs = unbroken(points, drawn);
  const dots = drawn.map((point) =>
    h("circle", { cx: point.x, cy: y(point.estimate.value), r: width < 560 ? 2.5 : 3.5, class: point.window.closed ? "dot" : "dot open" }),
  );
  return h(
    "g",
    { class: `panel ${name}` },
    ticks(y.domain, wantedTicks).map((value) => [
      h("line", { x1: kLeft, x2: width - kRight, y1: y(value), y2: y(value), class: "grid" }),
      h("text", { x: kLeft - 8, y: y(value) + 4, "text-anchor": "end", class: "tick" }, fixed(value, 2)),
    ]),
    h("text", { x: kLeft, y: top - 9, class: "panel-title" }, title),
    drawn.length === 0 && h("text", { x: (kLeft + width - kRight) / 2, y: top + height / 2 + 4, "text-anchor": "middle", class: "hint" }, "waiting for labels"),
    runs.map((run) => h("path", { class: "band", d: bandPath(run, y) })),
    runs.map((run) => h("path", { class: "line", d: linePath(run.map((point) => [point.x, y(point.estimate.value)])) })),
    dots,
  );
}

type Drawn = Point & { estimate: Estimate };

// A window without an estimate breaks the line: nothing is drawn where nothing is known.
function unbroken(points: readonly Point[], drawn: readonly Drawn[]): Drawn[][] {
  const byStart = new Map(drawn.map((point) => [point.window.start, point]));
  const runs: Drawn[][] = [[]];
  for (const point of points) {
    const known = byStart.get(point.window.start);
    if (known) runs.at(-1)?.push(known);
    else if (runs.at(-1)?.length) runs.push([]);
  }
  return runs.filter((run) => run.length > 0);
}

function bandPath(run: readonly Drawn[], y: Scale): string {
  const upper = run.map((point): [number, number] => [point.x, y(point.estimate.upper ?? point.estimate.value)]);
  const lower = run.map((point): [number, number] => [point.x, y(point.estimate.lower ?? point.estimate.value)]).reverse();
  const only = upper[0];
  const under = lower[0];
  if (run.length === 1 && only && under) {
    return `${linePath([[only[0] - 2, only[1]], [only[0] + 2, only[1]]])} L${only[0] + 2},${under[1]} L${only[0] - 2},${under[1]}Z`;
  }
  return `${linePath([...upper, ...lower])}Z`;
}

export function linePath(points: readonly (readonly [number, number])[]): string {
  return points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`).join("");
}

function coveragePanel(points: readonly Point[], top: number, height: number, width: number): Node {
  return h(
    "g",
    { class: "panel coverage" },
    h("text", { x: kLeft, y: top - 9, class: "panel-title" }, "Label coverage"),
    [0, 1].map((share) => [
      h("line", { x1: kLeft, x2: width - kRight, y1: top + height * (1 - share), y2: top + height * (1 - share), class: "grid" }),
      h("text", { x: kLeft - 8, y: top + height * (1 - share) + 4, "text-anchor": "end", class: "tick" }, `${share * 100} %`),
    ]),
    points.map((point) => {
      const tall = height * Math.min(1, point.window.label_coverage);
      const gap = Math.min(3, (point.right - point.left) * 0.12);
      return h("rect", {
        x: point.left + gap,
        y: top + height - tall,
        width: Math.max(1, point.right - point.left - 2 * gap),
        height: Math.max(tall, 0),
        class: point.window.closed ? "bar" : "bar open",
      });
    }),
  );
}

function strip(spans: readonly Span[], x: Scale, top: number, from: number, to: number): Node {
  const shown = spans
    .map((one) => ({ version: one.version, left: x(Math.max(from, one.from)), right: x(Math.min(to, one.to)) }))
    .filter((one) => one.right > one.left);
  return h(
    "g",
    { class: "strip" },
    h("text", { x: kLeft - 8, y: top + 14, "text-anchor": "end", class: "tick" }, "prod."),
    shown.map((one, i) => [
      h("rect", { x: one.left, y: top, width: Math.max(1, one.right - one.left - 1), height: 20, rx: 3, class: i % 2 ? "tenure odd" : "tenure" }),
      one.right - one.left > 22 && h("text", { x: (one.left + one.right) / 2, y: top + 14, "text-anchor": "middle", class: "tenure-name" }, `v${one.version}`),
    ]),
  );
}

function promotionLines(marks: readonly Mark[], x: Scale, top: number, bottom: number): Node {
  return h(
    "g",
    { class: "promotions" },
    inside(marks, x, "promotion").map((mark) => h("line", { x1: x(mark.time), x2: x(mark.time), y1: top - 4, y2: bottom })),
  );
}

function inside(marks: readonly Mark[], x: Scale, kind: Mark["kind"]): Mark[] {
  return marks.filter((mark) => mark.kind === kind && mark.time >= x.domain[0] && mark.time <= x.domain[1]).sort((a, b) => a.time - b.time);
}

function alarmMarks(marks: readonly Mark[], x: Scale): Node {
  const promotions = inside(marks, x, "promotion");
  const labelled = thinned(promotions.map((mark) => x(mark.time)), 34);
  return h(
    "g",
    { class: "marks" },
    promotions.map((mark, i) => labelled[i] && h("text", { x: x(mark.time), y: 11, "text-anchor": "middle", class: "promotion-name", "data-tip": mark.tip }, mark.label)),
    inside(marks, x, "alarm").map((mark) => {
      const at = x(mark.time);
      return h("path", { class: "alarm", d: `M${at - 5},${kMarks - 5}L${at + 5},${kMarks - 5}L${at},${kMarks + 4}Z`, "data-tip": mark.tip });
    }),
  );
}

function hoverColumns(points: readonly Point[], top: number, bottom: number, spans: readonly Span[]): Child {
  return points.map((point, i) =>
    h("rect", {
      x: point.left,
      y: top,
      width: Math.max(1, point.right - point.left),
      height: bottom - top,
      class: "hover",
      role: "img",
      tabindex: i === points.length - 1 ? 0 : -1,
      "data-row": 0,
      "data-col": i,
      "data-tip": windowTip(point.window, spans),
      "aria-label": windowTip(point.window, spans).replace(/\n/g, ", "),
    }),
  );
}

export function estimateText(estimate: Estimate | null | undefined): string {
  if (!estimate) return "not known yet";
  const bounds = estimate.lower !== undefined && estimate.upper !== undefined ? ` [${fixed(estimate.lower, 3)}, ${fixed(estimate.upper, 3)}]` : "";
  return `${fixed(estimate.value, 3)}${bounds}`;
}

export function servedBy(window: Window, spans: readonly Span[]): string {
  const from = parseTime(window.start) ?? 0;
  const to = parseTime(window.end) ?? 0;
  const versions = [...new Set(spans.filter((one) => one.from < to && one.to > from).map((one) => `v${one.version}`))];
  return versions.join(", ");
}

function windowTip(window: Window, spans: readonly Span[]): string {
  const served = servedBy(window, spans);
  return [
    `${span(window.start, window.end)}${window.closed ? "" : " (open)"}`,
    `AUC ${estimateText(window.quality?.auc)}`,
    `Accuracy ${estimateText(window.quality?.accuracy)}`,
    `Labels ${percent(window.label_coverage)} of ${plural(window.predictions, "prediction")}`,
    window.prediction_psi === null ? "" : `Prediction PSI ${psi(window.prediction_psi)}`,
    served ? `In production: ${served}` : "",
  ]
    .filter(Boolean)
    .join("\n");
}
