// SPDX-License-Identifier: Apache-2.0
// Drift: the PSI of every feature in every window as a heat map, and for one cell the distributions behind it.
import type { Drift, FeatureDrift, Window } from "../api.ts";
import { distributions } from "../charts/small.ts";
import { h, type Child, type Node } from "../dom.ts";
import { count, day, finePercent, fixed, hour, middle, parseTime, plural, psi, span, words } from "../format.ts";
import { heatClass, kHeatLimits, thinned } from "../scale.ts";
import type { Store } from "../store.ts";
import { badge, card, empty, fault, skeleton, when } from "./parts.ts";

const kPrediction = "";
const kMostBins = 14;
const kThreshold = 0.2;
const kMostLabel = 24; // characters

export function drift(store: Store): Node {
  return card(
    "drift",
    "Drift by feature",
    heatLegend(),
    store.endpoints.data && !store.endpoint
      ? noDrift("Drift is measured once an endpoint answers.")
      : when(
          store.windows,
          7,
          ({ windows }) => {
            const measured = windows.filter((window) => Object.keys(window.psi ?? {}).length > 0 || window.prediction_psi !== null);
            return measured.length ? body(store, measured) : noDrift("No window has been compared with a baseline yet.");
          },
          noDrift,
        ),
  );
}

function noDrift(why: string): Node {
  return empty(
    "Nothing to compare yet",
    h("p", {}, why),
    h("p", {}, "A version brings its baseline as ", h("code", {}, "monitoring/baseline.json"), "; without one its first predictions become the baseline."),
  );
}

function heatLegend(): Node {
  const limits = ["0", ...kHeatLimits.map(String)];
  return h(
    "div",
    { class: "heat-legend", role: "img", "aria-label": "Colours of PSI: calm up to 0.2, the threshold; then 0.5, 1, 2 and above" },
    h("span", { class: "muted" }, "PSI"),
    limits.map((limit, i) => h("span", { class: `heat-step${limit === String(kThreshold) ? " threshold" : ""}`, key: limit }, h("span", { class: `heat-swatch heat-${i}` }), limit)),
  );
}

function body(store: Store, windows: readonly Window[]): Child {
  const selected = selection(store, windows);
  return h("div", { class: "drift-body" }, heatMap(store, windows, selected), detail(store, selected));
}

interface Selection {
  window: Window | undefined;
  feature: string;
}

/** The chosen cell; without a choice the feature that moved most in the newest window. */
function selection(store: Store, windows: readonly Window[]): Selection {
  const window = windows.find((one) => one.start === store.choice.driftWindow) ?? windows.at(-1);
  if (store.choice.driftFeature !== null) return { window, feature: store.choice.driftFeature };
  const most = Object.entries(window?.psi ?? {}).sort((a, b) => b[1] - a[1])[0];
  return { window, feature: most?.[0] ?? kPrediction };
}

/** Features by the most they ever moved, so that what matters is on top. */
export function featureOrder(windows: readonly Window[]): string[] {
  const most = new Map<string, number>();
  for (const window of windows) {
    for (const [name, value] of Object.entries(window.psi ?? {})) most.set(name, Math.max(most.get(name) ?? 0, value));
  }
  return [...most].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).map(([name]) => name);
}

function heatMap(store: Store, windows: readonly Window[], selected: Selection): Node {
  const rows = [kPrediction, ...featureOrder(windows)];
  const daily = windows.every((window) => (parseTime(window.end) ?? 0) - (parseTime(window.start) ?? 0) >= 86_400_000);
  const longest = Math.min(kMostLabel, Math.max(10, ...rows.map((name) => name.length)));
  const labelled = thinned(windows.map((_, i) => i * 24), 62);
  return h(
    "div",
    { class: "scroll heat-scroll" },
    h(
      "table",
      { class: "heat", role: "grid", "aria-label": "PSI by feature and window; arrow keys move, Enter shows the distributions", "data-rove": "", style: `--label:${Math.round(longest * 7.1 + 12)}px;--windows:${windows.length}` },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col", class: "corner" }, h("span", { class: "visually-hidden" }, "Feature")),
          windows.map((window, i) =>
            h(
              "th",
              { scope: "col", key: window.start },
              h("span", { class: "visually-hidden" }, span(window.start, window.end)),
              labelled[i] && h("span", { class: "heat-date", "aria-hidden": "true" }, daily ? day(window.start) : hour(window.start)),
            ),
          ),
        ),
      ),
      h("tbody", {}, rows.map((name, row) => heatRow(store, windows, name, row, selected))),
    ),
  );
}

