// SPDX-License-Identifier: Apache-2.0
// /api/v1/models: models, versions, gates, stage transitions.
#include <algorithm>

#include "api/native/answers.h"
#include "api/native/native.h"
#include "base/clock.h"

namespace slipway::api::native {
namespace {

using base::Json;
using registry::Registry;
using registry::Version;

Json TagsJson(const registry::Tags& tags) {
  Json json = Json::MakeObject();
  for (const auto& [key, value] : tags) json.Set(key, value);
  return json;
}

Json VerdictsJson(const std::vector<registry::Verdict>& verdicts) {
  Json json = Json::MakeArray();
  for (const registry::Verdict& verdict : verdicts) json.Append(ToJson(verdict));
  return json;
}

Json VersionJson(const Version& version) {
  Json files = Json::MakeArray();
  for (const registry::ManifestFile& file : version.files) {
    files.Append(Json::MakeObject(
        {{"path", file.path}, {"size_bytes", file.size_bytes}, {"sha256", file.sha256}}));
  }
  Json aliases = Json::MakeArray();
  for (const std::string& alias : version.aliases) aliases.Append(alias);
  return Json::MakeObject({{"model", version.model},
                           {"version", version.number},
                           {"stage", StageName(version.stage)},
                           {"status", version.status},
                           {"status_message", version.status_message},
                           {"source", version.source},
                           {"run_id", version.run_id},
                           {"description", version.description},
                           {"user", version.user},
                           {"created", base::FormatTime(version.created)},
                           {"updated", base::FormatTime(version.updated)},
                           {"tags", TagsJson(version.tags)},
                           {"aliases", std::move(aliases)},
                           {"files", std::move(files)},
                           {"digest", version.Digest()},
                           {"metadata", version.metadata}});
}

base::Result<Json> ModelJson(Registry& registry, const registry::Model& model) {
  Json aliases = Json::MakeObject();
  for (const auto& [alias, number] : model.aliases) aliases.Set(alias, number);
  Json versions = Json::MakeArray();
  for (const Version& version : TRY(registry.ListVersions(model.name)))
    versions.Append(VersionJson(version));
  return Json::MakeObject({{"name", model.name},
                           {"description", model.description},
                           {"created", base::FormatTime(model.created)},
                           {"updated", base::FormatTime(model.updated)},
                           {"tags", TagsJson(model.tags)},
                           {"aliases", std::move(aliases)},
                           {"versions", std::move(versions)}});
}

base::Result<Json> ListModels(Registry& registry, const net::HttpRequest& request) {
  const int64_t limit = TRY(LimitOf(request));
  Json models = Json::MakeArray();
  int64_t shown = 0;
  for (const registry::Model& model : TRY(registry.ListModels())) {
    if (shown++ == limit) break;
    models.Append(TRY(ModelJson(registry, model)));
  }
  return Json::MakeObject({{"models", std::move(models)}});
}

base::Result<Json> ShowVersion(Registry& registry, const net::HttpRequest& request) {
  const std::string& model = request.GetParam("model");
  const int64_t number = TRY(NumberParam(request, "version"));
  Json json = VersionJson(TRY(registry.GetVersion(model, number)));
  json.Set("verdicts", VerdictsJson(TRY(registry.RecordedVerdicts(model, number))));
  return json;
}

base::Result<Json> RunGates(Registry& registry, const net::HttpRequest& request) {
  const Json body = TRY(ReadBody(request, {"to"}));
  const registry::Stage to = TRY(registry::ParseStage(TRY(base::RequireString(body, "to"))));
  const auto verdicts =
      TRY(registry.RunGates(request.GetParam("model"), TRY(NumberParam(request, "version")), to));
  const bool passed = std::none_of(verdicts.begin(), verdicts.end(), [](const auto& verdict) {
    return verdict.outcome == registry::Outcome::kFail;
  });
  return Json::MakeObject({{"verdicts", VerdictsJson(verdicts)}, {"passed", passed}});
}

base::Result<registry::TransitionRequest> ReadTransition(const net::HttpRequest& request) {
  const Json body = TRY(ReadBody(request, {"to", "force", "reason", "archive_existing"}));
  registry::TransitionRequest transition;
  transition.model = request.GetParam("model");
  transition.version = TRY(NumberParam(request, "version"));
  transition.to = TRY(registry::ParseStage(TRY(base::RequireString(body, "to"))));
  transition.force = TRY(base::OptionalBool(body, "force")).value_or(false);
  transition.reason = TRY(base::OptionalString(body, "reason")).value_or("");
  transition.archive_existing = TRY(base::OptionalBool(body, "archive_existing")).value_or(true);
  transition.actor = ActorOf(request);
  return transition;
}

// A refusal carries the verdicts beside the error, so that a program sees what to mend.
net::HttpResponse Transition(Registry& registry, const net::HttpRequest& request) {
  const auto transition = ReadTransition(request);
  if (!transition.ok()) return net::ErrorResponse(transition.status());
  const auto outcome = registry.Transition(*transition);
  if (!outcome.ok())
    return Refusal(registry, outcome.status(), transition->model, transition->version);
  Json archived = Json::MakeArray();
  for (const int64_t number : outcome->archived) archived.Append(number);
  return net::HttpResponse::Json(200,
                                 Json::MakeObject({{"version", VersionJson(outcome->version)},
                                                   {"verdicts", VerdictsJson(outcome->verdicts)},
                                                   {"archived", std::move(archived)}})
                                     .Dump());
}

}  // namespace

net::HttpResponse Refusal(Registry& registry, const base::Status& status, const std::string& model,
                          int64_t version) {
  net::HttpResponse response = net::ErrorResponse(status);
  if (status.reason() != "gate_failed") return response;
  auto json = base::Json::Parse(response.body);
  const auto verdicts = registry.RecordedVerdicts(model, version);
  if (json.ok() && verdicts.ok()) {
    json->Set("verdicts", VerdictsJson(*verdicts));
    response.body = json->Dump();
  }
  return response;
}

void RegisterModels(net::Router& router, Registry& registry) {
  AddJson(router, "GET", "/api/v1/models",
          [&](net::HttpRequest& request) { return ListModels(registry, request); });
  AddJson(router, "GET", "/api/v1/models/{model}",
          [&](net::HttpRequest& request) -> base::Result<Json> {
            return ModelJson(registry, TRY(registry.GetModel(request.GetParam("model"))));
          });
  AddJson(router, "GET", "/api/v1/models/{model}/versions/{version}",
          [&](net::HttpRequest& request) { return ShowVersion(registry, request); });
  AddJson(router, "POST", "/api/v1/models/{model}/versions/{version}/gates",
          [&](net::HttpRequest& request) { return RunGates(registry, request); });
  router.AddBlocking("POST", "/api/v1/models/{model}/versions/{version}/transition",
                     [&](net::HttpRequest& request) { return Transition(registry, request); });
}

}  // namespace slipway::api::native
