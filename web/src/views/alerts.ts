// SPDX-License-Identifier: Apache-2.0
// Alerts: what fires and what is about to, who looks after it, and the two things to do about it.
import type { Alert } from "../api.ts";
import { h, type Child, type Node } from "../dom.ts";
import { count, plural, significant, words } from "../format.ts";
import type { Store } from "../store.ts";
import { orderedAlerts, type Tone } from "../story.ts";
import { badge, card, empty, fault, timeOf, when } from "./parts.ts";

const kMostResolved = 3;
const kSilence = "2h";
let failure = ""; // of the last thing that was asked for

export function alerts(store: Store): Node {
  const all = orderedAlerts(store.alerts.data?.alerts ?? []);
  const open = all.filter((alert) => alert.state !== "resolved");
  const firing = open.filter((alert) => alert.state === "firing");
  const resolved = all.filter((alert) => alert.state === "resolved");
  const rest = resolved.slice(kMostResolved);
  return card(
    "alerts",
    "Alerts",
    all.length > 0 && (firing.length ? badge(`${count(firing.length)} firing`, "bad") : badge("All calm", "good")),
    failure && fault(failure),
    when(store.alerts, 3, () =>
      all.length === 0
        ? empty("No alert so far", h("p", {}, "Rules judge drift, quality, errors, latency and volume; slipway alerts rules shows them."))
        : [
            h("ul", { class: "alerts" }, [...open, ...resolved.slice(0, kMostResolved)].map((alert) => alertView(store, alert))),
            rest.length > 0 && h("details", { class: "more-alerts" }, h("summary", {}, `${plural(rest.length, "older alert")}`), h("ul", { class: "alerts" }, rest.map((alert) => alertView(store, alert)))),
          ],
    ),
  );
}

function stateOf(alert: Alert): { text: string; tone: Tone } {
  if (alert.state === "resolved") return { text: "Resolved", tone: "good" };
  if (alert.silenced_by) return { text: "Silenced", tone: "plain" };
  if (alert.state === "pending") return { text: "Pending", tone: "warn" };
  return { text: "Firing", tone: "bad" };
}

function alertView(store: Store, alert: Alert): Node {
  const firing = alert.state === "firing";
  const { text, tone } = stateOf(alert);
  const verb = firing ? "since " : alert.state === "pending" ? "pending since " : "fired ";
  return h(
    "li",
    { class: firing ? "firing" : alert.state, key: alert.id },
    h(
      "div",
      { class: "alert-head" },
      badge(text, tone),
      h("span", { class: "strong" }, words(alert.rule)),
      h("span", { class: "muted" }, alert.version ? `${alert.endpoint} v${alert.version}` : alert.endpoint),
      alert.severity && h("span", { class: "muted" }, alert.severity),
    ),
    h("p", {}, alert.summary),
    h(
      "p",
      { class: "muted alert-foot" },
      h("span", {}, verb, timeOf(alert.since, store.now), alert.resolved ? [", resolved ", timeOf(alert.resolved, store.now)] : ""),
      h("span", { class: "nowrap", title: "newest value, and threshold" }, h("span", { class: firing ? "strong bad-text" : "strong" }, significant(alert.value)), ` of ${significant(alert.threshold)}`),
    ),
    firing && actions(store, alert),
  );
}

function actions(store: Store, alert: Alert): Child {
  const ask = (path: string, body: Record<string, unknown>) => () => {
    failure = "";
    store.ask(path, body, ["alert."]).catch((error: unknown) => {
      failure = error instanceof Error ? error.message : String(error);
      store.choose({});
    });
  };
  const matcher = { rule: alert.rule, endpoint: alert.endpoint };
  const about = `${words(alert.rule)} on ${alert.endpoint}`;
  return h(
    "div",
    { class: "alert-actions" },
    alert.acknowledged
      ? h("span", { class: "muted" }, `Acknowledged by ${alert.acknowledged.by}`)
      : h("button", { type: "button", class: "more", "aria-label": `Acknowledge ${about}`, onclick: ask(`/api/v1/alerts/${alert.id}/acknowledgement`, { comment: "from the web page" }) }, "Acknowledge"),
    alert.silenced_by
      ? ""
      : h("button", { type: "button", class: "more", "aria-label": `Silence ${about} for ${kSilence}`, onclick: ask("/api/v1/alerts/silences", { matcher, for: kSilence, why: "silenced from the web page" }) }, `Silence ${kSilence}`),
    alert.runbook && h("a", { href: alert.runbook, rel: "noreferrer" }, "Runbook"),
  );
}
