// SPDX-License-Identifier: Apache-2.0
// Models: each version with its stage, why it is there, how it was trained and what its gates said.
import type { Metadata, Model, Version } from "../api.ts";
import { h, type Child, type Node } from "../dom.ts";
import { bytes, duration, fixed, isNumber, kNone, moment, plural, scalar, words } from "../format.ts";
import type { Store } from "../store.ts";
import { whyStage } from "../story.ts";
import { gatesPanel } from "./gates.ts";
import { lineagePanel } from "./lineage.ts";
import { badge, card, command, empty, stageBadge, timeOf, when } from "./parts.ts";

const kFirstVersions = 8;

export function models(store: Store): Node {
  const all = store.models.data?.models ?? [];
  return card(
    "models",
    "Models",
    all.length > 0 && `${plural(all.length, "model")}, ${plural(all.reduce((sum, model) => sum + model.versions.length, 0), "version")}`,
    when(store.models, 6, () => (all.length ? all.map((model) => modelView(store, model)) : noModel())),
  );
}

export function noModel(): Node {
  return empty(
    "No model yet",
    h("p", {}, "Point an ordinary MLflow script at this server; what it registers appears here by itself:"),
    command(`export MLFLOW_TRACKING_URI=${location.origin}\npython train.py`),
    h("p", {}, "Then put the first version into production:"),
    command("slipway versions promote MODEL 1"),
  );
}

function modelView(store: Store, model: Model): Node {
  const all = store.choice.allVersions.has(model.name);
  const ordered = inOrder(model.versions);
  const shown = all ? ordered : ordered.slice(0, kFirstVersions);
  const rest = ordered.length - kFirstVersions;
  return h(
    "div",
    { class: "model", key: model.name },
    h(
      "div",
      { class: "model-head" },
      h("h3", { title: model.name }, model.name),
      Object.entries(model.aliases).map(([alias, version]) => h("span", { class: "alias", key: alias }, `@${alias} \u2192 v${version}`)),
      model.description && h("p", { class: "muted" }, model.description),
    ),
    ordered.length === 0 && h("p", { class: "muted" }, "Registered, but without a version."),
    h("ul", { class: "versions" }, shown.map((version) => versionView(store, version))),
    rest > 0 &&
      h(
        "button",
        { type: "button", class: "more", "aria-expanded": String(all), onclick: () => store.choose({ allVersions: toggled(store.choice.allVersions, model.name) }) },
        all ? "Show fewer versions" : `Show ${plural(rest, "older version")}`,
      ),
  );
}

/** Production and staging first, then the newest. */
export function inOrder(versions: readonly Version[]): Version[] {
  const rank = (version: Version) => (version.stage === "Production" ? 0 : version.stage === "Staging" ? 1 : 2);
  return [...versions].sort((a, b) => rank(a) - rank(b) || b.version - a.version);
}

export function toggled(set: ReadonlySet<string>, name: string): ReadonlySet<string> {
  const next = new Set(set);
  if (!next.delete(name)) next.add(name);
  return next;
}

function versionView(store: Store, version: Version): Node {
  const name = `${version.model}/${version.version}`;
  const open = store.choice.openVersions.has(name);
  const why = whyStage(version, store.moves.data?.events ?? [], store.decisions.data?.decisions ?? []);
  const quality = headline(version.metadata);
  return h(
    "li",
    { class: `version${open ? " open" : ""}`, key: name },
    h(
      "button",
      { type: "button", class: "version-row", "aria-expanded": String(open), onclick: () => store.choose({ openVersions: toggled(store.choice.openVersions, name) }) },
      h("span", { class: "version-name" }, `v${version.version}`),
      stageBadge(version.stage),
      version.status !== "READY" && badge(words(version.status.toLowerCase()), version.status.startsWith("FAILED") ? "bad" : "info"),
      quality && h("span", { class: "version-quality" }, h("span", { class: "muted" }, `${quality.name} `), quality.value),
      h("span", { class: "version-time" }, timeOf(why?.time ?? version.created, store.now)),
      h("span", { class: "version-why" }, why?.text ?? "Registered; no gate has been asked yet."),
    ),
    open && details(store, version),
  );
}

/** The metric that names a version's quality at a glance: the AUC of the holdout where there is one. */
export function headline(metadata: Metadata | null): { name: string; value: string } | null {
  const metrics = metadata?.metrics ?? {};
  const names = Object.keys(metrics).filter((name) => isNumber(Number(metrics[name])));
  const name = names.find((one) => one === "holdout_auc") ?? names.find((one) => /auc/.test(one)) ?? names.find((one) => /acc/.test(one));
  return name === undefined ? null : { name: words(name), value: fixed(Number(metrics[name]), 3) };
}

function details(store: Store, version: Version): Node {
  return h(
    "div",
    { class: "version-details" },
    gatesPanel(store, version),
    h("div", {}, h("h4", {}, "Training"), facts(version)),
    lineagePanel(store, version),
  );
}

function facts(version: Version): Node {
  const metadata = version.metadata ?? {};
  const size = version.files.reduce((sum, file) => sum + file.size_bytes, 0);
  const dataset = metadata.dataset;
  const rows: [string, Child][] = [
    ["Registered", `${moment(version.created)}${version.user ? ` by ${version.user}` : ""}`],
    ["Data set", dataset?.source || dataset?.name ? `${dataset.name ?? ""}${dataset.source ? ` (${short(sourceText(dataset.source), 80)})` : ""}` : null],
    ["Data hash", metadata.dataset_hash ? hash(metadata.dataset_hash) : missing()],
    ["Commit", metadata.git_sha ? hash(metadata.git_sha) : missing()],
    ["Training took", isNumber(Number(metadata.training_duration_s ?? NaN)) ? duration(Number(metadata.training_duration_s)) : missing()],
    ["Parameters", pairs(metadata.params)],
    ["Metrics", pairs(metadata.metrics)],
    ["Files", version.files.length ? `${plural(version.files.length, "file")}, ${bytes(size)}` : kNone],
    ["Run", version.run_id ? hash(version.run_id) : null],
  ];
  return h(
    "dl",
    { class: "facts" },
    rows.map(([name, value]) => value !== null && h("div", { key: name }, h("dt", {}, name), h("dd", {}, value))),
  );
}

/** MLflow keeps the source as JSON: what a reader wants of it is the address. */
export function sourceText(source: string): string {
  try {
    const parsed = JSON.parse(source) as Record<string, unknown> | null;
    const address = parsed?.["uri"] ?? parsed?.["url"] ?? parsed?.["path"] ?? parsed?.["name"];
    return typeof address === "string" ? address : source;
  } catch {
    return source;
  }
}

function missing(): Node {
  return h("span", { class: "bad-text" }, "not recorded");
}

function hash(text: string): Node {
  return h("code", { title: text }, short(text, 14));
}

export function short(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}\u2026` : text;
}

function pairs(values: Record<string, unknown> | null | undefined): Child {
  const entries = Object.entries(values ?? {});
  if (entries.length === 0) return missing();
  return h(
    "span",
    { class: "pairs" },
    entries.map(([name, value]) => h("span", { key: name }, h("span", { class: "muted" }, `${name} `), number(value))),
  );
}

function number(value: unknown): string {
  const parsed = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return isNumber(parsed) ? scalar(parsed) : scalar(value);
}
