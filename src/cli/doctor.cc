// SPDX-License-Identifier: Apache-2.0
// `slipway doctor`: each promise is checked by doing it against the running server, as a client
// would.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <thread>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/render.h"
#include "net/http.h"

namespace slipway::cli {
namespace {

using base::Json;

constexpr auto kPipelineWait = std::chrono::minutes(10);
constexpr auto kPollInterval = std::chrono::milliseconds(250);
constexpr double kTolerance = 1e-4;

struct Finding {
  std::string check;
  bool passed = false;
  std::string what;
};

class Examination {
 public:
  explicit Examination(std::string server) : server_(std::move(server)) {}

  // A 200 answer's JSON; anything else is a failure in the server's own words.
  base::Result<Json> Ask(std::string_view method, const std::string& target,
                         const std::string& body = "") const {
    Answer answer = TRY(Call(server_, method, target, body));
    if (answer.status != 200) return base::FailedPrecondition("refused", ErrorText(answer));
    if (answer.body.is_null()) return Json(std::move(answer.text));
    return std::move(answer.body);
  }

  void Add(std::string check, const base::Result<std::string>& outcome) {
    findings_.push_back(
        {std::move(check), outcome.ok(), outcome.ok() ? *outcome : outcome.status().message()});
    if (!quiet_) Print(findings_.back());
  }

  void set_quiet(bool quiet) { quiet_ = quiet; }
  const std::vector<Finding>& findings() const { return findings_; }

 private:
  static void Print(const Finding& finding) {
    std::printf("%s  %-44s %s\n", finding.passed ? "ok  " : "FAIL", finding.check.c_str(),
                finding.what.c_str());
    std::fflush(stdout);
  }

