// SPDX-License-Identifier: Apache-2.0
// Pieces that every section uses.
import { h, type Attribute, type Child, type Node } from "../dom.ts";
import { ago, moment } from "../format.ts";
import type { Resource } from "../store.ts";
import type { Tone } from "../story.ts";

export function card(id: string, title: string, extra: Child, ...body: Child[]): Node {
  return h(
    "section",
    { class: "card", id, key: id, "aria-labelledby": `${id}-title` },
    h("div", { class: "card-head" }, h("h2", { id: `${id}-title` }, title), h("div", { class: "card-extra" }, extra)),
    ...body,
  );
}

export function badge(text: string, tone: Tone, more: Record<string, Attribute> = {}): Node {
  return h("span", { class: `badge ${tone}`, ...more }, text);
}

export function stageBadge(stage: string): Node {
  const tones: Record<string, string> = { Production: "stage-production", Staging: "stage-staging", Archived: "stage-archived" };
  return h("span", { class: `badge ${tones[stage] ?? "stage-none"}` }, stage === "None" || stage === "" ? "No stage" : stage);
}

export function dot(tone: Tone): Node {
  return h("span", { class: `dot-mark ${tone}`, "aria-hidden": "true" });
}

export function timeOf(time: string, now: number): Node {
  return h("time", { datetime: time, title: moment(time) }, ago(time, now));
}

export function empty(title: string, ...body: Child[]): Node {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), ...body);
}

export function command(text: string): Node {
  return h(
    "div",
    { class: "command" },
    h("pre", { tabindex: 0, "aria-label": "Command" }, text),
    h("button", { type: "button", class: "copy", "data-copy": text, "aria-label": "Copy the command" }, "Copy"),
  );
}

export function skeleton(lines: number): Node {
  return h(
    "div",
    { class: "skeleton", role: "status", "aria-label": "Loading" },
    Array.from({ length: lines }, (_, i) => h("span", { style: `width:${92 - ((i * 37) % 50)}%` })),
  );
}

export function fault(message: string): Node {
  return h("p", { class: "fault", role: "status" }, h("strong", {}, "Cannot show this now. "), message);
}

/** The body of a section in each state of what it needs: loading, refused, or there. A fault beside old data is said above it. */
export function when<T>(resource: Resource<T>, lines: number, view: (data: T) => Child, missing?: (message: string) => Child): Child {
  if (resource.data !== undefined) return [resource.error !== undefined && fault(resource.error), view(resource.data)];
  if (resource.error === undefined) return skeleton(lines);
  return resource.missing && missing ? missing(resource.error) : fault(resource.error);
}
