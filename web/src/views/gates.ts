// SPDX-License-Identifier: Apache-2.0
// The gates of one version: what each said and on what evidence, those that judge now, who approved or set one aside; and the
// three things that a person does about them, each with a reason.
import type { GateRun, Verdict, Version, Word } from "../api.ts";
import { h, type Child, type Node } from "../dom.ts";
import { duration, isNumber, moment, scalar, words } from "../format.ts";
import type { Saying, Store } from "../store.ts";
import type { Tone } from "../story.ts";
import { badge, dot, fault, skeleton, timeOf } from "./parts.ts";

const kOutcomes: Record<Verdict["outcome"], { text: string; tone: Tone }> = {
  pass: { text: "Pass", tone: "good" },
  fail: { text: "Fail", tone: "bad" },
  not_run: { text: "Not run", tone: "plain" },
};
const kRunTones: Record<GateRun["state"], Tone> = { running: "info", passed: "good", failed: "bad", interrupted: "plain" };

export function gatesPanel(store: Store, version: Version): Node {
  const resource = store.version(version.model, version.version);
  const run = store.gateRuns(version.model, version.version).data?.runs[0];
  const running = run?.state === "running" ? run : undefined;
  const verdicts = running ? running.verdicts : resource.data?.verdicts;
  return h(
    "div",
    { class: "gates" },
    h("h4", {}, running ? `Judging for ${running.to}` : "Newest gate verdicts"),
    running && progress(running),
    !running && run && h("p", { class: "muted gate-run" }, badge(words(run.state), kRunTones[run.state]), h("span", {}, ` for ${run.to} by ${run.actor}, `, timeOf(run.started, store.now), `, policy ${run.policy}`)),
    verdicts ? verdictList(store, version, verdicts) : resource.error ? fault(resource.error) : skeleton(3),
    wordList(store, version),
    actions(store, version, running !== undefined),
  );
}

function progress(run: GateRun): Node {
  return h(
    "p",
    { class: "gate-progress" },
    h("progress", { max: Math.max(run.total, 1), value: run.done, "aria-label": "Gates that have judged" }),
    h("span", { role: "status" }, `${run.done} of ${run.total}${run.current ? `, ${words(run.current)} now` : ""}`),
  );
}

function verdictList(store: Store, version: Version, verdicts: readonly Verdict[]): Child {
  if (verdicts.length === 0) return h("p", { class: "muted" }, "No gate has judged this version yet.");
  return h("ul", { class: "verdicts" }, verdicts.map((verdict) => verdictView(store, version, verdict)));
}

function verdictView(store: Store, version: Version, verdict: Verdict): Node {
  const outcome = kOutcomes[verdict.outcome];
  const evidence = evidenceRows(verdict.evidence, "");
  return h(
    "li",
    { key: verdict.gate },
    dot(verdict.overridden ? "warn" : outcome.tone),
    h(
      "span",
      { class: "verdict-gate" },
      words(verdict.gate),
      h("span", { class: "visually-hidden" }, `: ${outcome.text}`),
      verdict.overridden && [" ", badge("set aside", "warn")],
      isNumber(verdict.took_ms) && h("span", { class: "verdict-took" }, duration(verdict.took_ms / 1000)),
    ),
    h("span", { class: "verdict-summary" }, verdict.summary),
    evidence.length > 0 &&
      h(
        "details",
        { class: "evidence" },
        h("summary", {}, "Evidence", h("span", { class: "visually-hidden" }, ` of ${words(verdict.gate)}`)),
        h("dl", {}, evidence.map(([name, value]) => h("div", { key: name }, h("dt", {}, name), h("dd", {}, value)))),
      ),
    verdict.outcome === "fail" &&
      !verdict.overridden &&
      h("button", { type: "button", class: "small verdict-override", onclick: () => store.say({ version: nameOf(version), kind: "override", gate: verdict.gate }) }, "Set aside\u2026", h("span", { class: "visually-hidden" }, ` ${words(verdict.gate)}`)),
  );
}

const kMostEvidence = 60;

