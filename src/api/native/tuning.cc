// SPDX-License-Identifier: Apache-2.0
// /api/v1/endpoints/{endpoint}/tune: how the version that answers is run best on this machine.
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/native/answers.h"
#include "api/native/native.h"
#include "inference/tune.h"
#include "storage/database.h"
#include "traffic/version_loader.h"

namespace slipway::api::native {
namespace {

using base::Json;

constexpr double kMostLatencyMs = 3'600'000;

base::Result<inference::ModelSource> SourceOf(const Parts& parts, const traffic::Arm& arm) {
  const registry::Version version = TRY(parts.registry.GetVersion(arm.model, arm.version));
  inference::ModelSource source;
  source.key = arm.model + "/" + std::to_string(arm.version);
  source.folder = TRY(parts.registry.Materialize(version));
  traffic::ModelFile file = TRY(traffic::ChooseModelFile(source.folder));
  if (file.runtime == traffic::kEnsembleRuntime) {
    return base::FailedPrecondition("not_tunable",
                                    "an ensemble runs nothing itself: tune the models it names");
  }
  source.runtime = std::move(file.runtime);
  source.path = std::move(file.path);
  return source;
}

Json ToJson(const std::vector<inference::Trial>& trials) {
  Json rows = Json::MakeArray();
  for (const inference::Trial& trial : trials) {
    rows.Append(Json::MakeObject({{"instances", trial.instances},
                                  {"threads", trial.threads},
                                  {"batch_rows", trial.batch_rows},
                                  {"rows_per_s", trial.rows_per_s},
                                  {"p50_ms", trial.p50_ms},
                                  {"p99_ms", trial.p99_ms},
                                  {"best", trial.best}}));
  }
  return rows;
}

// Kept beside the version, with its event.
base::Status Keep(const Parts& parts, const net::HttpRequest& request, const traffic::Arm& arm,
                  const std::string& text) {
  TRY(parts.registry.SetVersionTag(arm.model, arm.version, inference::kSchedulingTag, text,
                                   ActorOf(request)));
  return parts.database.Write([&](storage::Transaction& transaction) -> base::Status {
    events::Event event;
    event.type = "version.tuned";
    event.subject = "version/" + arm.model + "/" + std::to_string(arm.version);
    event.actor = ActorOf(request);
    event.data = Json::MakeObject({{"scheduling", TRY(Json::Parse(text))}});
    TRY(parts.events.Append(transaction, std::move(event)));
    return base::Status::Ok();
  });
}

base::Result<Json> Tune(const Parts& parts, const net::HttpRequest& request) {
  const Json body = TRY(ReadBody(request, {"latency_ms"}));
  inference::TuneTarget target;
  if (const Json* latency = body.Find("latency_ms"); latency != nullptr) {
    if (!latency->is_number() || latency->AsDouble() <= 0 || latency->AsDouble() > kMostLatencyMs)
      return base::InvalidArgument("latency_ms", "expected milliseconds, more than 0");
    target.latency_ms = latency->AsDouble();
  }
  const std::string name = request.GetParam("endpoint");
  const auto served = parts.endpoints.Find(name);
  if (served == nullptr)
    return base::NotFound("endpoint_not_found", "no endpoint is named '" + name + "'");
  const traffic::ServedArm& main = traffic::MainArm(*served);
  const inference::ModelSource source = TRY(SourceOf(parts, main.arm));
  const auto model = TRY(parts.endpoints.LoadVersion(main.arm.model, main.arm.version));
  std::vector<inference::Request> inputs = model->Recent();
  const bool recorded = !inputs.empty();
  if (!recorded) inputs.push_back(traffic::ZeroRow(model->description()));
  const std::vector<inference::Trial> trials =
      TRY(inference::Tune(parts.pool, source, model->description(), inputs, target));
  for (const inference::Trial& trial : trials) {
    if (trial.best) TRY(Keep(parts, request, main.arm, inference::SchedulingText(trial)));
  }
  return Json::MakeObject({{"model", main.arm.model},
                           {"version", main.arm.version},
                           {"inputs", recorded ? "recent requests" : "zeros"},
                           {"trials", ToJson(trials)},
                           {"used", "when the version is loaded next"}});
}

}  // namespace

void RegisterTuning(net::Router& router, const Parts& parts) {
  const auto busy = std::make_shared<std::atomic<bool>>(false);
  AddJson(router, "POST", "/api/v1/endpoints/{endpoint}/tune",
          [parts, busy](net::HttpRequest& request) -> base::Result<Json> {
            // Two at once would measure each other.
            if (busy->exchange(true)) {
              return base::ResourceExhausted("tuning", "a model is being tuned; retry in 5 s");
            }
            auto result = Tune(parts, request);
            busy->store(false);
            return result;
          });
}

}  // namespace slipway::api::native
