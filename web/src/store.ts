// SPDX-License-Identifier: Apache-2.0
// What the page knows and how it stays fresh: each resource is asked for again after its interval, or at once when an event of its
// kind arrives; an answer equal to the last one changes nothing. A hidden tab asks for nothing.
import type { Alert, ApiFailure, Decision, Drift, Endpoint, GateRun, Info, Line, Model, Prediction, Rollout, Run, SlipwayEvent, Version, Window, Word } from "./api.ts";
import { parseTime } from "./format.ts";
import { addSample, mergeEvents, type Sample } from "./story.ts";

export const kTick = 2000;
const kTimeout = 15_000;
const kMostEvents = 2000;
const kKeepRates = 120_000;

export interface Resource<T> {
  data: T | undefined;
  error: string | undefined;
  missing: boolean; // there is nothing yet, and `error` says why
}

interface Entry {
  path: string;
  every: number;
  prefixes: string[];
  due: number;
  busy: boolean;
  text: string;
  state: Resource<unknown>;
}

export type Connection = "connecting" | "live" | "polling" | "lost";

/** What a person is about to do about a version's gates. */
export interface Saying {
  version: string; // "model/3"
  kind: "judge" | "approve" | "override" | "revoke";
  gate?: string;
  word?: number;
}

export interface Choice {
  saying: Saying | null;
  refused: string | null; // why the server did not do it
  endpoint: string | null;
  driftWindow: string | null; // start of a window; null: the newest
  driftFeature: string | null; // null: what moved most; "" is the prediction
  openVersions: ReadonlySet<string>; // "model/3"
  allVersions: ReadonlySet<string>; // models of which every version is shown
  predictionId: string; // what the finder looks for; empty: nothing
  eventGroup: string;
  eventText: string;
  eventLimit: number;
  decisionLimit: number;
}

export class Store {
  choice: Choice = {
    saying: null,
    refused: null,
    endpoint: null,
    driftWindow: null,
    driftFeature: null,
    openVersions: new Set(),
    allVersions: new Set(),
    predictionId: "",
    eventGroup: "",
    eventText: "",
    eventLimit: 60,
    decisionLimit: 8,
  };
  events: SlipwayEvent[] = [];
  connection: Connection = "connecting";
  lastAnswer = 0; // by this machine's clock
  rates = new Map<string, Sample[]>();
  private entries = new Map<string, Entry>();
  private stream: EventSource | null = null;
  private streamFailed = -Infinity;
  private eventsBusy = false;
  private eventsLoaded = false;

  constructor(private readonly changed: () => void) {
    this.want("info", "/api/v1/info", kTick, []);
    this.want("endpoints", "/api/v1/endpoints", kTick, ["endpoint.", "rollout."]);
    this.want("models", "/api/v1/models?limit=1000", 10_000, ["model.", "version.", "run.finished"]);
    this.want("rollouts", "/api/v1/rollouts?limit=50", kTick, ["rollout."]);
    this.want("alerts", "/api/v1/alerts?limit=200", 10_000, ["alert."]);
    this.want("runs", "/api/v1/pipelines/runs?limit=30", 5000, ["pipeline."]);
    this.want("decisions", "/api/v1/decisions?limit=200", 15_000, ["policy."]);
    this.want("plans", "/api/v1/events?type_prefix=endpoint.plan_changed&limit=1000", 30_000, ["endpoint."]);
    this.want("moves", "/api/v1/events?type_prefix=version.&limit=1000", 30_000, ["version."]);
  }

  // --- reading
  get info(): Resource<Info> {
    return this.read<Info>("info");
  }
  get endpoints(): Resource<{ endpoints: Endpoint[] }> {
    return this.read("endpoints");
  }
  get models(): Resource<{ models: Model[] }> {
    return this.read("models");
  }
  get rollouts(): Resource<{ rollouts: Rollout[] }> {
    return this.read("rollouts");
  }
  get alerts(): Resource<{ alerts: Alert[] }> {
    return this.read("alerts");
  }
  get runs(): Resource<{ runs: Run[] }> {
    return this.read("runs");
  }
  get decisions(): Resource<{ decisions: Decision[] }> {
    return this.read("decisions");
  }
  get plans(): Resource<{ events: SlipwayEvent[] }> {
    return this.read("plans");
  }
  get moves(): Resource<{ events: SlipwayEvent[] }> {
    return this.read("moves");
  }
  get windows(): Resource<{ windows: Window[] }> {
    return this.read("windows");
  }
  get drift(): Resource<Drift> {
    return this.read("drift");
  }
  version(model: string, version: number): Resource<Version> {
    return this.read(`version/${model}/${version}`);
  }