/** Evidence as rows of "a.b[0]" and value, which any shape has. */
export function evidenceRows(value: unknown, at: string): [string, string][] {
  if (value === null || value === undefined) return [];
  if (typeof value !== "object") return [[at || "value", scalar(value)]];
  const rows: [string, string][] = [];
  for (const [name, one] of Object.entries(value)) {
    if (rows.length >= kMostEvidence) break;
    rows.push(...evidenceRows(one, Array.isArray(value) ? `${at}[${name}]` : at ? `${at}.${name}` : name));
  }
  return rows.slice(0, kMostEvidence);
}

export function nameOf(version: Version): string {
  return `${version.model}/${version.version}`;
}

function wordList(store: Store, version: Version): Child {
  const said = store.words(version.model, version.version).data?.approvals ?? [];
  if (said.length === 0) return null;
  return [h("h4", {}, "Approvals and overrides"), h("ul", { class: "words" }, said.map((word) => wordView(store, version, word)))];
}

function wordView(store: Store, version: Version, word: Word): Node {
  const over = word.revoked !== null || (word.expires !== null && Date.parse(word.expires) <= store.now);
  const what = word.kind === "override" ? `set ${words(word.gate)} aside` : "approved";
  return h(
    "li",
    { key: String(word.id), class: over ? "over" : undefined },
    h("p", {}, h("strong", {}, word.actor), ` ${what} for ${word.stage}, `, timeOf(word.created, store.now)),
    h("p", { class: "muted" }, word.comment),
    h("p", { class: "muted" }, word.revoked ? `Taken back ${moment(word.revoked)}` : word.expires ? `${over ? "Expired" : "Holds until"} ${moment(word.expires)}` : "Does not expire"),
    !over && h("button", { type: "button", class: "small", onclick: () => store.say({ version: nameOf(version), kind: "revoke", word: word.id }) }, "Take back\u2026"),
  );
}

function actions(store: Store, version: Version, running: boolean): Child {
  const saying = store.choice.saying;
  if (saying?.version === nameOf(version)) return form(store, version, saying);
  const start = (kind: Saying["kind"], text: string) =>
    h("button", { type: "button", class: "small", disabled: running && kind === "judge", onclick: () => store.say({ version: nameOf(version), kind }) }, text);
  return h("div", { class: "gate-actions" }, start("judge", "Run the gates\u2026"), start("approve", "Approve\u2026"));
}

const kForms: Record<Saying["kind"], { title: string; button: string; reason: string | null; stage: boolean; expires: boolean }> = {
  judge: { title: "Run the gates of a stage", button: "Run", reason: null, stage: true, expires: false },
  approve: { title: "Approve for a stage", button: "Approve", reason: "Comment", stage: true, expires: true },
  override: { title: "Set a gate aside", button: "Set aside", reason: "Reason", stage: true, expires: true },
  revoke: { title: "Take it back", button: "Take back", reason: null, stage: false, expires: false },
};

function form(store: Store, version: Version, saying: Saying): Node {
  const shape = kForms[saying.kind];
  const submit = (event: Event) => {
    event.preventDefault();
    const data = new FormData(event.target as HTMLFormElement);
    void store.send(version, saying, Object.fromEntries([...data].map(([name, value]) => [name, String(value)])));
  };
  const field = (name: string, label: string, input: Node) => h("label", { class: `field field-${name}` }, h("span", {}, label), input);
  return h(
    "form",
    { class: "say", key: `say-${saying.kind}-${saying.gate ?? ""}`, onsubmit: submit, "aria-label": shape.title },
    h("p", { class: "say-title" }, saying.gate ? `${shape.title}: ${words(saying.gate)}` : shape.title),
    shape.stage && field("to", "Stage", h("select", { name: "to" }, h("option", { value: "Staging" }, "Staging"), h("option", { value: "Production" }, "Production"))),
    shape.reason && field("reason", shape.reason, h("input", { name: "reason", required: true, maxlength: 2000, placeholder: "Why; kept in the audit log" })),
    shape.expires && field("expires", "Until (UTC, optional)", h("input", { name: "expires", type: "datetime-local" })),
    field("actor", "Your name", h("input", { name: "actor", required: true, maxlength: 200, autocomplete: "username", "data-actor": true })),
    store.choice.refused && h("p", { class: "fault", role: "alert" }, store.choice.refused),
    h("div", { class: "gate-actions" }, h("button", { type: "submit", class: "small primary" }, shape.button), h("button", { type: "button", class: "small", onclick: () => store.say(null) }, "Cancel")),
  );
}
