// SPDX-License-Identifier: Apache-2.0
// The top of the page: whose it is, what time it is there, whether it hears the server; and the figures that matter at a glance.
import { h, type Child, type Node } from "../dom.ts";
import { count, day, finePercent, fixed, hour, isNumber, kNone, millis, moment, plural, psi, signed } from "../format.ts";
import type { Connection, Store } from "../store.ts";
import { stageWord } from "../story.ts";

const kConnections: Record<Connection, { text: string; tone: string; tip: string }> = {
  connecting: { text: "Connecting", tone: "plain", tip: "Waiting for the server's first answer" },
  live: { text: "Live", tone: "good", tip: "Events arrive as they happen" },
  polling: { text: "Polling", tone: "warn", tip: "The event stream is not open; the page asks every 2 seconds" },
  lost: { text: "No connection", tone: "bad", tip: "The server does not answer; trying again" },
};

const kSections: [string, string][] = [
  ["traffic", "Traffic"],
  ["quality", "Quality"],
  ["drift", "Drift"],
  ["models", "Models"],
  ["decisions", "Decisions"],
  ["alerts", "Alerts"],
  ["pipelines", "Pipelines"],
  ["events", "Events"],
];

export function header(store: Store, theme: string, sections: boolean): Node {
  const info = store.info.data;
  const connection = kConnections[store.connection];
  const driven = info?.clock.mode === "driven";
  return h(
    "header",
    { class: "top", key: "top" },
    h("a", { class: "skip", href: "#main" }, "Skip to content"),
    h(
      "div",
      { class: "top-inner" },
      h("a", { class: "brand", href: "/", "aria-label": "Slipway, home" }, h("img", { src: "/ui/icon.svg", alt: "", width: 26, height: 26 }), h("span", {}, "Slipway"), info && h("span", { class: "release" }, info.version)),
      sections && h("nav", { "aria-label": "Sections" }, kSections.map(([id, text]) => h("a", { href: `#${id}`, key: id }, text))),
      h(
        "div",
        { class: "top-state" },
        h(
          "span",
          { class: `clock${driven ? " driven" : ""}`, "data-tip": driven ? "Driven clock\nTime moves only when it is told to" : "System clock, UTC", "aria-label": `${driven ? "Driven clock" : "Clock"}: ${moment(info?.clock.now)}` },
          driven && h("span", { class: "clock-kind" }, "driven"),
          h("span", { class: "clock-day" }, info ? day(info.clock.now, true) : kNone),
          h("span", { class: "clock-hour" }, info ? hour(info.clock.now) : ""),
        ),
        h("span", { class: `connection ${connection.tone}`, role: "status", "aria-live": "polite", "data-tip": connection.tip }, h("span", { class: "pulse", "aria-hidden": "true" }), connection.text),
        h("button", { type: "button", class: "theme", "data-theme-toggle": "", "aria-label": `Theme: ${theme}. Change it.`, title: `Theme: ${theme}` }, themeSign(theme)),
      ),
    ),
  );
}

function themeSign(theme: string): Node {
  const paths: Record<string, string> = {
    light: "M8 1v2M8 13v2M1 8h2M13 8h2M3 3l1.5 1.5M11.5 11.5 13 13M13 3l-1.5 1.5M4.5 11.5 3 13M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6Z",
    dark: "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7Z",
    system: "M2 3h12v8H2zM6 14h4M8 11v3",
  };
  return h("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" }, h("path", { d: paths[theme] ?? "", fill: "none", stroke: "currentColor", "stroke-width": 1.5, "stroke-linecap": "round", "stroke-linejoin": "round" }));
}

export function lostBanner(store: Store): Child {
  if (store.connection !== "lost") return null;
  return h("p", { class: "banner", role: "alert", key: "lost" }, h("strong", {}, "The server does not answer. "), "What you see is what was known before; the page tries again every 2 seconds.");
}

/** Which endpoint quality and drift are about; only shown when there is a choice. */
export function endpointChoice(store: Store): Child {
  const all = store.endpoints.data?.endpoints ?? [];
  if (all.length < 2) return null;
  return h(
    "label",
    { class: "choice", key: "choice" },
    h("span", {}, "Endpoint"),
    h(
      "select",
      { value: store.endpoint?.name, onchange: (event) => store.choose({ endpoint: (event.target as HTMLSelectElement).value }) },
      all.map((endpoint) => h("option", { value: endpoint.name, key: endpoint.name }, endpoint.managed ? endpoint.name : `${endpoint.name} (unmanaged)`)),
    ),
  );
}

