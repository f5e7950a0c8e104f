// SPDX-License-Identifier: Apache-2.0
// What the fixture server can be: a year's story, an empty server, or one where everything is long and many.
import { alerts, decisions, driftOf, iso, kAnalyses, kDay, kStart, random, rollout, run, verdicts, version, windows } from "./story.mjs";

const kNow = kStart + 310.4 * kDay;
const latency = (p50) => ({ p50, p95: p50 * 1.9, p99: p50 * 3.4 });

function eventList(seed) {
  const events = seed.map(([day, type, subject, data, actor = "policy/candidates"], i) => ({ sequence: i + 1, time: iso(kStart + day * kDay), type, subject, actor, source: "internal", data, hash: "0".repeat(64) }));
  return events.sort((a, b) => a.sequence - b.sequence);
}

const stable = (number) => ({ name: "stable", model: "flights", version: number, weight: 1 });
const split = (from, to, weight) => [{ ...stable(from), weight: 1 - weight }, { name: "candidate", model: "flights", version: to, weight }];

function storyEvents() {
  const moved = (day, number, from, to, reason, forced = false) => [day, "version.stage_changed", `model/flights/version/${number}`, { from, to, forced, reason, verdicts: [] }];
  const plan = (day, arms, why) => [day, "endpoint.plan_changed", "endpoint/flights", { endpoint: "flights", epoch: 1, salt: "flights/1", since: iso(kStart + day * kDay), arms, why }];
  const taken = (day, from, to) => [
    plan(day, split(from, to, 0.05), "rollout began"),
    plan(day + 0.25, split(from, to, 0.25), "every required metric is within its tolerance"),
    plan(day + 0.75, [stable(to)], "promoted"),
    moved(day + 0.75, to, "Staging", "Production", "its rollout was promoted"),
    moved(day + 0.75, from, "Production", "Archived", `replaced by version ${to}`),
  ];
  const decided = decisions().map((one) => [(Date.parse(one.time) - kStart) / kDay, "policy.decided", `model/flights/version/${one.candidate}`, one]);
  const fired = alerts().map((one) => [(Date.parse(one.since) - kStart) / kDay, "alert.firing", `endpoint/flights/version/${one.version}`, one, "monitoring"]);
  const judged = windows(kNow, random(3)).filter((one) => one.closed).map((one) => [(Date.parse(one.end) - kStart) / kDay + 0.1, "window.judged", "endpoint/flights/version/1", { ...one, part: "drift", breached: one.prediction_psi > 0.2 ? ["prediction_psi"] : [] }, "monitoring"]);
  const rows = [
    [69, "model.created", "model/flights", {}, "analyst"],
    [69.01, "version.created", "model/flights/version/1", { source: "models:/m-1f3ac81b2d94e7a" }, "analyst"],
    [69.02, "version.ready", "model/flights/version/1", {}, "analyst"],
    moved(69.1, 1, "None", "Staging", "first model"),
    moved(69.2, 1, "Staging", "Production", "first model"),
    plan(69.2, [stable(1)], "version 1 entered production"),
    [69.4, "version.gate_refused", "model/flights/version/9", { from: "None", to: "Staging", forced: false, reason: "", verdicts: verdicts({ complete: false }) }, "analyst"],
    ...taken(84.2, 1, 2),
    ...taken(224.3, 2, 6),
    moved(262, 10, "None", "Staging", "drill: let a broken version in", true),
    plan(262.1, split(6, 10, 0.05), "rollout began"),
    plan(262.2, [stable(6)], "loss failed"),
    moved(262.2, 10, "Staging", "Archived", "its rollout was rolled back"),
    [308.3, "pipeline.run_finished", "pipeline/retrain-flights", { state: "succeeded", message: "run 01R4 succeeded in 1 min 32 s" }, "pipelines"],
    ["308.5", "rollout.started", "endpoint/flights", { endpoint: "flights", to_version: 1, why: "archived version 1 won the contest" }, "policy/candidates"],
    plan(308.5, split(6, 1, 0.05), "rollout began"),
    plan(309.4, split(6, 1, 0.25), "every required metric is within its tolerance"),
    ...decided,
    ...fired,
    ...judged,
  ];
  return eventList(rows.map((row) => [Number(row[0]), ...row.slice(1)]).sort((a, b) => a[0] - b[0]));
}

