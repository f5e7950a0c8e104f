// SPDX-License-Identifier: Apache-2.0
// /api/v1/gates: which there are, what the policy says, gates judging in the background, and what
// people say: approvals and overrides.
#include <optional>
#include <string>
#include <utility>

#include "api/native/answers.h"
#include "api/native/native.h"
#include "base/clock.h"
#include "registry/approvals.h"
#include "registry/gate_runs.h"
#include "registry/registry.h"

namespace slipway::api::native {
namespace {

using base::Json;
using registry::Registry;

base::Result<Json> StartRun(Registry& registry, const net::HttpRequest& request) {
  const Json body = TRY(ReadBody(request, {"to"}));
  const registry::Stage to = TRY(registry::ParseStage(TRY(base::RequireString(body, "to"))));
  return ToJson(TRY(registry.StartGateRun(
      request.GetParam("model"), TRY(NumberParam(request, "version")), to, ActorOf(request))));
}

base::Result<Json> ListRuns(Registry& registry, const net::HttpRequest& request) {
  Json runs = Json::MakeArray();
  for (const registry::GateRun& run : TRY(registry.GateRuns(
           request.GetParam("model"), TRY(NumberParam(request, "version")), TRY(LimitOf(request)))))
    runs.Append(ToJson(run));
  return Json::MakeObject({{"runs", std::move(runs)}});
}

base::Result<Json> Say(Registry& registry, const net::HttpRequest& request, bool is_override) {
  const Json body = is_override ? TRY(ReadBody(request, {"to", "gate", "reason", "expires"}))
                                : TRY(ReadBody(request, {"to", "comment", "expires"}));
  registry::Word word;
  word.model = request.GetParam("model");
  word.number = TRY(NumberParam(request, "version"));
  word.stage = TRY(registry::ParseStage(TRY(base::RequireString(body, "to"))));
  word.kind = is_override ? "override" : "approval";
  if (is_override) word.gate = TRY(base::RequireString(body, "gate"));
  word.comment = TRY(base::OptionalString(body, is_override ? "reason" : "comment")).value_or("");
  if (const auto expires = TRY(base::OptionalString(body, "expires"))) {
    const auto time = base::ParseTime(*expires);
    if (!time.ok()) return base::InvalidArgument("expires", time.status().message());
    word.expires = *time;
  }
  return ToJson(TRY(registry.Say(std::move(word), ActorOf(request))));
}

std::string FileOf(const net::HttpRequest& request) {
  return request.GetQuery("file").value_or("policy");
}

base::Result<Json> ApplyPolicy(Registry& registry, const net::HttpRequest& request,
                               const std::optional<std::string>& text) {
  events::Actor actor = ActorOf(request);
  if (const auto reason = request.GetQuery("reason")) actor.reason = *reason;
  return registry.ApplyPolicy(text, FileOf(request), TRY(NumberQuery(request, "expected")), actor);
}

base::Result<Json> ListWords(Registry& registry, const net::HttpRequest& request) {
  Json words = Json::MakeArray();
  for (const registry::Word& word :
       TRY(registry.Words(request.GetParam("model"), TRY(NumberParam(request, "version")))))
    words.Append(ToJson(word));
  return Json::MakeObject({{"approvals", std::move(words)}});
}

base::Result<Json> Revoke(Registry& registry, const net::HttpRequest& request) {
  TRY(registry.Revoke(request.GetParam("model"), TRY(NumberParam(request, "version")),
                      TRY(NumberParam(request, "id")), ActorOf(request)));
  return Json::MakeObject();
}

}  // namespace

void RegisterGates(net::Router& router, Registry& registry) {
  const std::string version = "/api/v1/models/{model}/versions/{version}";
  AddJson(router, "GET", "/api/v1/gates", [&](net::HttpRequest&) -> base::Result<Json> {
    return Json::MakeObject({{"gates", registry.GatesJson()}});
  });
  AddJson(router, "GET", "/api/v1/gates/policy",
          [&](net::HttpRequest&) { return registry.PolicyJson(); });
  AddJson(router, "POST", "/api/v1/gates/policy/check",
          [&](net::HttpRequest& request) -> base::Result<Json> {
            TRY(registry.CheckPolicy(request.body, FileOf(request)));
            return Json::MakeObject({{"valid", true}});
          });
  AddJson(router, "PUT", "/api/v1/gates/policy",
          [&](net::HttpRequest& request) { return ApplyPolicy(registry, request, request.body); });
  AddJson(router, "DELETE", "/api/v1/gates/policy",
          [&](net::HttpRequest& request) { return ApplyPolicy(registry, request, std::nullopt); });
  AddJson(router, "GET", "/api/v1/gates/runs/{id}",
          [&](net::HttpRequest& request) -> base::Result<Json> {
            return ToJson(TRY(registry.GetGateRun(TRY(NumberParam(request, "id")))));
          });
  AddJson(router, "POST", version + "/gates/runs",
          [&](net::HttpRequest& request) { return StartRun(registry, request); });
  AddJson(router, "GET", version + "/gates/runs",
          [&](net::HttpRequest& request) { return ListRuns(registry, request); });
  AddJson(router, "GET", version + "/approvals",
          [&](net::HttpRequest& request) { return ListWords(registry, request); });
  AddJson(router, "POST", version + "/approvals",
          [&](net::HttpRequest& request) { return Say(registry, request, false); });
  AddJson(router, "DELETE", version + "/approvals/{id}",
          [&](net::HttpRequest& request) { return Revoke(registry, request); });
  AddJson(router, "POST", version + "/overrides",
          [&](net::HttpRequest& request) { return Say(registry, request, true); });
}

}  // namespace slipway::api::native
