// SPDX-License-Identifier: Apache-2.0
// Who answers: the split of each endpoint, what its arms do, and the rollout that moves it with the judge's evidence.
import type { Endpoint, MetricAnalysis, Rollout } from "../api.ts";
import { interval, sparkline } from "../charts/small.ts";
import { h, type Child, type Node } from "../dom.ts";
import { count, duration, finePercent, fixed, isNumber, millis, moment, percent, significant, signed, words } from "../format.ts";
import { aroundZero } from "../scale.ts";
import type { Store } from "../store.ts";
import { ratesOf, splitOf, type Tone } from "../story.ts";
import { badge, card, command, empty, timeOf, when } from "./parts.ts";

export function traffic(store: Store): Node {
  const endpoints = store.endpoints.data?.endpoints ?? [];
  return card(
    "traffic",
    "Live traffic",
    endpoints.length > 1 && `${endpoints.length} endpoints`,
    when(store.endpoints, 5, () => (endpoints.length ? endpoints.map((endpoint) => endpointView(store, endpoint)) : noEndpoint())),
  );
}

function noEndpoint(): Node {
  return empty(
    "Nothing is served yet",
    h("p", {}, "A model's endpoint appears when its first version enters production:"),
    command("slipway versions promote MODEL 1"),
  );
}

function endpointView(store: Store, endpoint: Endpoint): Node {
  const rollouts = (store.rollouts.data?.rollouts ?? []).filter((rollout) => rollout.endpoint === endpoint.name);
  const active = rollouts.find((rollout) => rollout.state === "running" || rollout.state === "paused");
  const last = active ?? rollouts[0];
  const rates = ratesOf(store.rates.get(endpoint.name) ?? []);
  const recent = rates.slice(-3);
  const rate = recent.length ? recent.reduce((sum, one) => sum + one, 0) / recent.length : null;
  return h(
    "div",
    { class: "endpoint", key: endpoint.name },
    h(
      "div",
      { class: "endpoint-head" },
      h("h3", { title: endpoint.name }, endpoint.name),
      endpoint.managed
        ? h("span", { class: "muted" }, "plan ", h("span", { class: "strong" }, String(endpoint.plan.epoch)), " since ", timeOf(endpoint.plan.since, store.now))
        : h("span", { class: "muted", title: "Loaded by a caller or from a folder: no gates, no stage, never judged" }, "unmanaged"),
      h("span", { class: "rate" }, rates.length > 1 && sparkline(rates, 84, 22, "Requests a second, last two minutes"), h("span", { class: "strong" }, rate === null ? "\u2013" : significant(rate, 2)), h("span", { class: "muted" }, " req/s")),
    ),
    splitBar(endpoint),
    armsTable(endpoint),
    last && rolloutView(store, last, last === active),
  );
}

function splitBar(endpoint: Endpoint): Node {
  const shares = splitOf(endpoint).filter((share) => !share.shadow);
  const label = shares.map((share) => `${share.name} v${share.version} ${finePercent(share.weight)}`).join(", ");
  return h(
    "div",
    { class: "split", role: "img", "aria-label": `Traffic split: ${label}` },
    shares.map((share) =>
      h(
        "span",
        { class: `arm-fill ${armClass(share.name)}`, style: `flex:${Math.max(share.weight, 0.0001)} 1 0`, key: share.name, "data-tip": `${share.name} v${share.version}\n${finePercent(share.weight)} of the traffic` },
        share.weight >= 0.12 && h("span", { class: "arm-text" }, `v${share.version} \u00b7 ${finePercent(share.weight)}`),
      ),
    ),
  );
}

function armClass(name: string): string {
  return name === "stable" ? "stable" : name.startsWith("shadow") ? "shadow" : "candidate";
}

function armsTable(endpoint: Endpoint): Node {
  const columns = ["Share", "Requests", "Errors", "P50", "P95", "P99"];
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "group", "aria-label": `Arms of ${endpoint.name}` },
    h(
      "table",
      { class: "arms" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Arm"), columns.map((name) => h("th", { scope: "col", class: "number", key: name }, name)))),
      h(
        "tbody",
        {},
        splitOf(endpoint).map((share) => {
          const arm = endpoint.arms.find((one) => one.name === share.name);
          const failed = arm && arm.errors > 0;
          return h(
            "tr",
            { key: share.name },
            h("th", { scope: "row" }, h("span", { class: `swatch ${armClass(share.name)}`, "aria-hidden": "true" }), h("span", {}, share.name), " ", h("span", { class: "version-tag" }, `v${share.version}`)),
            h("td", { class: "number strong", "data-label": "Share" }, share.shadow ? "copy" : finePercent(share.weight)),
            h("td", { class: "number", "data-label": "Requests" }, count(arm?.requests)),
            h("td", { class: `number${failed ? " bad-text" : ""}`, "data-label": "Errors" }, count(arm?.errors), failed && h("span", { class: "muted" }, ` (${finePercent(arm.errors / Math.max(1, arm.requests))})`)),
            h("td", { class: "number", "data-label": "P50" }, millis(arm?.latency_ms.p50)),
            h("td", { class: "number", "data-label": "P95" }, millis(arm?.latency_ms.p95)),
            h("td", { class: "number", "data-label": "P99" }, millis(arm?.latency_ms.p99)),
          );
        }),
      ),
    ),
  );
}

const kStates: Record<Rollout["state"], { text: string; tone: Tone }> = {
  running: { text: "Rolling out", tone: "info" },
  paused: { text: "Paused", tone: "warn" },
  promoted: { text: "Promoted", tone: "good" },
  rolled_back: { text: "Rolled back", tone: "bad" },
  aborted: { text: "Aborted", tone: "warn" },
};

