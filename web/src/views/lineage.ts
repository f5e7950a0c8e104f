// SPDX-License-Identifier: Apache-2.0
// Where one version comes from and what answers by it: data set, run, version, endpoints, predictions.
import type { Line, Version } from "../api.ts";
import { h, type Child, type Node } from "../dom.ts";
import { percent } from "../format.ts";
import type { Store } from "../store.ts";
import { when } from "./parts.ts";

export function lineagePanel(store: Store, version: Version): Node {
  return h(
    "div",
    { class: "lineage" },
    h("h4", {}, "Lineage"),
    when(store.lineage(version.model, version.version), 2, ({ lineage }) => (lineage[0] ? chain(lineage[0]) : h("p", { class: "muted" }, "Nothing is known."))),
  );
}

function chain(line: Line): Node {
  const same = line.dataset_hash ? `/api/v1/lineage?dataset_hash=${encodeURIComponent(line.dataset_hash)}` : null;
  return h(
    "ol",
    { class: "chain", "aria-label": "From the data set to the predictions" },
    step("Data set", line.dataset?.name ?? (line.dataset_hash ? "unnamed" : "not recorded"), [
      line.dataset_hash && h("code", { title: line.dataset_hash }, short(line.dataset_hash)),
      same && h("a", { href: same }, "all that was made from it"),
    ]),
    step("Run", line.run_id ? short(line.run_id) : "not from a run", [line.git_sha && h("code", { title: line.git_sha }, `commit ${short(line.git_sha)}`)]),
    step("Version", `${line.model} v${line.version}`, [line.digest && h("code", { title: line.digest }, short(line.digest))]),
    step("Endpoints", line.endpoints.length === 0 ? "none now" : line.endpoints.map((arm) => `${arm.endpoint}: ${arm.arm} ${percent(arm.weight)}`).join(", "), []),
    step("Predictions", h("a", { href: line.predictions }, "its newest answers"), []),
  );
}

function step(name: string, value: Child, more: Child[]): Node {
  return h("li", { key: name }, h("span", { class: "chain-name" }, name), h("span", { class: "chain-value" }, value), h("span", { class: "chain-more" }, ...more.flatMap((one) => (one ? [one, " "] : []))));
}

function short(text: string): string {
  return text.length > 12 ? `${text.slice(0, 12)}\u2026` : text;
}
