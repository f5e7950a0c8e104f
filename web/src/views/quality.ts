// SPDX-License-Identifier: Apache-2.0
// Quality over time, on the labels that have arrived.
import type { Window } from "../api.ts";
import { estimateText, qualityChart, servedBy, type Mark } from "../charts/quality.ts";
import { h, type Child, type Node } from "../dom.ts";
import { count, moment, parseTime, percent, psi, span, words } from "../format.ts";
import type { Store } from "../store.ts";
import { productionSpans, type Span } from "../story.ts";
import { endpointChoice } from "./header.ts";
import { card, empty, when } from "./parts.ts";

export function quality(store: Store, width: number): Node {
  return card(
    "quality",
    "Quality over time",
    endpointChoice(store),
    store.endpoints.data && !store.endpoint
      ? noWindows("Quality appears once an endpoint answers and labels arrive.")
      : when(store.windows, 7, ({ windows }) => (windows.length ? body(store, windows, width) : noWindows("No predictions have been logged for this endpoint.")), noWindows),
  );
}

function noWindows(why: string): Node {
  return empty(
    "No window to judge yet",
    h("p", {}, why),
    h("p", {}, "True labels arrive later, with ", h("code", {}, "POST /api/v1/labels"), " or ", h("code", {}, "slipway labels post FILE"), "."),
  );
}

function body(store: Store, windows: readonly Window[], width: number): Child {
  const name = store.endpoint?.name ?? "";
  const spans = productionSpans(store.plans.data?.events ?? [], name, store.now);
  return h(
    "div",
    { class: "quality-body" },
    h(
      "ul",
      { class: "legend", "aria-label": "Legend" },
      h("li", {}, h("span", { class: "key line-auc" }), "AUC with 95\u202f% interval"),
      h("li", {}, h("span", { class: "key line-accuracy" }), "accuracy"),
      h("li", {}, h("span", { class: "key alarm-key" }), "alarm"),
      h("li", {}, h("span", { class: "key promotion-key" }), "version takes over"),
    ),
    h("div", { class: "chart-frame" }, width > 0 && qualityChart(width, windows, spans, marksOf(store, name, spans))),
    h("details", { class: "as-table" }, h("summary", {}, "Show as table"), table(windows, spans)),
  );
}

export function marksOf(store: Store, endpoint: string, spans: readonly Span[]): Mark[] {
  const promotions = spans.map((one): Mark => ({ time: one.from, label: `v${one.version}`, kind: "promotion", tip: `v${one.version} takes over\n${moment(one.from)}` }));
  const alarms = (store.alerts.data?.alerts ?? [])
    .filter((alert) => alert.endpoint === endpoint && alert.state !== "pending")
    .map((alert): Mark => ({ time: parseTime(alert.since) ?? 0, label: alert.rule, kind: "alarm", tip: `${words(alert.rule)}\n${alert.summary}\n${moment(alert.since)}` }));
  return [...promotions, ...alarms];
}

function table(windows: readonly Window[], spans: readonly Span[]): Node {
  const columns = ["Production", "AUC", "Accuracy", "Brier", "Labels", "Prediction PSI"];
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "group", "aria-label": "Quality of each window" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Window"), columns.map((name) => h("th", { scope: "col", class: "number", key: name }, name)))),
      h(
        "tbody",
        {},
        [...windows].reverse().map((window) =>
          h(
            "tr",
            { key: window.start },
            h("th", { scope: "row", class: "nowrap" }, span(window.start, window.end)),
            h("td", { class: "number" }, servedBy(window, spans)),
            h("td", { class: "number nowrap" }, estimateText(window.quality?.auc)),
            h("td", { class: "number nowrap" }, estimateText(window.quality?.accuracy)),
            h("td", { class: "number nowrap" }, estimateText(window.quality?.brier)),
            h("td", { class: "number nowrap" }, `${count(window.labels)} (${percent(window.label_coverage)})`),
            h("td", { class: "number" }, psi(window.prediction_psi)),
          ),
        ),
      ),
    ),
  );
}