interface Figure {
  label: string;
  value: string;
  note: Child;
  tone?: string;
  href: string;
}

export function overview(store: Store): Child {
  const endpoint = store.endpoint;
  if (!endpoint) return null;
  return h(
    "div",
    { class: "figures", key: "figures" },
    figures(store).map((figure) =>
      h(
        "a",
        { class: `figure ${figure.tone ?? ""}`, href: figure.href, key: figure.label },
        h("span", { class: "figure-label" }, figure.label),
        h("span", { class: "figure-value" }, figure.value),
        h("span", { class: "figure-note" }, figure.note),
      ),
    ),
  );
}

function figures(store: Store): Figure[] {
  return [serving(store), auc(store), shift(store), alerts(store), requests(store), latency(store)];
}

function serving(store: Store): Figure {
  const arms = store.endpoint?.plan.arms ?? [];
  const stable = arms.find((arm) => arm.name === "stable") ?? arms.find((arm) => arm.name === "unmanaged");
  const candidate = arms.find((arm) => arm.name === "candidate");
  const stage = store.models.data?.models.find((model) => model.name === stable?.model)?.versions.find((version) => version.version === stable?.version)?.stage;
  const note = candidate ? `canary v${candidate.version} takes ${finePercent(candidate.weight)}` : stage ? stageWord(stage) : stable?.name === "unmanaged" ? "unmanaged" : "";
  return { label: `${store.endpoint?.name ?? ""} answers with`, value: stable ? `v${stable.version}` : kNone, note, href: "#traffic", tone: candidate ? "info" : "" };
}

function auc(store: Store): Figure {
  const judged = (store.windows.data?.windows ?? []).filter((window) => window.quality?.auc);
  const last = judged.at(-1);
  const before = judged.at(-2);
  const value = last?.quality?.auc?.value;
  const change = isNumber(value) && before?.quality?.auc ? value - before.quality.auc.value : null;
  const tone = isNumber(change) && change <= -0.03 ? "bad" : "";
  const note = last ? `${isNumber(change) ? `${signed(change, 3)} \u00b7 ` : ""}${last.closed ? "from" : "open, from"} ${day(last.start)}` : "no labels yet";
  return { label: "AUC, newest window", value: fixed(value, 3), note, href: "#quality", tone };
}

function shift(store: Store): Figure {
  const last = (store.windows.data?.windows ?? []).filter((window) => isNumber(window.prediction_psi)).at(-1);
  const value = last?.prediction_psi;
  const drifted = Object.entries(last?.psi ?? {}).filter(([, one]) => one > 0.2).length;
  const note = last ? (drifted ? `${plural(drifted, "feature")} above 0.2` : "no feature above 0.2") : "no baseline yet";
  return { label: "Prediction PSI", value: psi(value), note, href: "#drift", tone: isNumber(value) && value > 0.2 ? "bad" : "" };
}

function alerts(store: Store): Figure {
  const all = store.alerts.data?.alerts;
  const firing = all?.filter((alert) => alert.state === "firing").length ?? 0;
  const note = firing ? "firing now" : all?.length ? `${count(all.length)} in the past` : "none so far";
  return { label: "Alerts", value: all ? count(firing) : kNone, note, href: "#alerts", tone: firing ? "bad" : "" };
}

function requests(store: Store): Figure {
  const arms = (store.endpoint?.arms ?? []).filter((arm) => !arm.name.startsWith("shadow"));
  const total = arms.reduce((sum, arm) => sum + arm.requests, 0);
  const errors = arms.reduce((sum, arm) => sum + arm.errors, 0);
  const note = total ? (errors ? `${finePercent(errors / total)} failed (${count(errors)})` : "none failed") : "no request yet";
  return { label: "Requests", value: count(total), note, href: "#traffic", tone: errors > total * 0.01 ? "bad" : "" };
}

function latency(store: Store): Figure {
  const stable = store.endpoint?.arms.find((arm) => arm.name === "stable");
  return { label: "Latency P95, stable", value: millis(stable?.latency_ms.p95), note: `P99 ${millis(stable?.latency_ms.p99)}`, href: "#traffic" };
}
