// SPDX-License-Identifier: Apache-2.0
// MLflow's model-versions/*. A version's walk begins in Create: source to files, run to metadata.
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/mlflow/artifact_path.h"
#include "api/mlflow/call.h"
#include "api/mlflow/encode.h"
#include "api/mlflow/filter.h"
#include "api/mlflow/grammar.h"
#include "api/mlflow/search_fields.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "registry/registry.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

using base::Json;
using base::Result;

// What a run logs beside the model and a version takes along: its golden set and monitoring's
// baseline.
constexpr std::array<std::string_view, 2> kTakenAlong = {"golden", "monitoring"};
constexpr int64_t kUsualVersions = 200'000;

struct VersionName {
  std::string model;
  int64_t number = 0;
};

Result<VersionName> RequireVersionName(const Json& fields) {
  VersionName name{TRY(RequireText(fields, "name")), 0};
  const std::optional<int64_t> number = TRY(OptionalNumber(fields, "version"));
  if (!number) return Missing("version");
  name.number = *number;
  return name;
}

Json WithVersion(const registry::Version& version) {
  return Json::MakeObject({{"model_version", VersionJson(version)}});
}

base::Status AddRun(Rooms& rooms, registry::CreateVersionRequest& request) {
  if (request.run_id.empty() && request.model_id.empty()) return {};
  Result<Json> metadata = rooms.tracking.ReproducibilityOf(request.run_id, request.model_id);
  if (metadata.ok()) {
    request.metadata = std::move(metadata).TakeValue();
  } else if (metadata.status().code() != base::Code::kNotFound || !request.run_id.empty()) {
    return std::move(metadata).TakeStatus();
  }
  if (request.run_id.empty()) return {};
  const tracking::Run run = TRY(rooms.tracking.GetRun(request.run_id));
  const std::string root =
      TRY(KeyOfArtifactPath(run.info.artifact_uri.substr(tracking::kArtifactScheme.size())));
  for (const std::string_view name : kTakenAlong) {
    request.extra_folders.emplace_back(root + "/" + std::string(name), std::string(name));
  }
  return {};
}

Result<Json> Create(Rooms& rooms, const Call& call) {
  registry::CreateVersionRequest request;
  request.model = TRY(RequireText(call.fields, "name"));
  request.source = TRY(RequireText(call.fields, "source"));
  request.run_id = TRY(OptionalText(call.fields, "run_id"));
  request.model_id = TRY(OptionalText(call.fields, "model_id"));
  request.run_link = TRY(OptionalText(call.fields, "run_link"));
  request.description = TRY(OptionalText(call.fields, "description"));
  request.tags = TRY(OptionalTags(call.fields, "tags"));
  request.actor = call.actor;
  Source source = TRY(ResolveSource(rooms, request.source));
  if (!request.run_id.empty() && !source.run_id.empty() && request.run_id != source.run_id) {
    return base::InvalidArgument("run_id", "Invalid model version source: '" + request.source +
                                               "' is of run " + source.run_id +
                                               ", not of the given run " + request.run_id + ".");
  }
  request.source_folder = std::move(source.folder);
  if (request.model_id.empty()) request.model_id = source.model_id;
  if (request.run_id.empty()) request.run_id = source.run_id;
  if (request.run_id.empty() && !request.model_id.empty()) {
    request.run_id = TRY(rooms.tracking.GetLoggedModel(request.model_id)).run_id;
  }
  TRY(AddRun(rooms, request));
  return WithVersion(TRY(rooms.registry.CreateVersion(request)));
}

Result<Json> Get(Rooms& rooms, const Call& call) {
  const VersionName name = TRY(RequireVersionName(call.fields));
  return WithVersion(TRY(rooms.registry.GetVersion(name.model, name.number)));
}

Result<Json> Update(Rooms& rooms, const Call& call) {
  const VersionName name = TRY(RequireVersionName(call.fields));
  const std::string description = TRY(OptionalText(call.fields, "description"));
  return WithVersion(
      TRY(rooms.registry.UpdateVersion(name.model, name.number, description, call.actor)));
}

Result<Json> Delete(Rooms& rooms, const Call& call) {
  const VersionName name = TRY(RequireVersionName(call.fields));
  TRY(rooms.registry.DeleteVersion(name.model, name.number, call.actor));
  return Json::MakeObject();
}

Result<Json> SetTag(Rooms& rooms, const Call& call) {
  const VersionName name = TRY(RequireVersionName(call.fields));
  TRY(rooms.registry.SetVersionTag(name.model, name.number, TRY(RequireText(call.fields, "key")),
                                   TRY(OptionalText(call.fields, "value")), call.actor));
  return Json::MakeObject();
}

Result<Json> DeleteTag(Rooms& rooms, const Call& call) {
  const VersionName name = TRY(RequireVersionName(call.fields));
  TRY(rooms.registry.DeleteVersionTag(name.model, name.number, TRY(RequireText(call.fields, "key")),
                                      call.actor));
  return Json::MakeObject();
}

