// SPDX-License-Identifier: Apache-2.0
// /api/v1/endpoints and /api/v1/rollouts: who answers, and the moves from one version to another.
#include "api/native/answers.h"
#include "api/native/native.h"

namespace slipway::api::native {
namespace {

using base::Json;

// What runs the arm's model, and where. `device_note`: why not where its parameters want it.
void AddWhere(const Parts& parts, const std::string& endpoint, const traffic::Arm& arm,
              Json& json) {
  const auto served = parts.endpoints.Find(endpoint);
  if (served == nullptr) return;
  for (const traffic::ServedArm& one : served->arms) {
    if (one.arm.name != arm.name || one.arm.version != arm.version) continue;
    const inference::ModelDescription& model = one.model->description();
    json.Set("platform", model.platform);
    json.Set("device", model.device);
    if (!model.device_note.empty()) json.Set("device_note", model.device_note);
  }
}

// What serving counts for an arm, read back from the metrics.
Json ArmJson(const Parts& parts, const std::string& endpoint, const traffic::Arm& arm) {
  const base::Labels labels = {
      {"endpoint", endpoint}, {"arm", arm.name}, {"version", std::to_string(arm.version)}};
  const double requests = parts.metrics.SumOfCounters("slipway_serving_requests", labels);
  base::Labels answered = labels;
  answered.emplace_back("code", std::string(base::CodeName(base::Code::kOk)));
  const base::Histogram* seconds = parts.metrics.FindHistogram(
      "slipway_serving_request_seconds", {{"endpoint", endpoint}, {"arm", arm.name}});
  auto quantile_ms = [seconds](double q) {
    constexpr double kMilliseconds = 1000;
    return seconds == nullptr ? Json() : Json(seconds->Quantile(q) * kMilliseconds);
  };
  return Json::MakeObject(
      {{"name", arm.name},
       {"version", arm.version},
       {"weight", arm.weight},
       {"requests", static_cast<int64_t>(requests)},
       {"errors", static_cast<int64_t>(requests - parts.metrics.SumOfCounters(
                                                      "slipway_serving_requests", answered))},
       {"latency_ms",
        Json::MakeObject(
            {{"p50", quantile_ms(0.5)}, {"p95", quantile_ms(0.95)}, {"p99", quantile_ms(0.99)}})}});
}

Json EndpointJson(const Parts& parts, const traffic::Plan& plan, bool managed) {
  Json arms = Json::MakeArray();
  for (const traffic::Arm& arm : plan.arms) {
    Json json = ArmJson(parts, plan.endpoint, arm);
    AddWhere(parts, plan.endpoint, arm, json);
    arms.Append(std::move(json));
  }
  return Json::MakeObject({{"name", plan.endpoint},
                           {"managed", managed},
                           {"plan", ToJson(plan)},
                           {"arms", std::move(arms)}});
}

base::Result<Json> ShowEndpoint(const Parts& parts, const std::string& name) {
  if (const auto served = parts.endpoints.Find(name))
    return EndpointJson(parts, served->plan, true);
  const auto served = parts.repository.Find(name);
  if (served == nullptr)
    return base::NotFound("endpoint_not_found", "no endpoint is named '" + name + "'");
  return EndpointJson(parts, served->plan, false);
}

// Those of the registry, then the models that are served without it.
Json ListEndpoints(const Parts& parts) {
  Json endpoints = Json::MakeArray();
  for (const traffic::Plan& plan : parts.endpoints.List())
    endpoints.Append(EndpointJson(parts, plan, true));
  for (const std::string& name : parts.repository.Names()) {
    const auto served = parts.repository.Find(name);
    if (served != nullptr && parts.endpoints.Find(name) == nullptr)
      endpoints.Append(EndpointJson(parts, served->plan, false));
  }
  return Json::MakeObject({{"endpoints", std::move(endpoints)}});
}

base::Result<Json> Rollback(const Parts& parts, const net::HttpRequest& request) {
  const Json body = TRY(ReadBody(request, {"reason"}));
  const int64_t start = base::MonotonicNanos();
  const traffic::Plan plan = TRY(parts.lifecycle.Rollback(
      request.GetParam("endpoint"), TRY(base::OptionalString(body, "reason")).value_or("rollback"),
      ActorOf(request)));
  return Json::MakeObject({{"plan", ToJson(plan)},
                           {"took_ms", static_cast<double>(base::MonotonicNanos() - start) / 1e6}});
}

base::Result<Json> ListRollouts(const Parts& parts, const net::HttpRequest& request) {
  Json rollouts = Json::MakeArray();
  for (const auto& rollout :
       TRY(parts.rollouts.List(request.GetQuery("endpoint").value_or(""), TRY(LimitOf(request))))) {
    rollouts.Append(ToJson(rollout));
  }
  return Json::MakeObject({{"rollouts", std::move(rollouts)}});
}

base::Result<Json> Promote(const Parts& parts, const net::HttpRequest& request) {
  const Json body = TRY(ReadBody(request, {"force", "reason"}));
  lifecycle::PromoteRequest promote;
  promote.model = request.GetParam("model");
  promote.version = TRY(NumberParam(request, "version"));
  promote.force = TRY(base::OptionalBool(body, "force")).value_or(false);
  promote.reason = TRY(base::OptionalString(body, "reason")).value_or("");
  promote.actor = ActorOf(request);
  const std::optional<traffic::Rollout> rollout = TRY(parts.lifecycle.Promote(promote));
  return Json::MakeObject({{"rollout", rollout ? ToJson(*rollout) : Json()}});
}

net::HttpResponse PromoteOrRefuse(const Parts& parts, const net::HttpRequest& request) {
  const auto answer = Promote(parts, request);
  if (answer.ok()) return net::HttpResponse::Json(200, answer->Dump());
  const auto number = NumberParam(request, "version");
  if (!number.ok()) return net::ErrorResponse(answer.status());
  return Refusal(parts.registry, answer.status(), request.GetParam("model"), *number);
}

}  // namespace

void RegisterTraffic(net::Router& router, const Parts& parts) {
  AddJson(router, "GET", "/api/v1/endpoints",
          [parts](net::HttpRequest&) -> base::Result<Json> { return ListEndpoints(parts); });
  AddJson(router, "GET", "/api/v1/endpoints/{endpoint}", [parts](net::HttpRequest& request) {
    return ShowEndpoint(parts, request.GetParam("endpoint"));
  });
  AddJson(router, "POST", "/api/v1/endpoints/{endpoint}/rollback",
          [parts](net::HttpRequest& request) { return Rollback(parts, request); });
  router.AddBlocking(
      "POST", "/api/v1/models/{model}/versions/{version}/promote",
      [parts](net::HttpRequest& request) { return PromoteOrRefuse(parts, request); });
  AddJson(router, "GET", "/api/v1/rollouts",
          [parts](net::HttpRequest& request) { return ListRollouts(parts, request); });
  AddJson(router, "GET", "/api/v1/rollouts/{id}",
          [parts](net::HttpRequest& request) -> base::Result<Json> {
            return ToJson(TRY(parts.rollouts.Get(request.GetParam("id"))));
          });
  AddJson(
      router, "POST", "/api/v1/rollouts/{id}/abort",
      [parts](net::HttpRequest& request) -> base::Result<Json> {
        const Json body = TRY(ReadBody(request, {"reason"}));
        const std::string reason =
            TRY(base::OptionalString(body, "reason")).value_or("aborted by hand");
        return ToJson(TRY(parts.rollouts.Abort(request.GetParam("id"), ActorOf(request), reason)));
      });
  AddJson(router, "POST", "/api/v1/rollouts/{id}/promote",
          [parts](net::HttpRequest& request) -> base::Result<Json> {
            const Json body = TRY(ReadBody(request, {"reason"}));
            return ToJson(TRY(parts.rollouts.Promote(request.GetParam("id"), ActorOf(request),
                                                     TRY(base::RequireString(body, "reason")))));
          });
}

}  // namespace slipway::api::native