function rolloutView(store: Store, rollout: Rollout, active: boolean): Node {
  const state = kStates[rollout.state];
  const metrics = rollout.analysis?.metrics ?? [];
  const title = h(
    "span",
    { class: "rollout-title" },
    active ? "Rollout" : "Last rollout",
    h("span", { class: "version-tag" }, `v${rollout.from_version}`),
    "\u2192",
    h("span", { class: "version-tag" }, `v${rollout.to_version}`),
    badge(state.text, state.tone),
    h("span", { class: "muted" }, timeOf(rollout.ended ?? rollout.started, store.now)),
  );
  const body = [
    stepsView(store, rollout, active),
    rollout.reason && h("p", { class: "reason" }, rollout.reason),
    metrics.length > 0 && analysisTable(metrics),
  ];
  return active
    ? h("div", { class: "rollout active", key: rollout.id }, title, ...body)
    : h("details", { class: "rollout", key: rollout.id }, h("summary", {}, title), ...body);
}

function stepsView(store: Store, rollout: Rollout, active: boolean): Node {
  return h(
    "ol",
    { class: "steps", "aria-label": "Steps of the rollout" },
    rollout.steps.map((step, i) => {
      const done = rollout.state === "promoted" || i < rollout.step;
      const now = active && i === rollout.step;
      const reached = rollout.history.find((row) => row.step === i);
      const tip = `${percent(step.weight)} of the traffic\nat least ${duration(step.min_duration_s)} and ${count(step.min_predictions)} predictions${reached ? `\nreached ${moment(reached.time)}` : ""}`;
      return h(
        "li",
        { class: done ? "done" : now ? "now" : i === rollout.step ? "stopped" : "", key: String(i), "aria-current": now ? "step" : null, "data-tip": tip },
        h("span", { class: "step-weight" }, percent(step.weight)),
        now && rollout.step_started && h("span", { class: "step-since" }, "since ", timeOf(rollout.step_started, store.now)),
      );
    }),
  );
}

const kVerdicts: Record<MetricAnalysis["verdict"], { text: string; tone: Tone }> = {
  pass: { text: "Pass", tone: "good" },
  fail: { text: "Fail", tone: "bad" },
  inconclusive: { text: "Undecided", tone: "plain" },
};

interface Reading {
  mean: (value: number) => string;
  difference: (value: number) => string;
  note: string;
}

// The judge works on logarithms of seconds, which say nothing to a reader.
const kReadings: Record<string, Reading> = {
  error_rate: {
    mean: (value) => finePercent(value),
    difference: (value) => `${signed(value * 100, 2)} pp`,
    note: "share of failed answers",
  },
  latency: {
    mean: (value) => millis(Math.exp(value) * 1000),
    difference: (value) => `${signed((Math.exp(value) - 1) * 100, 1)} %`,
    note: "geometric mean",
  },
};
const kPlainReading: Reading = { mean: (value) => fixed(value, 4), difference: (value) => signed(value, 4), note: "" };

function analysisTable(metrics: readonly MetricAnalysis[]): Node {
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "group", "aria-label": "Analysis of the rollout" },
    h(
      "table",
      { class: "analysis" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Metric"),
          h("th", { scope: "col", class: "number" }, "Stable"),
          h("th", { scope: "col", class: "number" }, "Candidate"),
          h("th", { scope: "col" }, "Difference, against what is tolerated"),
          h("th", { scope: "col" }, "Verdict"),
        ),
      ),
      h("tbody", {}, metrics.map(analysisRow)),
    ),
  );
}

function analysisRow(metric: MetricAnalysis): Node {
  const reading = kReadings[metric.name] ?? kPlainReading;
  const verdict = kVerdicts[metric.verdict];
  const side = (one: { n: number; mean: number }): Child => [
    h("span", { class: "strong" }, one.n ? reading.mean(one.mean) : "\u2013"),
    h("span", { class: "under" }, `n ${count(one.n)}`),
  ];
  const known = isNumber(metric.difference);
  const range = known && isNumber(metric.lower) && isNumber(metric.upper) ? `[${reading.difference(metric.lower)}, ${reading.difference(metric.upper)}]` : "too little data";
  const allowed = `tolerates ${reading.difference(metric.tolerance)}`;
  const picture = interval({
    lower: metric.lower,
    value: metric.difference,
    upper: metric.upper,
    domain: aroundZero([metric.lower, metric.upper, metric.tolerance]),
    limit: metric.tolerance,
    worse: "above",
    tone: verdict.tone,
    label: `${words(metric.name)}: difference ${known ? reading.difference(metric.difference ?? 0) : "not known"} ${range}, ${allowed}`,
  });
  return h(
    "tr",
    { key: metric.name, "data-tip": metric.why ? `${words(metric.name)}\n${metric.why}` : null },
    h("th", { scope: "row" }, words(metric.name), reading.note && h("span", { class: "under" }, reading.note)),
    h("td", { class: "number", "data-label": "Stable" }, side(metric.stable)),
    h("td", { class: "number", "data-label": "Candidate" }, side(metric.candidate)),
    h("td", { class: "difference" }, h("div", { class: "difference-row" }, picture, h("span", {}, h("span", { class: "strong" }, known ? reading.difference(metric.difference ?? 0) : ""), h("span", { class: "under" }, range), h("span", { class: "under" }, allowed)))),
    h("td", { class: "verdict" }, badge(verdict.text, verdict.tone)),
  );
}