// Gates judge here; force is the native API's alone.
Result<Json> TransitionStage(Rooms& rooms, const Call& call) {
  const VersionName name = TRY(RequireVersionName(call.fields));
  registry::TransitionRequest request;
  request.model = name.model;
  request.version = name.number;
  request.to = TRY(registry::ParseStage(TRY(RequireText(call.fields, "stage"))));
  request.archive_existing = TRY(OptionalFlag(call.fields, "archive_existing_versions", false));
  request.actor = call.actor;
  return WithVersion(TRY(rooms.registry.Transition(request)).version);
}

Result<Json> GetDownloadUri(Rooms& rooms, const Call& call) {
  const VersionName name = TRY(RequireVersionName(call.fields));
  return Json::MakeObject(
      {{"artifact_uri", UriOfVersion(TRY(rooms.registry.GetVersion(name.model, name.number)))}});
}

Result<bool> Matches(const registry::Version& version, const tracking::Condition& condition) {
  if (condition.entity == tracking::Entity::kTag) {
    const auto tag = version.tags.find(condition.key);
    return MatchesText(condition,
                       tag == version.tags.end() ? std::nullopt : std::optional(tag->second));
  }
  const std::string& key = condition.key;
  if (key == "name") return MatchesText(condition, version.model);
  if (key == "run_id") return MatchesText(condition, version.run_id);
  if (key == "source_path") return MatchesText(condition, version.source);
  return MatchesNumber(condition, static_cast<double>(version.number));
}

// Times are compared in milliseconds, as clients see them.
int Compare(const registry::Version& a, const registry::Version& b, const std::string& key) {
  const auto order = [](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
  if (key == "name") return order(a.model, b.model);
  if (key == "version_number") return order(a.number, b.number);
  if (key == "creation_timestamp")
    return order(a.created / base::kMillisecond, b.created / base::kMillisecond);
  return order(a.updated / base::kMillisecond, b.updated / base::kMillisecond);
}

void Sort(std::vector<registry::Version>& versions, std::vector<tracking::OrderBy> order) {
  if (order.empty()) order = {{tracking::Entity::kAttribute, "last_updated_timestamp", false}};
  order.push_back({tracking::Entity::kAttribute, "name", true});
  order.push_back({tracking::Entity::kAttribute, "version_number", false});
  std::ranges::sort(versions, [&](const registry::Version& a, const registry::Version& b) {
    for (const tracking::OrderBy& by : order) {
      const int compared = Compare(a, b, by.key);
      if (compared != 0) return by.ascending ? compared < 0 : compared > 0;
    }
    return false;
  });
}

// The equalities that the database can answer by an index; every condition is checked again
// afterwards.
registry::VersionQuery Narrowed(const std::vector<tracking::Condition>& conditions) {
  registry::VersionQuery query;
  for (const tracking::Condition& condition : conditions) {
    if (condition.entity != tracking::Entity::kAttribute || condition.op != "=" ||
        condition.texts.size() != 1)
      continue;
    if (condition.key == "name") query.model = condition.texts.front();
    if (condition.key == "run_id") query.run_id = condition.texts.front();
  }
  return query;
}

}  // namespace

Result<Json> SearchModelVersions(Rooms& rooms, const Call& call) {
  Json fields = call.fields;
  const int64_t limit = std::min(
      TRY(OptionalNumber(fields, "max_results")).value_or(kUsualVersions), tracking::kMostPerPage);
  fields.Set("max_results", limit);
  const tracking::SearchQuery query = TRY(DecodeSearch(fields, "", ModelVersionGrammar()));
  std::vector<registry::Version> versions;
  for (registry::Version& version : TRY(rooms.registry.FindVersions(Narrowed(query.conditions)))) {
    bool all = true;
    for (const tracking::Condition& condition : query.conditions)
      all = TRY(Matches(version, condition)) && all;
    if (all) versions.push_back(std::move(version));
  }
  Sort(versions, query.order);
  const tracking::Page<registry::Version> page = CutPage(std::move(versions), query);
  Json found = Json::MakeArray();
  for (const registry::Version& version : page.items) found.Append(VersionJson(version));
  Json answer = Json::MakeObject({{"model_versions", std::move(found)}});
  if (page.more) answer.Set("next_page_token", TokenFor(query.offset + query.limit));
  return answer;
}

void AddModelVersionRoutes(Routes& routes) {
  routes.Add("POST", "model-versions/create", Create);
  routes.AddKept("model-versions/get", "registry", Get);
  routes.Add("PATCH", "model-versions/update", Update);
  routes.Add("DELETE", "model-versions/delete", Delete);
  routes.Add("POST", "model-versions/set-tag", SetTag);
  routes.Add("DELETE", "model-versions/delete-tag", DeleteTag);
  routes.Add("POST", "model-versions/transition-stage", TransitionStage);
  routes.Add("GET", "model-versions/get-download-uri", GetDownloadUri);
  routes.Add("GET", "model-versions/search", SearchModelVersions);
}

}  // namespace slipway::api::mlflow
