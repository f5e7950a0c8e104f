// SPDX-License-Identifier: Apache-2.0
// /api/v1/pipelines, /api/v1/policies and /api/v1/decisions: what starts training, and what was
// decided about its results.
#include "api/native/answers.h"
#include "api/native/native.h"

namespace slipway::api::native {
namespace {

using base::Json;

base::Result<Json> ListRuns(const Parts& parts, const net::HttpRequest& request) {
  Json runs = Json::MakeArray();
  for (const auto& run : TRY(parts.pipelines.Runs(request.GetQuery("pipeline").value_or(""),
                                                  TRY(LimitOf(request))))) {
    runs.Append(ToJson(run));
  }
  return Json::MakeObject({{"runs", std::move(runs)}});
}

base::Result<Json> StartRun(const Parts& parts, const net::HttpRequest& request) {
  const Json body = TRY(ReadBody(request, {"parameters"}));
  pipelines::TriggerRequest trigger;
  trigger.pipeline = request.GetParam("pipeline");
  trigger.trigger = Json::MakeObject({{"kind", "manual"}});
  trigger.actor = ActorOf(request);
  if (const Json* parameters = body.Find("parameters"); parameters != nullptr) {
    if (!parameters->is_object())
      return base::InvalidArgument("parameters", "expected an object of strings");
    for (const auto& [name, value] : parameters->AsObject()) {
      trigger.parameters[name] = value.is_string() ? value.AsString() : value.Dump();
    }
  }
  const std::string id = TRY(parts.pipelines.Trigger(trigger));
  return Json::MakeObject({{"run", ToJson(TRY(parts.pipelines.Run(id)))}});
}

net::HttpResponse ShowLog(const Parts& parts, const net::HttpRequest& request) {
  std::string step = request.GetQuery("step").value_or("");
  if (step.empty()) {
    const auto run = parts.pipelines.Run(request.GetParam("id"));
    if (!run.ok()) return net::ErrorResponse(run.status());
    for (const pipelines::StepRecord& record : run->steps) {
      if (record.attempt > 0) step = record.name;
    }
  }
  auto log = parts.pipelines.Log(request.GetParam("id"), step);
  if (!log.ok()) return net::ErrorResponse(log.status());
  return net::HttpResponse::Text(200, std::move(log).TakeValue());
}

base::Result<Json> ListDecisions(const Parts& parts, const net::HttpRequest& request) {
  events::EventFilter filter;
  filter.type_prefix = "policy.decided";
  if (const auto model = request.GetQuery("model")) filter.subject_prefix = "model/" + *model + "/";
  filter.limit = TRY(LimitOf(request));
  filter.newest_first = true;
  Json decisions = Json::MakeArray();
  for (const events::Event& event : TRY(parts.events.List(filter))) {
    Json decision =
        Json::MakeObject({{"time", base::FormatTime(event.time)}, {"sequence", event.sequence}});
    for (const auto& [key, value] : event.data.AsObject()) decision.Set(key, value);
    decisions.Append(std::move(decision));
  }
  return Json::MakeObject({{"decisions", std::move(decisions)}});
}

}  // namespace

void RegisterPipelines(net::Router& router, const Parts& parts) {
  AddJson(router, "GET", "/api/v1/pipelines", [parts](net::HttpRequest&) -> base::Result<Json> {
    Json pipelines = Json::MakeArray();
    for (const pipelines::PipelineSpec& spec : parts.pipelines.List()) {
      pipelines.Append(Json::MakeObject({{"name", spec.name}, {"spec", ToJson(spec)}}));
    }
    return Json::MakeObject({{"pipelines", std::move(pipelines)}});
  });
  AddJson(router, "GET", "/api/v1/pipelines/runs",
          [parts](net::HttpRequest& request) { return ListRuns(parts, request); });
  AddJson(router, "GET", "/api/v1/pipelines/runs/{id}",
          [parts](net::HttpRequest& request) -> base::Result<Json> {
            return ToJson(TRY(parts.pipelines.Run(request.GetParam("id"))));
          });
  router.AddBlocking("GET", "/api/v1/pipelines/runs/{id}/log",
                     [parts](net::HttpRequest& request) { return ShowLog(parts, request); });
  AddJson(router, "POST", "/api/v1/pipelines/{pipeline}/run",
          [parts](net::HttpRequest& request) { return StartRun(parts, request); });
  AddJson(router, "GET", "/api/v1/policies", [parts](net::HttpRequest&) -> base::Result<Json> {
    return Json::MakeObject({{"policies", parts.lifecycle.PoliciesJson()}});
  });
  AddJson(router, "GET", "/api/v1/decisions",
          [parts](net::HttpRequest& request) { return ListDecisions(parts, request); });
}

}  // namespace slipway::api::native