function heatRow(store: Store, windows: readonly Window[], feature: string, row: number, selected: Selection): Node {
  const title = feature === kPrediction ? "Prediction" : feature;
  return h(
    "tr",
    { key: `f:${feature}`, class: feature === kPrediction ? "prediction" : "" },
    h("th", { scope: "row", title }, h("span", {}, middle(title, kMostLabel))),
    windows.map((window, col) => {
      const value = feature === kPrediction ? window.prediction_psi : window.psi?.[feature];
      const here = window.start === selected.window?.start && feature === selected.feature;
      const label = `${title}, ${span(window.start, window.end)}: PSI ${psi(value)}${value !== null && value !== undefined && value > kThreshold ? ", above the threshold" : ""}`;
      return h("td", {
        key: window.start,
        class: `${value === null || value === undefined ? "heat-none" : `heat-${heatClass(value)}`}${here ? " selected" : ""}${window.closed ? "" : " open"}`,
        tabindex: here ? 0 : -1,
        "data-row": row,
        "data-col": col,
        "aria-label": label,
        "aria-selected": String(here),
        "data-tip": `${title}\nPSI ${psi(value)}\n${span(window.start, window.end)}${window.closed ? "" : " (open)"}`,
        onclick: () => store.choose({ driftWindow: window.start, driftFeature: feature }),
      });
    }),
  );
}

function detail(store: Store, selected: Selection): Node {
  const title = selected.feature === kPrediction ? "Prediction" : selected.feature;
  const resource = store.drift;
  const report = resource.data;
  // Without a choice the server says which window is the newest.
  const chosen = store.choice.driftWindow;
  const matches = report && (chosen === null || parseTime(report.window.start) === parseTime(chosen));
  const shown = (matches && report.window) || selected.window;
  const feature = report && matches ? featureOf(report, selected.feature) : undefined;
  return h(
    "div",
    { class: "drift-detail", role: "region", "aria-live": "polite", "aria-label": "Distributions of the chosen cell" },
    h("h3", { title }, title, feature && badge(verdictOf(feature).text, verdictOf(feature).tone)),
    h("p", { class: "muted" }, span(shown?.start, shown?.end), shown?.closed === false ? ", open" : ""),
    feature && report ? [figures(feature), h("p", { class: "baseline-note" }, h("span", {}, h("span", { class: "key baseline" }), baselineText(report)), h("span", {}, h("span", { class: "key current" }), `now: ${plural(feature.n, "row")}`)), distributions(feature.bins, kMostBins), feature.bins.length > kMostBins && h("p", { class: "muted" }, `The ${kMostBins} largest of ${feature.bins.length} bins.`)] : pending(store, Boolean(report && matches)),
  );
}

function pending(store: Store, answered: boolean): Child {
  if (answered) return h("p", { class: "muted" }, "The baseline of this window's version does not have it.");
  if (store.drift.error === undefined) return skeleton(8);
  return store.drift.missing ? h("p", { class: "muted" }, store.drift.error) : fault(store.drift.error);
}

function featureOf(report: Drift, name: string): FeatureDrift | undefined {
  return name === kPrediction ? (report.prediction ?? undefined) : report.features.find((feature) => feature.name === name);
}

function baselineText(report: Drift): string {
  const version = report.baseline.version ?? report.version;
  return `baseline${version ? ` of v${version}` : ""}: ${report.baseline.source}, ${plural(report.baseline.rows, "row")}`;
}

function verdictOf(feature: FeatureDrift): { text: string; tone: "bad" | "good" | "plain" } {
  if (feature.drifted) return { text: "Drifted", tone: "bad" };
  if (feature.judged === false) return { text: `Needs ${plural(feature.needs_rows ?? 0, "more row")}`, tone: "plain" };
  return feature.psi > feature.threshold ? { text: "May be chance", tone: "plain" } : { text: "Calm", tone: "good" };
}

function figures(feature: FeatureDrift): Node {
  const share = (name: string, value: number | undefined) => value !== undefined && value > 0 && h("li", { key: name }, h("span", { class: "muted" }, `${name} `), h("span", { class: "strong" }, finePercent(value)));
  return h(
    "ul",
    { class: "drift-figures" },
    h("li", {}, h("span", { class: "muted" }, "PSI "), h("span", { class: feature.psi > feature.threshold ? "strong bad-text" : "strong" }, psi(feature.psi)), h("span", { class: "muted" }, ` of ${fixed(feature.threshold, 2)}`)),
    h("li", {}, h("span", { class: "muted" }, `${words(feature.kind)}, `), `${count(feature.bins.length)} bins`),
    share("Missing", feature.missing_share),
    share("Out of range", feature.out_of_range_share),
    share("Unseen", feature.unseen_share),
  );
}