  gateRuns(model: string, version: number): Resource<{ runs: GateRun[] }> {
    return this.read(`runs/${model}/${version}`);
  }
  words(model: string, version: number): Resource<{ approvals: Word[] }> {
    return this.read(`words/${model}/${version}`);
  }
  lineage(model: string, version: number): Resource<{ lineage: Line[] }> {
    return this.read(`lineage/${model}/${version}`);
  }
  get prediction(): Resource<Prediction> {
    return this.read(`prediction/${this.choice.predictionId}`);
  }

  /** Asks the server for a change; what its kind of event touches is fresh at once. Rejects with what the server said. */
  async ask(path: string, body: Record<string, unknown>, kinds: string[]): Promise<void> {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Slipway-Actor": "web page" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(kTimeout),
    });
    if (!response.ok) throw new Error(refusal(kNothing, response.status, await response.text()).error);
    this.hurry(kinds);
  }

  /** The product's time in ms; until it is known, this machine's. */
  get now(): number {
    return parseTime(this.info.data?.clock.now) ?? Date.now();
  }

  /** The endpoint that quality and drift are about: the chosen one while it exists, else the first. */
  get endpoint(): Endpoint | undefined {
    const all = this.endpoints.data?.endpoints ?? [];
    return all.find((one) => one.name === this.choice.endpoint) ?? all[0];
  }

  // --- choosing
  choose(change: Partial<Choice>): void {
    if (change.endpoint !== undefined) change = { driftWindow: null, driftFeature: null, ...change };
    this.choice = { ...this.choice, ...change };
    this.follow();
    void this.tick();
    this.changed();
  }

  // --- doing
  say(saying: Saying | null): void {
    this.choose({ saying, refused: null });
    const actor = saying && document.querySelector<HTMLInputElement>("[data-actor]");
    requestAnimationFrame(() => {
      const input = actor ?? document.querySelector<HTMLInputElement>("[data-actor]");
      if (input && !input.value) input.value = localStorage.getItem(kActor) ?? "";
      document.querySelector<HTMLElement>(".say select, .say input")?.focus();
    });
  }

  async send(version: Version, saying: Saying, typed: Record<string, string>): Promise<void> {
    const base = versionPath(saying.version);
    const { to, reason, expires, actor } = typed;
    const until = expires ? { expires: `${expires}:00Z` } : {};
    const calls: Record<Saying["kind"], [string, string, Record<string, unknown>?]> = {
      judge: ["POST", `${base}/gates/runs`, { to }],
      approve: ["POST", `${base}/approvals`, { to, comment: reason, ...until }],
      override: ["POST", `${base}/overrides`, { to, gate: saying.gate, reason, ...until }],
      revoke: ["DELETE", `${base}/approvals/${saying.word ?? 0}`],
    };
    const [method, path, body] = calls[saying.kind];
    localStorage.setItem(kActor, actor ?? "");
    let refused: string | null = null;
    try {
      const response = await fetch(path, {
        method,
        headers: { "Content-Type": "application/json", "X-Slipway-Actor": actor ?? "" },
        ...(body ? { body: JSON.stringify(body) } : {}),
        signal: AbortSignal.timeout(kTimeout),
      });
      if (!response.ok) refused = refusal(kNothing, response.status, await response.text()).error ?? null;
    } catch {
      refused = "no answer from the server";
    }
    for (const [name, entry] of this.entries) if (name.endsWith(`/${version.model}/${version.version}`)) entry.due = 0;
    this.choose(refused ? { refused } : { saying: null, refused: null });
  }

  // --- staying fresh
  start(): void {
    const again = () => {
      if (!document.hidden) void this.tick();
    };
    setInterval(again, kTick);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) {
        this.closeStream();
      } else {
        again();
      }
    });
    void this.tick();
  }

  async tick(): Promise<void> {
    this.follow();
    const now = performance.now();
    const due = [...this.entries.values()].filter((entry) => !entry.busy && entry.due <= now);
    await Promise.all([...due.map((entry) => this.load(entry)), this.freshEvents()]);
    this.measure();
  }

  private read<T>(name: string): Resource<T> {
    const entry = this.entries.get(name);
    return (entry?.state ?? kNothing) as Resource<T>;
  }

  private want(name: string, path: string, every: number, prefixes: string[]): void {
    const known = this.entries.get(name);
    if (known?.path === path) return;
    // The old answer stays until the new one is here, so that nothing flickers.
    const state = known && name === "drift" ? known.state : { data: undefined, error: undefined, missing: false };
    this.entries.set(name, { path, every, prefixes, due: 0, busy: false, text: "", state });
  }

  // What depends on a choice or on other answers.
  private follow(): void {
    const endpoint = this.endpoint;
    if (endpoint) {
      const base = `/api/v1/monitoring/${encodeURIComponent(endpoint.name)}`;
      this.want("windows", `${base}/windows?limit=200`, 6000, ["window."]);
      const window = this.choice.driftWindow;
      this.want("drift", `${base}/drift?window=${window ? encodeURIComponent(window) : "latest"}`, 10_000, ["window."]);
    }
    const id = this.choice.predictionId;
    if (id) this.want(`prediction/${id}`, `/api/v1/predictions/${encodeURIComponent(id)}`, 30_000, []);
    for (const name of this.choice.openVersions) {
      const path = versionPath(name);
      const slash = name.lastIndexOf("/");
      const query = `model=${encodeURIComponent(name.slice(0, slash))}&version=${name.slice(slash + 1)}`;
      this.want(`version/${name}`, path, 10_000, ["version.", "gates.", "gate."]);
      this.want(`runs/${name}`, `${path}/gates/runs?limit=1`, kTick, ["gates."]);
      this.want(`words/${name}`, `${path}/approvals`, 10_000, ["version.approved", "gate."]);
      this.want(`lineage/${name}`, `/api/v1/lineage?${query}`, 15_000, ["endpoint.", "version."]);
    }
    for (const name of this.entries.keys()) {
      const [kind, ...rest] = name.split("/");
      if (rest.length > 0 && kPerVersion.has(kind ?? "") && !this.choice.openVersions.has(rest.join("/"))) this.entries.delete(name);
      if (name.startsWith("prediction/") && name.slice(11) !== id) this.entries.delete(name);
    }
  }

  private async load(entry: Entry): Promise<void> {
    entry.busy = true;
    const before = entry.state;
    try {
      const response = await fetch(entry.path, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(kTimeout) });
      const text = await response.text();
      this.heard();
      if (response.ok) {
        if (text !== entry.text || before.error || before.missing || before.data === undefined) {
          entry.text = text;
          entry.state = { data: JSON.parse(text) as unknown, error: undefined, missing: false };
        }
      } else {
        entry.text = "";
        entry.state = refusal(before, response.status, text);
      }
    } catch {
      if (this.connection !== "lost" && performance.now() - this.lastAnswer > kTick * 1.5) this.connect("lost");
      if (before.data === undefined && !before.error) entry.state = { ...before, error: "no answer from the server" };
    }
    entry.busy = false;
    entry.due = performance.now() + entry.every - kTick / 4;
    if (entry.state !== before) this.changed();
  }

  private heard(): void {
    this.lastAnswer = performance.now();
    if (this.connection === "connecting" || this.connection === "lost") {
      this.connect(this.stream?.readyState === EventSource.OPEN ? "live" : "polling");
    }
  }

  private connect(connection: Connection): void {
    if (this.connection === connection) return;
    this.connection = connection;
    this.changed();
  }

  private add(events: SlipwayEvent[]): void {
    const merged = mergeEvents(this.events, events, kMostEvents);
    if (merged === this.events) return;
    const first = this.events.length === 0;
    this.events = merged;
    if (!first) this.hurry(events.map((event) => event.type));
    this.changed();
  }

  // An event makes the resources of its kind due.
  private hurry(types: readonly string[]): void {
    let any = false;
    for (const entry of this.entries.values()) {
      if (!types.some((type) => entry.prefixes.some((prefix) => type.startsWith(prefix)))) continue;
      entry.due = 0;
      any = true;
    }
    // Events come in flocks: one answer serves them all.
    if (any && this.hurried === 0) {
      this.hurried = window.setTimeout(() => {
        this.hurried = 0;
        if (!document.hidden) void this.tick();
      }, 150);
    }
  }
  private hurried = 0;

  private async freshEvents(): Promise<void> {
    const streaming = this.stream?.readyState === EventSource.OPEN;
    if (this.eventsBusy || (streaming && this.eventsLoaded)) return;
    this.eventsBusy = true;
    const newest = this.events[0]?.sequence ?? 0;
    const query = this.eventsLoaded ? `after=${newest}&order=oldest&limit=1000` : "order=newest&limit=500";
    try {
      const response = await fetch(`/api/v1/events?${query}`, { signal: AbortSignal.timeout(kTimeout) });
      if (response.ok) {
        this.eventsLoaded = true;
        this.add(((await response.json()) as { events: SlipwayEvent[] }).events);
        this.heard();
        this.openStream();
      }
    } catch {
      // The resources notice a server that is gone.
    }
    this.eventsBusy = false;
  }

  private openStream(): void {
    if (this.stream || performance.now() < this.streamFailed + 5000) return;
    const stream = new EventSource(`/api/v1/events/stream?after=${this.events[0]?.sequence ?? 0}`);
    this.stream = stream;
    stream.addEventListener("open", () => this.connect("live"));
    stream.addEventListener("event", (message) => this.add([JSON.parse((message as MessageEvent<string>).data) as SlipwayEvent]));
    stream.addEventListener("error", () => {
      // Opened again from the newest event by the next poll, which is what keeps the page fresh until then.
      this.closeStream();
      this.streamFailed = performance.now();
      if (this.connection === "live") this.connect("polling");
    });
  }

  private closeStream(): void {
    this.stream?.close();
    this.stream = null;
  }

  private measure(): void {
    const endpoints = this.endpoints.data?.endpoints ?? [];
    const at = performance.now();
    for (const endpoint of endpoints) {
      const requests = endpoint.arms.reduce((sum, arm) => sum + (arm.name.startsWith("shadow") ? 0 : arm.requests), 0);
      const samples = this.rates.get(endpoint.name) ?? [];
      if (at - (samples.at(-1)?.at ?? -kTick) < kTick * 0.8) continue;
      this.rates.set(endpoint.name, addSample(samples, { at, requests }, kKeepRates));
      this.changed();
    }
  }
}

const kActor = "slipway-actor";
const kPerVersion = new Set(["version", "runs", "words", "lineage"]);

function versionPath(name: string): string {
  const slash = name.lastIndexOf("/");
  return `/api/v1/models/${encodeURIComponent(name.slice(0, slash))}/versions/${name.slice(slash + 1)}`;
}

const kNothing: Resource<unknown> = { data: undefined, error: undefined, missing: false };

// What is not there yet or not possible yet is a state to show, not a fault.
const kNotYet = new Set(["NOT_FOUND", "FAILED_PRECONDITION"]);

function refusal(before: Resource<unknown>, status: number, text: string): Resource<unknown> {
  let message = `the server answered ${status}`;
  let missing = status === 404;
  try {
    const { error } = JSON.parse(text) as Partial<ApiFailure>;
    message = error?.message ?? message;
    missing ||= kNotYet.has(String(error?.code));
  } catch {
    // Not JSON: the status says what is known.
  }
  if (before.error === message) return before;
  return { data: missing ? undefined : before.data, error: message, missing };
}