function base() {
  return { info: { version: "0.1.0", started: iso(kNow - kDay), clock: { mode: "driven", now: iso(kNow) }, data: "data" }, models: [], endpoints: [], rollouts: [], alerts: [], runs: [], decisions: [], events: [], windows: {} };
}

export function story() {
  const list = [
    version("flights", 1, "Archived", 69, { auc: 0.755 }),
    version("flights", 2, "Archived", 84, { auc: 0.748 }),
    version("flights", 3, "None", 98, { auc: 0.741 }),
    version("flights", 4, "None", 126, { auc: 0.708 }),
    version("flights", 5, "None", 252, { auc: 0.746 }),
    version("flights", 6, "Production", 224, { auc: 0.727 }),
    version("flights", 7, "None", 294, { auc: 0.733 }),
    version("flights", 8, "None", 308, { auc: 0.628 }),
    version("flights", 9, "None", 69, { auc: 0.751, complete: false }),
    version("flights", 10, "Archived", 262, { auc: 0.211, forced: true }),
  ];
  list[0].stage = "Staging";
  return {
    ...base(),
    models: [{ name: "flights", description: "Will the flight arrive more than 15 minutes late? Asked one hour before departure.", created: iso(kStart), updated: iso(kNow), tags: {}, aliases: { champion: 6 }, versions: list }],
    endpoints: [
      {
        name: "flights",
        plan: { epoch: 14, salt: "flights/13", since: iso(kNow - kDay), arms: split(6, 1, 0.25) },
        arms: [
          { name: "stable", version: 6, weight: 0.75, requests: 281_402, errors: 0, latency_ms: latency(3.42) },
          { name: "candidate", version: 1, weight: 0.25, requests: 3110, errors: 1, latency_ms: latency(3.61) },
        ],
      },
    ],
    rollouts: [
      rollout("01R4", 6, 1, "running", 308.5, 1, kAnalyses.good, "waiting for loss: the interval still reaches over the tolerance"),
      rollout("01R3", 6, 10, "rolled_back", 262.1, 0, kAnalyses.bad, "loss failed: the candidate is worse by at least 0.171, 0.02 is tolerated"),
      rollout("01R2", 2, 6, "promoted", 224.3, 3, kAnalyses.good, "every required metric is within its tolerance"),
      rollout("01R1", 1, 2, "promoted", 84.2, 3, kAnalyses.good, "every required metric is within its tolerance"),
    ],
    alerts: alerts(),
    runs: [run("01P5", "running", 310.39, "auc_drop"), run("01P4", "succeeded", 308.2, "prediction_psi"), run("01P3", "succeeded", 294.2, "prediction_psi"), run("01P2", "failed", 252.3, null), run("01P1", "succeeded", 224.2, "auc_drop")],
    decisions: decisions(),
    events: storyEvents(),
    windows: { flights: windows(kNow, random(3)) },
  };
}

export function empty() {
  return { ...base(), info: { ...base().info, clock: { mode: "system", now: iso(Date.now()) } } };
}

/** Long names, thirty versions, two endpoints, many features. */
export function large() {
  const facts = story();
  const long = "customer-lifetime-value.regression_with_a_name_that_nobody_shortened-europe-west";
  const many = Array.from({ length: 30 }, (_, i) => version(long, i + 1, i === 29 ? "Production" : i === 28 ? "Staging" : i > 24 ? "None" : "Archived", 60 + i * 8, { auc: 0.7 + (i % 9) / 100 }));
  facts.models.push({ name: long, description: "", created: iso(kStart), updated: iso(kNow), tags: {}, aliases: { "champion-of-the-european-market-segment": 30 }, versions: many });
  facts.endpoints.push({ name: long, plan: { epoch: 3, salt: "s", since: iso(kNow - 3 * kDay), arms: [{ name: "stable", model: long, version: 30, weight: 0.999 }, { name: "candidate", model: long, version: 29, weight: 0.001 }, { name: "shadow-1", model: long, version: 28, weight: 0 }] }, arms: [{ name: "stable", version: 30, requests: 91_284_113, errors: 10_233, latency_ms: { p50: null, p95: null, p99: null } }] });
  for (const window of facts.windows.flights) for (let i = 0; i < 25; i++) window.psi[`aggregated_feature_number_${i}_over_the_last_90_days`] = ((i * 37 + window.predictions) % 100) / 300;
  facts.windows[long] = [];
  return facts;
}

export { driftOf };
