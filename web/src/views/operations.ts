// SPDX-License-Identifier: Apache-2.0
// The runs of pipelines, and the timeline of everything that happened.
import type { Run, SlipwayEvent } from "../api.ts";
import { h, type Child, type Node } from "../dom.ts";
import { count, day, duration, hour, kNone, moment, parseTime, phrase, plural, words } from "../format.ts";
import type { Store } from "../store.ts";
import { describe, groupOf, kGroups, type Tone } from "../story.ts";
import { badge, card, command, dot, empty, timeOf, when } from "./parts.ts";

const kRunTones: Record<string, Tone> = { succeeded: "good", failed: "bad", lost: "bad", running: "info", queued: "plain", waiting: "plain", skipped: "plain" };

export function pipelines(store: Store): Node {
  const runs = store.runs.data?.runs ?? [];
  return card(
    "pipelines",
    "Pipeline runs",
    runs.length > 0 && plural(runs.length, "run"),
    when(store.runs, 4, () =>
      runs.length === 0
        ? empty("No pipeline has run", h("p", {}, "Alerts and schedules start the pipelines of the settings; by hand:"), command("slipway pipelines run NAME"))
        : h("ul", { class: "runs", tabindex: 0, "aria-label": "Runs, newest first" }, runs.map((run) => runView(store, run))),
    ),
  );
}

function runView(store: Store, run: Run): Node {
  const why = [run.trigger["rule"], run.trigger["kind"] ?? "manual"].filter(Boolean).map((part) => phrase(String(part))).reverse().join(": ");
  return h(
    "li",
    { key: run.id },
    h(
      "details",
      { class: "run" },
      h(
        "summary",
        {},
        badge(words(run.state), kRunTones[run.state] ?? "plain"),
        h("span", { class: "run-name" }, h("span", { class: "strong", title: run.pipeline }, run.pipeline), h("span", { class: "muted" }, why)),
        h("span", { class: "run-steps", "aria-hidden": "true" }, run.steps.map((step) => h("span", { key: step.name, class: `pip ${kRunTones[step.state] ?? "plain"}${step.state === "running" ? " moving" : ""}`, "data-tip": `${step.name}\n${words(step.state)}` }))),
        h("span", { class: "run-took" }, h("span", {}, took(run.started, run.ended, store.now)), timeOf(run.started ?? run.created ?? "", store.now)),
      ),
      run.message && h("p", { class: run.state === "failed" ? "bad-text" : "muted" }, run.message),
      h(
        "table",
        { class: "run-table" },
        h("thead", {}, h("tr", {}, ["Step", "State", "Attempt", "Exit", "Took"].map((name, i) => h("th", { scope: "col", key: name, class: i > 1 ? "number" : "" }, name)))),
        h(
          "tbody",
          {},
          run.steps.map((step) =>
            h(
              "tr",
              { key: step.name },
              h("th", { scope: "row" }, step.name),
              h("td", {}, dot(kRunTones[step.state] ?? "plain"), words(step.state), step.cached ? h("span", { class: "muted" }, " (cached)") : ""),
              h("td", { class: "number" }, count(step.attempt)),
              h("td", { class: "number" }, step.exit_status ?? kNone),
              h("td", { class: "number nowrap" }, took(step.started, step.ended, store.now)),
            ),
          ),
        ),
      ),
      h("p", { class: "muted pairs" }, Object.entries(run.parameters).map(([name, value]) => h("span", { key: name }, `${name} `, h("span", { class: "strong" }, value)))),
    ),
  );
}

function took(started: string | null, ended: string | null, now: number): string {
  const from = parseTime(started);
  if (from === null) return kNone;
  return duration(((parseTime(ended) ?? now) - from) / 1000);
}

export function events(store: Store): Node {
  const { eventGroup, eventText, eventLimit } = store.choice;
  const wanted = eventText.trim().toLowerCase();
  const found = store.events.filter((event) => (eventGroup === "" || groupOf(event.type) === eventGroup) && (wanted === "" || haystack(event).includes(wanted)));
  const shown = found.slice(0, eventLimit);
  return card(
    "events",
    "Events",
    h("span", { class: "muted" }, store.events.length === found.length ? plural(found.length, "newest event") : `${count(found.length)} of ${plural(store.events.length, "event")}`),
    h(
      "div",
      { class: "filter event-filter", role: "search" },
      h("div", { class: "chips", role: "group", "aria-label": "Kinds of events" }, [{ group: "", label: "All" }, ...kGroups].map(({ group, label }) => h("button", { type: "button", key: label, "aria-pressed": String(eventGroup === group), onclick: () => store.choose({ eventGroup: group, eventLimit: 60 }) }, label))),
      h("input", { type: "search", placeholder: "Filter by text", "aria-label": "Filter events by text", value: eventText, oninput: (event) => store.choose({ eventText: (event.target as HTMLInputElement).value, eventLimit: 60 }) }),
    ),
    store.events.length === 0 && empty("Nothing has happened yet", h("p", {}, "Every change writes its event; they appear here as they happen.")),
    store.events.length > 0 && found.length === 0 && h("p", { class: "muted nothing" }, "No event matches the filter."),
    h("ol", { class: "events", tabindex: shown.length ? 0 : null, "aria-label": "Events, newest first" }, shown.map((event, i) => eventView(event, shown[i - 1]))),
    found.length > shown.length && h("button", { type: "button", class: "more", onclick: () => store.choose({ eventLimit: eventLimit + 100 }) }, `Show ${plural(Math.min(100, found.length - shown.length), "older event")}`),
  );
}

const kHaystacks = new WeakMap<SlipwayEvent, string>();
function haystack(event: SlipwayEvent): string {
  let text = kHaystacks.get(event);
  if (text === undefined) {
    const { title, detail } = describe(event);
    text = `${event.type} ${event.subject} ${actorOf(event)} ${title} ${detail}`.toLowerCase();
    kHaystacks.set(event, text);
  }
  return text;
}

function actorOf(event: SlipwayEvent): string {
  return event.actor || event.source || "";
}

function eventView(event: SlipwayEvent, above: SlipwayEvent | undefined): Child {
  const { tone, title, detail } = describe(event);
  const newDay = day(event.time, true) !== day(above?.time, true);
  return [
    newDay && h("li", { class: "event-day", key: `day-${event.sequence}` }, day(event.time, true)),
    h(
      "li",
      { class: "event", key: String(event.sequence), "data-sequence": event.sequence },
      h(
        "details",
        {},
        h(
          "summary",
          {},
          h("time", { datetime: event.time, title: moment(event.time) }, hour(event.time, true)),
          dot(tone),
          h("span", { class: "event-text" }, h("span", { class: "event-title" }, title), detail && h("span", { class: "event-detail" }, detail)),
          h("span", { class: "event-actor", title: actorOf(event) }, actorOf(event)),
        ),
        h("div", { class: "event-raw" }, h("p", {}, h("code", {}, event.type), " on ", h("code", {}, event.subject), `, number ${event.sequence}`), h("pre", { tabindex: 0, "aria-label": "Data of the event" }, JSON.stringify(event.data, null, 2))),
      ),
    ),
  ];
}
