// SPDX-License-Identifier: Apache-2.0
// npm run dev -- [--port=8090] [--scenario=story|empty|large] [--quiet] [--server=URL]: the page over fixture facts with the
// shapes of the native API, or over a running server. It builds the page anew at every start; `story` and `large` go on living:
// requests are counted, events happen.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, request as ask } from "node:http";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { driftOf, empty, large, story } from "./scenarios.mjs";
import { iso, prediction } from "./story.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({ options: { port: { type: "string", default: "8090" }, scenario: { type: "string", default: "story" }, quiet: { type: "boolean", default: false }, server: { type: "string", default: "" } } });
const facts = { story, empty, large }[values.scenario]();
const listeners = new Set();

execFileSync(process.execPath, [join(root, "build.mjs")], { stdio: "inherit" });

function emit(type, subject, data) {
  const last = facts.events.at(-1)?.sequence ?? 0;
  const event = { sequence: last + 1, time: facts.info.clock.now, type, subject, actor: "fixture", source: "internal", data, hash: "0".repeat(64) };
  facts.events.push(event);
  for (const response of listeners) response.write(`id: ${event.sequence}\nevent: event\ndata: ${JSON.stringify(event)}\n\n`);
}

function live() {
  facts.info.clock.now = iso(Date.parse(facts.info.clock.now) + 60_000);
  for (const endpoint of facts.endpoints) {
    for (const arm of endpoint.arms) {
      const weight = endpoint.plan.arms.find((one) => one.name === arm.name)?.weight ?? 0;
      arm.requests += Math.round(weight * (380 + 120 * Math.sin(Date.now() / 9000)));
    }
  }
  if (facts.endpoints.length && Math.random() < 0.25) emit("version.updated", "model/flights/version/6", { description: "a note" });
}
if (!values.quiet) setInterval(live, 1000);

function listEvents(query) {
  const type = query.get("type_prefix") ?? "";
  const after = Number(query.get("after") ?? 0);
  const found = facts.events.filter((event) => event.type.startsWith(type) && event.sequence > after);
  if ((query.get("order") ?? "newest") === "newest") found.reverse();
  return { events: found.slice(0, Number(query.get("limit") ?? 100)) };
}

function monitoring(endpoint, what, query) {
  const windows = facts.windows[endpoint];
  if (!windows) return null;
  if (what === "windows") return { windows };
  const wanted = query.get("window") ?? "latest";
  const window = wanted === "latest" ? windows.at(-1) : windows.find((one) => Date.parse(one.start) === Date.parse(wanted));
  return window ? driftOf(window) : null;
}

function versionOf(model, number) {
  return facts.models.find((one) => one.name === model)?.versions.find((one) => one.version === Number(number));
}

function lineage(version) {
  const { model, metadata, run_id } = version;
  const line = { dataset_hash: metadata?.dataset_hash ?? null, dataset: metadata?.dataset ?? null, git_sha: metadata?.git_sha ?? null, run_id, model, version: version.version, stage: version.stage, digest: "", endpoints: [] };
  return { lineage: [{ ...line, predictions: `/api/v1/predictions?endpoint=${model}&version=${version.version}` }] };
}

function answer(path, query) {
  const parts = path.split("/").slice(3).map(decodeURIComponent);
  if (path === "/api/v1/info") return facts.info;
  if (path === "/api/v1/pipelines/runs") return { runs: facts.runs };
  if (path === "/api/v1/events") return listEvents(query);
  if (parts[4] === "gates") return { runs: [] };
  if (parts[4] === "approvals") return { approvals: [] };
  if (parts[0] === "lineage") return lineage(versionOf(query.get("model"), query.get("version")));
  if (parts[0] === "models" && parts[2] === "versions") return versionOf(parts[1], parts[3]);
  if (parts[0] === "models") return { models: facts.models.map((model) => ({ ...model, versions: model.versions.map(({ verdicts, ...version }) => version) })) };
  if (parts[0] === "monitoring") return monitoring(parts[1], parts[2], query);
  if (parts[0] === "predictions") return parts[1]?.startsWith("01") ? prediction(parts[1]) : null;
  return { [parts[0]]: facts[parts[0]] };
}

// An acknowledgement of an alert, or a silence for what matches.
function alertChange(path, body) {
  const [id, verb] = path.split("/").slice(4);
  if (verb === "acknowledgement") {
    const alert = facts.alerts.find((one) => one.id === id);
    if (alert) alert.acknowledged = { by: "web page", time: facts.info.clock.now, comment: body.comment };
    emit("alert.acknowledged", "endpoint/flights/version/6", alert ?? {});
    return alert;
  }
  if (id !== "silences" || !body.why) return null;
  for (const alert of facts.alerts) if (alert.rule === body.matcher.rule && alert.state === "firing") alert.silenced_by = "01S2";
  emit("alert.silenced", "silence/01S2", body);
  return { id: "01S2", ...body };
}

function stream(request, response, query) {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  response.write(": here\n\n");
  for (const event of listEvents(new URLSearchParams({ after: query.get("after") ?? "0", order: "oldest" })).events) {
    response.write(`id: ${event.sequence}\nevent: event\ndata: ${JSON.stringify(event)}\n\n`);
  }
  listeners.add(response);
  request.on("close", () => listeners.delete(response));
}

function change(request, response, apply) {
  let body = "";
  request.on("data", (chunk) => (body += chunk));
  request.on("end", () => {
    const changed = apply(JSON.parse(body));
    response.writeHead(changed ? 200 : 400, { "Content-Type": "application/json" });
    response.end(JSON.stringify(changed ?? { error: { code: "INVALID_ARGUMENT", reason: "invalid_argument", message: "not understood" } }));
  });
}

function eventChange({ type, subject, data }) {
  emit(type, subject, data ?? {});
  return {};
}

function forward(request, response) {
  const passed = ask(new URL(request.url, values.server), { method: request.method, headers: request.headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    response.flushHeaders(); // a stream may have nothing to say for long
    answer.pipe(response);
  });
  passed.on("error", () => response.destroy());
  response.on("close", () => passed.destroy());
  request.pipe(passed);
}

const kTypes = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };

function file(response, name) {
  response.writeHead(200, {
    "Content-Type": kTypes[extname(name)] ?? "application/octet-stream",
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
    "X-Content-Type-Options": "nosniff",
  });
  response.end(readFileSync(join(root, "dist", name)));
}

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  if (url.pathname === "/") return file(response, "index.html");
  if (/^\/ui\/[\w.-]+$/.test(url.pathname)) return file(response, url.pathname.slice(4));
  if (values.server) return forward(request, response);
  if (request.method === "POST" && url.pathname === "/fixture/event") return change(request, response, eventChange);
  if (request.method === "POST" && url.pathname.startsWith("/api/v1/alerts/")) return change(request, response, (body) => alertChange(url.pathname, body));
  if (url.pathname === "/api/v1/events/stream") return stream(request, response, url.searchParams);
  const found = url.pathname.startsWith("/api/v1/") ? answer(url.pathname, url.searchParams) : undefined;
  response.setHeader("Content-Type", "application/json");
  if (found) return response.end(JSON.stringify(found));
  response.writeHead(404).end(JSON.stringify({ error: { code: "NOT_FOUND", reason: "not_found", message: `nothing at ${url.pathname}` } }));
});
server.listen(Number(values.port), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
