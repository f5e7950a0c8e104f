// SPDX-License-Identifier: Apache-2.0
// What the facts mean: events as sentences, who was in production when, what was decided and why. Pure functions.
import type { Alert, Decision, Endpoint, PlanArm, Rollout, SlipwayEvent, Version } from "./api.ts";
import { isNumber, parseTime, percent, plural, signed, span, words } from "./format.ts";

export type Tone = "good" | "bad" | "warn" | "info" | "plain";
export type Group = "version" | "traffic" | "alert" | "window" | "policy" | "pipeline" | "run" | "other";

export const kGroups: { group: Group; label: string }[] = [
  { group: "version", label: "Versions" },
  { group: "traffic", label: "Traffic" },
  { group: "policy", label: "Decisions" },
  { group: "alert", label: "Alerts" },
  { group: "window", label: "Windows" },
  { group: "pipeline", label: "Pipelines" },
  { group: "run", label: "Runs" },
];

const kGroupOf: Record<string, Group> = {
  model: "version",
  version: "version",
  alias: "version",
  endpoint: "traffic",
  rollout: "traffic",
  alert: "alert",
  window: "window",
  policy: "policy",
  pipeline: "pipeline",
  run: "run",
  logged_model: "run",
  experiment: "run",
};

export function groupOf(type: string): Group {
  return kGroupOf[type.split(".")[0] ?? ""] ?? "other";
}

