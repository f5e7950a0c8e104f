// SPDX-License-Identifier: Apache-2.0
// What was decided, by whom, on what evidence: contests between versions, gates, and what rollouts did.
import { interval } from "../charts/small.ts";
import { h, type Child, type Node } from "../dom.ts";
import { count, fixed, plural, signed, span } from "../format.ts";
import { aroundZero } from "../scale.ts";
import type { Store } from "../store.ts";
import { boundsText, decisionHistory, type Bounds, type Entry } from "../story.ts";
import { badge, card, empty, fault, skeleton, timeOf } from "./parts.ts";

export function decisions(store: Store): Node {
  const contests = store.decisions;
  const entries = decisionHistory(contests.data?.decisions ?? [], store.rollouts.data?.rollouts ?? [], store.moves.data?.events ?? []);
  const domain = aroundZero(entries.flatMap(({ bounds }) => (bounds ? [bounds.lower, bounds.upper, bounds.margin] : [])));
  const shown = entries.slice(0, store.choice.decisionLimit);
  const waiting = contests.data === undefined && contests.error === undefined;
  return card(
    "decisions",
    "Decisions",
    entries.length > 0 && plural(entries.length, "decision"),
    contests.error !== undefined && fault(contests.error),
    waiting ? skeleton(5) : entries.length === 0 && empty("Nothing decided yet", h("p", {}, "When a candidate competes with production, or a rollout moves, the decision and its evidence stay here.")),
    h("ol", { class: "decisions" }, shown.map((entry) => entryView(store, entry, domain))),
    entries.length > shown.length &&
      h("button", { type: "button", class: "more", onclick: () => store.choose({ decisionLimit: store.choice.decisionLimit + 20 }) }, `Show ${plural(Math.min(20, entries.length - shown.length), "older decision")}`),
  );
}

function entryView(store: Store, entry: Entry, domain: readonly [number, number]): Node {
  return h(
    "li",
    { key: entry.id },
    h("div", { class: "decision-head" }, badge(entry.kind, entry.tone), h("span", { class: "decision-title" }, entry.title), timeOf(entry.time, store.now)),
    entry.detail && h("p", { class: "decision-detail" }, entry.detail),
    entry.bounds && boundsView(entry, entry.bounds, domain),
    entry.decision?.competitors && entry.decision.competitors.length > 0 && competitors(entry),
  );
}

function boundsView(entry: Entry, bounds: Bounds, domain: readonly [number, number]): Node {
  const words = `AUC ${boundsText(bounds)}, needs ${signed(bounds.margin, 3)}`;
  return h(
    "div",
    { class: "decision-bounds" },
    interval({ lower: bounds.lower, value: bounds.difference, upper: bounds.upper, domain, limit: bounds.margin, worse: "below", tone: entry.tone, label: words }),
    h("span", {}, h("span", { class: "strong" }, `AUC ${boundsText(bounds)}`), h("span", { class: "muted" }, ` needs ${signed(bounds.margin, 3)}`)),
  );
}

function competitors(entry: Entry): Child {
  const decision = entry.decision;
  if (!decision) return null;
  return h(
    "details",
    { class: "competitors" },
    h("summary", {}, `${plural(decision.competitors?.length ?? 0, "competitor")}${decision.window ? `, ${span(decision.window.start, decision.window.end)}` : ""}`),
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Version"), h("th", { scope: "col" }, "Stage"), h("th", { scope: "col", class: "number" }, "AUC"), h("th", { scope: "col", class: "number" }, "Brier"), h("th", { scope: "col", class: "number" }, "Rows"))),
      h(
        "tbody",
        {},
        decision.competitors?.map((one) =>
          h("tr", { key: String(one.version) }, h("th", { scope: "row" }, `v${one.version}`), h("td", {}, one.stage === "None" ? "candidate" : one.stage.toLowerCase()), h("td", { class: "number strong" }, fixed(one.auc, 3)), h("td", { class: "number" }, fixed(one.brier, 3)), h("td", { class: "number" }, count(one.n))),
        ),
      ),
    ),
  );
}