  std::string server_;
  std::vector<Finding> findings_;
  bool quiet_ = false;
};

struct Subject {
  std::string endpoint;
  std::string model;
  int64_t version = 0;
};

base::Result<Subject> StableOf(const Examination& server, const std::string& endpoint) {
  const Json json = TRY(server.Ask("GET", "/api/v1/endpoints/" + net::PercentEncode(endpoint)));
  const Json* plan = json.Find("plan");
  const Json* arms = plan == nullptr ? nullptr : plan->Find("arms");
  if (arms == nullptr || !arms->is_array() || arms->AsArray().empty()) {
    return base::FailedPrecondition("no_plan", "endpoint " + endpoint + " has no plan");
  }
  const Json& stable = arms->AsArray()[0];
  return Subject{endpoint, TRY(base::RequireString(stable, "model")),
                 TRY(base::RequireInt(stable, "version"))};
}

// The numbers of the golden set's first floating output, and of the answer's, row by row.
void Numbers(const Json& json, std::vector<double>& out) {
  if (json.is_number()) out.push_back(json.AsDouble());
  if (json.is_array()) {
    for (const Json& item : json.AsArray()) Numbers(item, out);
  }
  if (json.is_object()) {
    for (const auto& [name, value] : json.AsObject()) Numbers(value, out);
  }
}

// /invocations answers a list (one output) or records by output name: collects `output` of every
// row.
std::vector<double> AnswerNumbers(const Json& predictions, const std::string& output) {
  std::vector<double> numbers;
  if (!predictions.is_array()) {
    const Json* column = predictions.Find(output);
    Numbers(column == nullptr ? predictions : *column, numbers);
    return numbers;
  }
  for (const Json& row : predictions.AsArray()) {
    const Json* value = row.Find(output);
    Numbers(value == nullptr ? row : *value, numbers);
  }
  return numbers;
}

base::Result<std::string> EndpointIsRight(const Examination& server, const std::string& endpoint) {
  const Subject subject = TRY(StableOf(server, endpoint));
  const Json golden = TRY(server.Ask(
      "GET", "/api/2.0/mlflow-artifacts/artifacts/models/" + net::PercentEncode(subject.model) +
                 "/v" + std::to_string(subject.version) + "/golden/golden.json"));
  const Json* inputs = golden.Find("inputs");
  const Json* outputs = golden.Find("outputs");
  if (inputs == nullptr || outputs == nullptr || !outputs->is_object() ||
      outputs->AsObject().empty()) {
    return base::FailedPrecondition("no_golden", "the version has no golden set");
  }
  const Json answer = TRY(server.Ask(
      "POST", "/endpoints/" + net::PercentEncode(endpoint) + "/invocations", inputs->Dump()));
  const Json* predictions = answer.Find("predictions");
  if (predictions == nullptr)
    return base::FailedPrecondition("no_predictions", "the answer has no predictions");
  size_t compared = 0;
  for (const auto& [name, values] : outputs->AsObject()) {
    std::vector<double> expected;
    Numbers(values, expected);
    const std::vector<double> got = AnswerNumbers(*predictions, name);
    if (expected.size() != got.size()) {
      return base::FailedPrecondition("differs", name + ": expected " +
                                                     std::to_string(expected.size()) +
                                                     " numbers, got " + std::to_string(got.size()));
    }
    for (size_t i = 0; i < got.size(); ++i) {
      if (std::abs(expected[i] - got[i]) > kTolerance) {
        return base::FailedPrecondition("differs", name + "[" + std::to_string(i) + "]: expected " +
                                                       std::to_string(expected[i]) + ", got " +
                                                       std::to_string(got[i]));
      }
    }
    compared += got.size();
  }
  return "version " + std::to_string(subject.version) +
         " answers its golden set: " + std::to_string(compared) + " values equal";
}

// Where each arm's model runs; a device that it had to do without is a failure.
base::Result<std::string> RunsWhereItShould(const Examination& server,
                                            const std::string& endpoint) {
  const Json json = TRY(server.Ask("GET", "/api/v1/endpoints/" + net::PercentEncode(endpoint)));
  const Json* arms = json.Find("arms");
  if (arms == nullptr || !arms->is_array())
    return base::FailedPrecondition("no_arms", "endpoint " + endpoint + " shows no arms");
  std::string where;
  for (const Json& arm : arms->AsArray()) {
    const std::string one =
        Cell(arm, "name") + " on " + Cell(arm, "device") + " (" + Cell(arm, "platform") + ")";
    if (const Json* note = arm.Find("device_note"); note != nullptr && note->is_string()) {
      return base::FailedPrecondition("device_missing", one + " instead of " + note->AsString());
    }
    where += (where.empty() ? "" : ", ") + one;
  }
  return where;
}

base::Result<std::string> MetricsAreThere(const Examination& server, const std::string& endpoint) {
  const Json text = TRY(server.Ask("GET", "/metrics"));
  if (!text.is_string()) return base::FailedPrecondition("no_metrics", "/metrics is not text");
  const std::string label = "endpoint=\"" + endpoint + "\"";
  for (const char* name :
       {"slipway_serving_requests_total{", "slipway_serving_request_seconds_bucket{",
        "slipway_monitoring_predictions_total{"}) {
    bool found = false;
    for (size_t at = text.AsString().find(name); at != std::string::npos && !found;
         at = text.AsString().find(name, at + 1)) {
      const size_t end = text.AsString().find('\n', at);
      found = text.AsString().substr(at, end - at).find(label) != std::string::npos;
    }
    if (!found)
      return base::FailedPrecondition("metric_missing",
                                      std::string(name) + label + "} is not on /metrics");
  }
  return std::string("requests, latency and predictions are on /metrics");
}

base::Result<std::string> AlertsAreConfigured(const Examination& server) {
  const Json json = TRY(server.Ask("GET", "/api/v1/alerts/rules"));
  const Json* rules = json.Find("rules");
  const Json* sinks = json.Find("sinks");
  if (rules == nullptr || !rules->is_array() || rules->AsArray().empty()) {
    return base::FailedPrecondition("no_rules", "no alert rule is configured");
  }
  if (sinks == nullptr || !sinks->is_array() || sinks->AsArray().empty()) {
    return base::FailedPrecondition("no_sinks", "alerts go nowhere: set alerts.webhook_url");
  }
  return std::to_string(rules->AsArray().size()) + " rules, " +
         std::to_string(sinks->AsArray().size()) + " sink";
}

base::Result<std::string> AuditIsIntact(const Examination& server) {
  const Json json = TRY(server.Ask("POST", "/api/v1/audit/verify"));
  return std::to_string(TRY(base::RequireInt(json, "events"))) + " events, hash chain intact";
}

// Twice: there and back, so that the endpoint ends as it began.
base::Result<std::string> RollbackWorks(const Examination& server, const std::string& endpoint) {
  const Subject before = TRY(StableOf(server, endpoint));
  const std::string target = "/api/v1/endpoints/" + net::PercentEncode(endpoint) + "/rollback";
  const int64_t start = base::MonotonicNanos();
  TRY(server.Ask("POST", target, R"({"reason":"doctor: rollback drill"})"));
  const Subject during = TRY(StableOf(server, endpoint));
  const int64_t took_ms = (base::MonotonicNanos() - start) / 1'000'000;
  const auto right = EndpointIsRight(server, endpoint);
  TRY(server.Ask("POST", target, R"({"reason":"doctor: end of the rollback drill"})"));
  const Subject after = TRY(StableOf(server, endpoint));
  if (during.version == before.version)
    return base::FailedPrecondition("no_change", "the version did not change");
  if (!right.ok()) return right.status();
  if (after.version != before.version) {
    return base::FailedPrecondition("not_restored",
                                    "the drill left version " + std::to_string(after.version));
  }
  return "version " + std::to_string(before.version) + " -> " + std::to_string(during.version) +
         " in " + std::to_string(took_ms) + " ms, and back";
}

base::Result<Json> FinishedRun(const Examination& server, const std::string& id) {
  const auto deadline = std::chrono::steady_clock::now() + kPipelineWait;
  while (std::chrono::steady_clock::now() < deadline) {
    Json run = TRY(server.Ask("GET", "/api/v1/pipelines/runs/" + net::PercentEncode(id)));
    const std::string state = TRY(base::RequireString(run, "state"));
    if (state != "queued" && state != "running") return run;
    std::this_thread::sleep_for(kPollInterval);
  }
  return base::Status(base::Code::kDeadlineExceeded, "pipeline_slow",
                      "the pipeline run did not end in time");
}

// The candidate of a run went through the gates for staging: staged, or refused with a verdict that
// says why.
base::Result<std::string> CandidateWasJudged(const Examination& server, const std::string& model,
                                             const std::string& version) {
  const std::string target = "/api/v1/models/" + net::PercentEncode(model) + "/versions/" + version;
  const auto deadline = std::chrono::steady_clock::now() + kPipelineWait;
  while (std::chrono::steady_clock::now() < deadline) {
    const Json json = TRY(server.Ask("GET", target));
    const std::string stage = TRY(base::RequireString(json, "stage"));
    const Json* verdicts = json.Find("verdicts");
    if (stage != "None") return model + " version " + version + " is in " + stage;
    if (verdicts != nullptr && verdicts->is_array()) {
      for (const Json& verdict : verdicts->AsArray()) {
        if (Cell(verdict, "outcome") == "fail") {
          return model + " version " + version +
                 " was judged and refused: " + Cell(verdict, "summary");
        }
      }
    }
    std::this_thread::sleep_for(kPollInterval);
  }
  return base::Status(base::Code::kDeadlineExceeded, "not_judged",
                      model + " version " + version + " was never judged");
}

// What any step of the run wrote under that key; empty when none did.
std::string OutputOf(const Json& run, const std::string& key) {
  const Json* outputs = run.Find("outputs");
  if (outputs == nullptr || !outputs->is_object()) return {};
  for (const auto& [step, values] : outputs->AsObject()) {
    const Json* value = values.Find(key);
    if (value != nullptr && value->is_string()) return value->AsString();
  }
  return {};
}

base::Result<std::string> PipelineStages(const Examination& server) {
  const Json json = TRY(server.Ask("GET", "/api/v1/pipelines"));
  const Json* pipelines = json.Find("pipelines");
  if (pipelines == nullptr || !pipelines->is_array() || pipelines->AsArray().empty()) {
    return base::FailedPrecondition("no_pipeline", "no pipeline is configured");
  }
  const std::string name = TRY(base::RequireString(pipelines->AsArray()[0], "name"));
  const Json started =
      TRY(server.Ask("POST", "/api/v1/pipelines/" + net::PercentEncode(name) + "/run"));
  const Json* run = started.Find("run");
  if (run == nullptr) return base::FailedPrecondition("no_run", "the pipeline did not start");
  const Json finished = TRY(FinishedRun(server, TRY(base::RequireString(*run, "id"))));
  if (Cell(finished, "state") != "succeeded") {
    return base::FailedPrecondition("run_failed",
                                    "pipeline " + name + " " + Cell(finished, "state"));
  }
  const std::string model = OutputOf(finished, "model");
  const std::string version = OutputOf(finished, "version");
  if (version.empty())
    return base::FailedPrecondition("no_version", "pipeline " + name + " registered no version");
  return CandidateWasJudged(server, model, version);
}

base::Result<std::vector<std::string>> EndpointNames(const Examination& server,
                                                     const std::string& only) {
  if (!only.empty()) return std::vector<std::string>{only};
  const Json json = TRY(server.Ask("GET", "/api/v1/endpoints"));
  std::vector<std::string> names;
  if (const Json* endpoints = json.Find("endpoints");
      endpoints != nullptr && endpoints->is_array()) {
    for (const Json& endpoint : endpoints->AsArray()) names.push_back(Cell(endpoint, "name"));
  }
  if (names.empty()) return base::FailedPrecondition("no_endpoint", "no endpoint is served");
  return names;
}

base::Result<std::string> ServerIsReady(const Examination& server) {
  TRY(server.Ask("GET", "/ready"));
  return std::string("ready");
}

void Examine(Examination& server, const std::string& only) {
  server.Add("server is ready", ServerIsReady(server));
  const auto names = EndpointNames(server, only);
  if (!names.ok()) {
    server.Add("an endpoint is served", names.status());
    return;
  }
  for (const std::string& name : *names) {
    server.Add("endpoint " + name + " is right on its test set", EndpointIsRight(server, name));
    server.Add("endpoint " + name + " runs on its device", RunsWhereItShould(server, name));
    server.Add("endpoint " + name + " has its metrics", MetricsAreThere(server, name));
    server.Add("endpoint " + name + " rolls back", RollbackWorks(server, name));
  }
  server.Add("alerts are configured", AlertsAreConfigured(server));
  server.Add("pipeline: commit to staged", PipelineStages(server));
  server.Add("audit log is intact", AuditIsIntact(server));
}

}  // namespace

int Doctor(const DoctorArguments& arguments) {
  Examination server(arguments.server);
  server.set_quiet(arguments.json);
  Examine(server, arguments.endpoint);
  const bool healthy = std::all_of(server.findings().begin(), server.findings().end(),
                                   [](const Finding& finding) { return finding.passed; });
  if (arguments.json) {
    Json checks = Json::MakeArray();
    for (const Finding& finding : server.findings()) {
      checks.Append(Json::MakeObject(
          {{"check", finding.check}, {"passed", finding.passed}, {"what", finding.what}}));
    }
    std::printf(
        "%s\n",
        Json::MakeObject({{"healthy", healthy}, {"checks", std::move(checks)}}).Dump(2).c_str());
  } else {
    std::printf("%s\n", healthy ? "healthy: every check passed" : "not healthy: see FAIL above");
  }
  return healthy ? 0 : 1;
}

}  // namespace slipway::cli