export interface Sentence {
  group: Group;
  tone: Tone;
  title: string;
  detail: string;
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** "model/flights/version/3" -> ["flights", "3"]; also run/<id>, endpoint/<name>. */
export function subjectParts(subject: string): { name: string; version: string } {
  const version = /^(?:model|endpoint)\/(.*)\/version\/(\d+)$/.exec(subject);
  if (version) return { name: version[1] ?? "", version: version[2] ?? "" };
  return { name: subject.slice(subject.indexOf("/") + 1), version: "" };
}

export function armsText(arms: unknown): string {
  if (!Array.isArray(arms)) return "";
  return (arms as PlanArm[]).map((arm) => `${arm.name} v${arm.version} ${percent(arm.weight)}`).join(", ");
}

export function describe(event: SlipwayEvent): Sentence {
  const group = groupOf(event.type);
  const { name, version } = subjectParts(event.subject);
  const who = version ? `${name} v${version}` : name;
  const sentence = kSentences[event.type]?.(event.data, who);
  if (sentence) return { group, ...sentence };
  const verb = words(event.type.slice(event.type.indexOf(".") + 1)).toLowerCase();
  const tone: Tone = /fail|refus|lost/.test(event.type) ? "bad" : "plain";
  const noun = words(event.type.split(".")[0] ?? "");
  const detail = text(event.data["summary"]) || text(event.data["message"]) || text(event.data["why"]) || text(event.data["reason"]);
  return { group, tone, title: `${noun} ${verb}: ${who}`, detail };
}

type Say = (data: Record<string, unknown>, who: string) => { tone: Tone; title: string; detail: string };

function failedGates(data: Record<string, unknown>): { gate: string; summary: string }[] {
  const verdicts = Array.isArray(data["verdicts"]) ? (data["verdicts"] as Record<string, unknown>[]) : [];
  return verdicts
    .filter((verdict) => verdict["outcome"] === "fail")
    .map((verdict) => ({ gate: text(verdict["gate"]), summary: text(verdict["summary"]) }));
}

function rolloutSentence(tone: Tone, what: string): Say {
  return (data) => ({
    tone,
    title: `Rollout of v${String(data["to_version"])} on ${text(data["endpoint"])} ${what}`,
    detail: text(data["why"]) || text(data["reason"]),
  });
}

function stepSentence(data: Record<string, unknown>): { tone: Tone; title: string; detail: string } {
  const steps = Array.isArray(data["steps"]) ? (data["steps"] as { weight: number }[]) : [];
  const weight = steps[Number(data["step"])]?.weight;
  return {
    tone: "info",
    title: `Canary v${String(data["to_version"])} on ${text(data["endpoint"])} takes ${percent(weight)}`,
    detail: text(data["why"]) || text(data["reason"]),
  };
}

const kSentences: Record<string, Say> = {
  "model.created": (_, who) => ({ tone: "plain", title: `Model ${who} created`, detail: "" }),
  "version.created": (data, who) => ({ tone: "info", title: `${who} registered`, detail: text(data["source"]) }),
  "version.ready": (_, who) => ({ tone: "plain", title: `${who} is ready: its files are stored and hashed`, detail: "" }),
  "version.failed": (data, who) => ({ tone: "bad", title: `${who} failed to register`, detail: text(data["message"]) }),
  "version.stage_changed": (data, who) => ({
    tone: data["to"] === "Production" ? "good" : data["forced"] === true ? "warn" : "plain",
    title: `${who}: ${stageWord(text(data["from"]))} \u2192 ${stageWord(text(data["to"]))}${data["forced"] === true ? " (forced)" : ""}`,
    detail: text(data["reason"]),
  }),
  "version.gate_refused": (data, who) => ({
    tone: "bad",
    title: `${who} refused for ${stageWord(text(data["to"])).toLowerCase()}`,
    detail: failedGates(data)
      .map((gate) => `${words(gate.gate)}: ${gate.summary}`)
      .join(" "),
  }),
  "endpoint.plan_changed": (data, who) => ({
    tone: "info",
    title: `${who} now answers with ${armsText(data["arms"])}`,
    detail: text(data["why"]),
  }),
  "rollout.started": rolloutSentence("info", "started"),
  "rollout.step": stepSentence,
  "rollout.advanced": stepSentence,
  "rollout.promoted": rolloutSentence("good", "promoted"),
  "rollout.rolled_back": rolloutSentence("bad", "rolled back"),
  "rollout.paused": rolloutSentence("warn", "paused"),
  "rollout.aborted": rolloutSentence("warn", "aborted"),
  "alert.firing": (data, who) => ({ tone: "bad", title: `${words(text(data["rule"]) || who)} fires`, detail: text(data["summary"]) }),
  "alert.resolved": (data, who) => ({
    tone: "good",
    title: `${words(text(data["rule"]) || who)} resolved`,
    detail: text(data["summary"]),
  }),
  "window.judged": windowSentence,
  "policy.decided": (data, who) => ({
    tone: decisionTone(text(data["kind"])),
    title: `${words(text(data["kind"]) || "decided")}: ${who}`,
    detail: text(data["summary"]),
  }),
};

function windowSentence(data: Record<string, unknown>, who: string): { tone: Tone; title: string; detail: string } {
  const breached = Array.isArray(data["breached"]) ? (data["breached"] as string[]) : [];
  const from = text(data["start"]);
  const rows = Number(data["predictions"]);
  return {
    tone: breached.length ? "warn" : "plain",
    title: `${words(text(data["part"]) || "window")} of ${who} judged${from ? `: ${span(from, text(data["end"]))}` : ""}`,
    detail: [breached.length ? `Breached: ${breached.map(words).join(", ")}.` : "Nothing breached.", rows ? plural(rows, "prediction") : ""]
      .filter(Boolean)
      .join(" "),
  };
}

export function stageWord(stage: string): string {
  return stage === "" || stage === "None" ? "No stage" : stage;
}

export function decisionTone(kind: string): Tone {
  if (/refus|reject|roll_back|rolled_back|kept/.test(kind)) return "bad";
  if (/staged|promote|champion|returns|advance/.test(kind)) return "good";
  return /pause|abort|forced/.test(kind) ? "warn" : "info";
}

/** Newest first, each sequence once, at most `most`. The same array comes back when there is nothing new. */
export function mergeEvents(have: SlipwayEvent[], incoming: readonly SlipwayEvent[], most: number): SlipwayEvent[] {
  const seen = new Set(have.map((event) => event.sequence));
  const fresh = incoming.filter((event) => !seen.has(event.sequence) && seen.add(event.sequence));
  if (fresh.length === 0) return have;
  return [...fresh, ...have].sort((a, b) => b.sequence - a.sequence).slice(0, most);
}

export interface Span {
  version: number;
  from: number;
  to: number;
}

/** Which version was the endpoint's stable arm when; `changes` are its plan events in any order, `to` is now. */
export function productionSpans(changes: readonly SlipwayEvent[], endpoint: string, to: number): Span[] {
  const spans: Span[] = [];
  const ordered = changes.filter((event) => event.subject === `endpoint/${endpoint}`).sort((a, b) => a.sequence - b.sequence);
  for (const event of ordered) {
    const arms = event.data["arms"];
    const stable = Array.isArray(arms) ? (arms as PlanArm[]).find((arm) => arm.name === "stable") : undefined;
    const from = parseTime(event.time);
    if (!stable || from === null) continue;
    const last = spans.at(-1);
    if (last?.version === stable.version) continue;
    if (last) last.to = from;
    spans.push({ version: stable.version, from, to: Math.max(from, to) });
  }
  return spans;
}

export interface Bounds {
  difference: number;
  lower: number | null;
  upper: number | null;
  margin: number;
}

export interface Entry {
  id: string;
  time: string;
  kind: string;
  tone: Tone;
  title: string;
  detail: string;
  bounds: Bounds | null;
  decision: Decision | null;
}

function contestEntry(decision: Decision): Entry {
  const subject = decision.winner && decision.winner !== decision.candidate ? decision.winner : decision.candidate;
  const bounds: Bounds | null = isNumber(decision.difference)
    ? { difference: decision.difference, lower: decision.lower, upper: decision.upper, margin: decision.margin ?? 0 }
    : null;
  return {
    id: `d${decision.sequence ?? decision.time}`,
    time: decision.time,
    kind: words(decision.kind),
    tone: decisionTone(decision.kind),
    title: `${decision.model} v${String(subject)}${decision.production ? ` against v${decision.production}` : ""}`,
    detail: decision.summary,
    bounds,
    decision,
  };
}

const kRolloutWords: Record<string, { kind: string; tone: Tone }> = {
  start: { kind: "Rollout starts", tone: "info" },
  advance: { kind: "Canary advances", tone: "info" },
  promote: { kind: "Promoted", tone: "good" },
  roll_back: { kind: "Rolled back", tone: "bad" },
  pause: { kind: "Paused", tone: "warn" },
  abort: { kind: "Aborted", tone: "warn" },
};

/** Contests, refusals by gates, forced moves and what rollouts did, newest first. */
export function decisionHistory(decisions: readonly Decision[], rollouts: readonly Rollout[], versionEvents: readonly SlipwayEvent[]): Entry[] {
  const entries = decisions.map(contestEntry);
  for (const rollout of rollouts) {
    rollout.history.forEach((row, i) => {
      const known = kRolloutWords[row.decision] ?? { kind: words(row.decision), tone: "info" as Tone };
      entries.push({
        id: `${rollout.id}/${i}`,
        time: row.time,
        ...known,
        title: `${rollout.endpoint} v${rollout.to_version} at ${percent(row.weight)}`,
        detail: row.why,
        bounds: null,
        decision: null,
      });
    });
  }
  for (const event of versionEvents) {
    const refused = event.type === "version.gate_refused";
    if (!refused && !(event.type === "version.stage_changed" && event.data["forced"] === true)) continue;
    const sentence = describe(event);
    const kind = refused ? "Refused by gates" : "Forced";
    entries.push({ id: `e${event.sequence}`, time: event.time, kind, tone: sentence.tone, title: sentence.title, detail: sentence.detail, bounds: null, decision: null });
  }
  return entries.sort((a, b) => (parseTime(b.time) ?? 0) - (parseTime(a.time) ?? 0) || b.id.localeCompare(a.id, "en", { numeric: true }));
}

/** One sentence: why the version is in its stage. The newest event that moved or refused it speaks. */
export function whyStage(version: Version, versionEvents: readonly SlipwayEvent[], decisions: readonly Decision[]): { text: string; time: string } | null {
  const subject = `model/${version.model}/version/${version.version}`;
  const moved = newest(
    versionEvents.filter(
      (event) => event.subject === subject && (event.type === "version.stage_changed" || event.type === "version.gate_refused"),
    ),
  );
  const decided = decisions.find((decision) => decision.model === version.model && decision.candidate === version.version);
  const contested = decided && (version.stage === "None" || version.stage === "Staging") ? decided : undefined;
  if (contested && (!moved || (parseTime(contested.time) ?? 0) >= (parseTime(moved.time) ?? 0))) {
    return { text: contested.summary, time: contested.time };
  }
  if (!moved) return version.status_message ? { text: version.status_message, time: version.updated } : null;
  const sentence = describe(moved);
  const forced = moved.data["forced"] === true ? "Forced: " : "";
  return { text: `${forced}${sentence.detail || sentence.title}`, time: moved.time };
}

function newest(events: readonly SlipwayEvent[]): SlipwayEvent | undefined {
  return events.reduce<SlipwayEvent | undefined>((best, event) => (!best || event.sequence > best.sequence ? event : best), undefined);
}

export interface Share {
  name: string;
  version: number;
  weight: number;
  shadow: boolean;
}

/** The plan's arms, largest first among those that answer; shadows last, beside the 100 %. */
export function splitOf(endpoint: Endpoint): Share[] {
  const shares = endpoint.plan.arms.map((arm) => ({
    name: arm.name,
    version: arm.version,
    weight: arm.weight,
    shadow: arm.name.startsWith("shadow"),
  }));
  const rank = (share: Share) => (share.shadow ? 2 : share.name === "stable" ? 0 : 1);
  return shares.sort((a, b) => rank(a) - rank(b) || b.weight - a.weight);
}

export interface Sample {
  at: number;
  requests: number;
}

/** Adds a reading of a counter; a counter that fell began anew. Keeps `keep` ms. */
export function addSample(samples: readonly Sample[], sample: Sample, keep: number): Sample[] {
  const last = samples.at(-1);
  const base = last && sample.requests < last.requests ? [] : samples;
  return [...base.filter((one) => one.at >= sample.at - keep), sample];
}

/** Requests a second between neighbouring samples. */
export function ratesOf(samples: readonly Sample[]): number[] {
  const rates: number[] = [];
  for (let i = 1; i < samples.length; i++) {
    const [a, b] = [samples[i - 1], samples[i]];
    if (a && b && b.at > a.at) rates.push(((b.requests - a.requests) * 1000) / (b.at - a.at));
  }
  return rates;
}

export function orderedAlerts(alerts: readonly Alert[]): Alert[] {
  const time = (alert: Alert) => parseTime(alert.resolved ?? alert.since) ?? 0;
  const rank = { firing: 0, pending: 1, resolved: 2 };
  return [...alerts].sort((a, b) => rank[a.state] - rank[b.state] || time(b) - time(a));
}

export function boundsText(bounds: Bounds, digits = 3): string {
  return `${signed(bounds.difference, digits)} [${signed(bounds.lower, digits)}, ${signed(bounds.upper, digits)}]`;
}
