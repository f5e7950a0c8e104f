// SPDX-License-Identifier: Apache-2.0
// One prediction by its id: what was asked and answered, by whom, how long it took, its label, and where its features stand now.
import type { Drift, Prediction } from "../api.ts";
import { h, type Child, type Node } from "../dom.ts";
import { duration, kNone, moment, psi } from "../format.ts";
import type { Store } from "../store.ts";
import { badge, card, empty, fault, when } from "./parts.ts";

export function prediction(store: Store): Node {
  const id = store.choice.predictionId;
  return card(
    "prediction",
    "Find a prediction",
    null,
    h(
      "form",
      {
        class: "filter prediction-finder",
        role: "search",
        onsubmit: (event) => {
          event.preventDefault();
          const field = (event.target as HTMLFormElement).elements.namedItem("id") as HTMLInputElement;
          store.choose({ predictionId: field.value.trim() });
        },
      },
      h("input", { type: "search", name: "id", placeholder: "Prediction id", "aria-label": "Prediction id", value: id }),
      h("button", { type: "submit", class: "more" }, "Find"),
    ),
    id === ""
      ? empty("Nothing looked for", h("p", {}, "Every answer carries its id; the newest of the log are at ", h("a", { href: "/api/v1/predictions?limit=20" }, "/api/v1/predictions"), "."))
      : when(store.prediction, 6, (found) => facts(store, found), (message) => fault(message)),
  );
}

function facts(store: Store, one: Prediction): Child {
  const rows: [string, Child][] = [
    ["Answered", moment(one.time)],
    ["Endpoint", `${one.endpoint}, arm ${one.arm}, plan ${one.plan_epoch}`],
    ["Model", h("a", { href: "#models" }, `${one.model} v${one.version}`)],
    ["Took", `${one.latency_ms.total.toFixed(2)} ms: ${one.latency_ms.queue.toFixed(2)} waiting, ${one.latency_ms.run.toFixed(2)} running`],
    ["Asked by", `${one.protocol}${one.request_id ? `, request ${one.request_id}` : ""}${one.key ? `, key ${one.key}` : ""}`],
    ["Label", one.label ? `${shown(one.label.value)}, ${duration(one.label.delay_s)} later` : "none yet"],
  ];
  if (one.error) rows.push(["Failure", h("span", { class: "bad-text" }, one.error)]);
  return [
    h("div", { class: "alert-head" }, badge(one.status, one.status === "OK" ? "good" : "bad"), h("span", { class: "strong" }, one.id)),
    h("table", { class: "run-table" }, h("tbody", {}, rows.map(([name, value]) => h("tr", { key: name }, h("th", { scope: "row" }, name), h("td", {}, value))))),
    values("Answer", one.outputs, undefined),
    values("Features", one.inputs, store.drift.data),
  ];
}

/** Beside each feature how its whole distribution stands against the baseline in the window that is shown. */
function values(title: string, all: Record<string, unknown>, drift: Drift | undefined): Node {
  const names = Object.keys(all);
  const now = new Map((drift?.features ?? []).map((feature) => [feature.name, feature]));
  const heads = [title, "Value", ...(drift ? ["PSI now"] : [])];
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "group", "aria-label": title, key: title },
    h(
      "table",
      { class: "run-table" },
      h("thead", {}, h("tr", {}, heads.map((name, i) => h("th", { scope: "col", key: name, class: i ? "number" : "" }, name)))),
      h(
        "tbody",
        {},
        names.map((name) => {
          const feature = now.get(name);
          return h(
            "tr",
            { key: name },
            h("th", { scope: "row" }, name),
            h("td", { class: "number" }, shown(all[name])),
            drift && h("td", { class: feature?.drifted ? "number bad-text" : "number" }, feature ? psi(feature.psi) : kNone),
          );
        }),
      ),
    ),
  );
}

function shown(value: unknown): string {
  if (typeof value === "string") return value;
  const text = JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
