// SPDX-License-Identifier: Apache-2.0
// What the native API answers (/api/v1). Times are RFC 3339 in UTC; shares and weights are 0 to 1.

export interface Info {
  version: string;
  started: string;
  clock: { mode: "system" | "driven"; now: string };
  data: string;
}

export interface SlipwayEvent {
  sequence: number;
  time: string;
  type: string;
  subject: string;
  actor: string;
  source?: string;
  data: Record<string, unknown>;
}

export interface Verdict {
  gate: string;
  outcome: "pass" | "fail" | "not_run";
  summary: string;
  evidence?: unknown;
  took_ms?: number;
  overridden?: boolean;
}

export interface GateRun {
  id: number;
  to: string;
  state: "running" | "passed" | "failed" | "interrupted";
  policy: number;
  actor: string;
  started: string;
  ended: string | null;
  done: number;
  total: number;
  current: string;
  verdicts: Verdict[];
}

/** What a person said of a version: an approval, or an override of one gate. */
export interface Word {
  id: number;
  kind: "approval" | "override";
  stage: string;
  gate: string;
  actor: string;
  comment: string;
  created: string;
  expires: string | null;
  revoked: string | null;
}

export interface Line {
  dataset_hash: string | null;
  dataset: { name?: string } | null;
  git_sha: string | null;
  run_id: string;
  model: string;
  version: number;
  digest: string;
  endpoints: { endpoint: string; arm: string; weight: number; since: string }[];
  predictions: string;
}

export interface Version {
  model: string;
  version: number;
  stage: string;
  status: string;
  status_message?: string;
  source: string;
  run_id: string;
  description?: string;
  user?: string;
  created: string;
  updated: string;
  tags: Record<string, string>;
  aliases: string[];
  files: { path: string; size_bytes: number; sha256: string }[];
  metadata: Metadata | null;
  verdicts?: Verdict[];
}

export interface Metadata {
  dataset_hash?: string | null;
  dataset?: { name?: string; source?: string; digest?: string; context?: string } | null;
  git_sha?: string | null;
  training_duration_s?: number | string | null;
  params?: Record<string, unknown> | null;
  metrics?: Record<string, unknown> | null;
}

export interface Model {
  name: string;
  description: string;
  created: string;
  updated: string;
  tags: Record<string, string>;
  aliases: Record<string, number>;
  versions: Version[];
}

export interface PlanArm {
  name: string;
  model: string;
  version: number;
  weight: number;
}

export interface Endpoint {
  name: string;
  /** false: served without the registry. */
  managed: boolean;
  plan: { epoch: number; salt: string; since: string; arms: PlanArm[] };
  arms: {
    name: string;
    version: number;
    weight?: number;
    requests: number;
    errors: number;
    latency_ms: { p50: number | null; p95: number | null; p99: number | null };
  }[];
}

export interface MetricAnalysis {
  name: string;
  verdict: "inconclusive" | "pass" | "fail";
  stable: { n: number; mean: number };
  candidate: { n: number; mean: number };
  difference: number | null;
  lower: number | null;
  upper: number | null;
  alpha: number;
  tolerance: number;
  why?: string;
}

export interface RolloutStep {
  weight: number;
  min_duration_s: number;
  min_predictions: number;
}

export interface Rollout {
  id: string;
  endpoint: string;
  model?: string;
  from_version: number;
  to_version: number;
  state: "running" | "paused" | "promoted" | "rolled_back" | "aborted";
  step: number;
  steps: RolloutStep[];
  started: string;
  step_started?: string;
  ended: string | null;
  reason: string;
  analysis: { metrics: MetricAnalysis[] } | null;
  history: { time: string; step: number; weight: number; decision: string; why: string }[];
}

export interface Estimate {
  value: number;
  lower?: number;
  upper?: number;
}

export interface Window {
  start: string;
  end: string;
  closed: boolean;
  version: number | null;
  requests?: number;
  failed_requests?: number;
  predictions: number;
  labels: number;
  label_coverage: number;
  quality: { n?: number; auc?: Estimate | null; accuracy?: Estimate | null; brier?: Estimate | null } | null;
  drift_version?: number | null;
  psi: Record<string, number> | null;
  prediction_psi: number | null;
}

export interface FeatureDrift {
  name: string;
  kind: "numeric" | "categorical";
  psi: number;
  threshold: number;
  drifted: boolean;
  judged?: boolean;
  needs_rows?: number;
  n: number;
  p_adjusted?: number;
  missing_share?: number;
  out_of_range_share?: number;
  unseen_share?: number;
  bins: { label: string; baseline_share: number; current_share: number }[];
}

export interface Drift {
  window: { start: string; end: string; closed?: boolean };
  version?: number;
  baseline: { version?: number; rows: number; source: string };
  features: FeatureDrift[];
  prediction: FeatureDrift | null;
}

export interface Alert {
  id: string;
  rule: string;
  endpoint: string;
  version: number; // 0: the endpoint as a whole
  severity?: string;
  state: "pending" | "firing" | "resolved";
  since: string;
  resolved: string | null;
  value: number;
  threshold: number;
  summary: string;
  runbook?: string;
  silenced_by?: string | null;
  acknowledged?: { by: string; time: string; comment: string } | null;
}

export interface Prediction {
  id: string;
  time: string;
  endpoint: string;
  model: string;
  version: number;
  arm: string;
  plan_epoch: number;
  key: string;
  request_id: string;
  protocol: string;
  latency_ms: { queue: number; run: number; total: number };
  status: string;
  error: string;
  inputs: Record<string, unknown>;
  outputs: Record<string, unknown>;
  label: { value: unknown; time: string; delay_s: number } | null;
}

export interface RunStep {
  name: string;
  state: string;
  attempt: number;
  started: string | null;
  ended: string | null;
  exit_status: number | null;
  cached: boolean;
  message?: string;
}

export interface Run {
  id: string;
  pipeline: string;
  trigger: Record<string, unknown>;
  state: "queued" | "running" | "succeeded" | "failed" | "lost";
  created?: string;
  started: string | null;
  ended: string | null;
  message?: string;
  parameters: Record<string, string>;
  outputs?: Record<string, Record<string, string>>;
  steps: RunStep[];
}

export interface Decision {
  time: string;
  sequence?: number;
  model: string;
  trigger?: string;
  kind: string;
  candidate: number | null;
  winner?: number | null;
  production: number | null;
  summary: string;
  difference: number | null;
  lower: number | null;
  upper: number | null;
  margin: number | null;
  rows?: number;
  competitors?: {
    version: number;
    stage: string;
    auc: number;
    brier: number;
    n?: number;
    difference?: number | null;
    lower?: number | null;
    upper?: number | null;
    better?: boolean;
  }[];
  window?: { start: string; end: string };
}

export interface ApiFailure {
  error: { code: string | number; reason: string; message: string; field?: string };
}
