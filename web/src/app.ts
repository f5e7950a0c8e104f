// SPDX-License-Identifier: Apache-2.0
// The page: sections that are drawn again when what they show has changed, and the few behaviours that all of them share.
import { patch, type Node } from "./dom.ts";
import { h } from "./dom.ts";
import { Store } from "./store.ts";
import { followArrows, followCopies, followTips } from "./behaviour.ts";
import { alerts } from "./views/alerts.ts";
import { decisions } from "./views/decisions.ts";
import { drift } from "./views/drift.ts";
import { header, lostBanner, overview } from "./views/header.ts";
import { models, noModel } from "./views/models.ts";
import { events, pipelines } from "./views/operations.ts";
import { prediction } from "./views/prediction.ts";
import { quality } from "./views/quality.ts";
import { traffic } from "./views/traffic.ts";
import { card } from "./views/parts.ts";
import { applyTheme, nextTheme, readTheme } from "./theme.ts";

let theme = readTheme();
applyTheme(theme);

const app = document.getElementById("app");
let drawing = false;
let chartWidth = 0;

const store = new Store(() => {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    draw();
  });
});

interface Section {
  uses: () => unknown[];
  view: () => Node;
  last: unknown[];
  drawn: Node | undefined;
}

const minute = () => Math.floor(store.now / 60_000);
const choice = () => store.choice;
const section = (view: () => Node, uses: () => unknown[]): Section => ({ uses, view, last: [], drawn: undefined });

const sections: Record<string, Section> = {
  header: section(() => header(store, theme, !fresh()), () => [store.info, store.connection, theme, fresh()]),
  traffic: section(() => traffic(store), () => [store.endpoints, store.rollouts, [...store.rates.values()].at(-1), minute()]),
  quality: section(() => quality(store, chartWidth), () => [store.windows, store.plans, store.alerts, store.endpoints.data === undefined, store.endpoint?.name, choice().endpoint, chartWidth, minute()]),
  drift: section(() => drift(store), () => [store.windows, store.drift, store.endpoint?.name, choice()]),
  models: section(() => models(store), () => [store.models, store.moves, store.decisions, choice(), ...openVersions(), minute()]),
  decisions: section(() => decisions(store), () => [store.decisions, store.rollouts, store.moves, choice(), minute()]),
  alerts: section(() => alerts(store), () => [store.alerts, store.choice, minute()]),
  prediction: section(() => prediction(store), () => [store.prediction, store.choice.predictionId, store.drift]),
  pipelines: section(() => pipelines(store), () => [store.runs, minute()]),
  events: section(() => events(store), () => [store.events, choice()]),
};

// Nothing is registered and nothing is served: what is worth showing is how to begin.
function fresh(): boolean {
  return store.models.data?.models.length === 0 && (store.endpoints.data?.endpoints.length ?? 0) === 0;
}

function openVersions(): unknown[] {
  return [...store.choice.openVersions].flatMap((name) => {
    const slash = name.lastIndexOf("/");
    const [model, version] = [name.slice(0, slash), Number(name.slice(slash + 1))] as const;
    return [store.version(model, version), store.gateRuns(model, version), store.words(model, version), store.lineage(model, version)];
  });
}

function drawn(name: string): Node | undefined {
  const one = sections[name];
  if (!one) return undefined;
  const uses = one.uses();
  if (!one.drawn || uses.length !== one.last.length || uses.some((value, i) => value !== one.last[i])) {
    one.last = uses;
    one.drawn = one.view();
  }
  return one.drawn;
}

function drawnList(name: string): Node[] {
  const node = drawn(name);
  return node ? [node] : [];
}

function draw(): void {
  if (!app) return;
  const part = (name: string) => drawn(name) ?? null;
  patch(app, [
    ...drawnList("header"),
    h(
      "main",
      { id: "main", key: "main", tabindex: -1 },
      h("h1", { class: "visually-hidden" }, "Slipway"),
      lostBanner(store),
      fresh()
        ? h("div", { class: "grid fresh", key: "fresh" }, card("welcome", "Welcome aboard", null, noModel()), part("events"))
        : h(
            "div",
            { class: "grid", key: "grid" },
            overview(store),
            part("traffic"),
            part("alerts"),
            part("quality"),
            part("drift"),
            part("models"),
            part("decisions"),
            part("pipelines"),
            part("events"),
            part("prediction"),
          ),
    ),
    h("footer", { key: "footer" }, h("a", { href: "/api/v1/info" }, "About this server"), h("a", { href: "/metrics" }, "Metrics"), h("span", {}, "All times are UTC.")),
  ]);
  measure();
}

// The chart is drawn in real pixels, so that its text keeps its size.
function measure(): void {
  const frame = document.querySelector(".chart-frame");
  const width = frame ? Math.floor(frame.clientWidth) : 0;
  if (width === chartWidth || width === 0) return;
  chartWidth = width;
  draw();
}

new ResizeObserver(measure).observe(document.documentElement);
document.addEventListener("click", (event) => {
  if (!(event.target instanceof Element) || !event.target.closest("[data-theme-toggle]")) return;
  theme = nextTheme(theme);
  applyTheme(theme);
  draw();
});
followTips();
followArrows();
followCopies();
draw();
store.start();
