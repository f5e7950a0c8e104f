// SPDX-License-Identifier: Apache-2.0
// MLflow's registered-models/*.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

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

constexpr int64_t kUsualModels = 100;

Result<Json> WithModel(Rooms& rooms, const registry::Model& model) {
  const std::vector<registry::Version> versions = TRY(rooms.registry.ListVersions(model.name));
  return Json::MakeObject({{"registered_model", ModelJson(model, versions)}});
}

Result<int64_t> RequireVersion(const Json& fields) {
  const std::optional<int64_t> version = TRY(OptionalNumber(fields, "version"));
  if (!version) return Missing("version");
  return *version;
}

Result<Json> Create(Rooms& rooms, const Call& call) {
  const registry::Model model = TRY(rooms.registry.CreateModel(
      TRY(RequireText(call.fields, "name")), TRY(OptionalTags(call.fields, "tags")),
      TRY(OptionalText(call.fields, "description")), call.actor));
  return WithModel(rooms, model);
}

Result<Json> Get(Rooms& rooms, const Call& call) {
  return WithModel(rooms, TRY(rooms.registry.GetModel(TRY(RequireText(call.fields, "name")))));
}

Result<Json> Update(Rooms& rooms, const Call& call) {
  const std::string name = TRY(RequireText(call.fields, "name"));
  return WithModel(rooms, TRY(rooms.registry.UpdateModel(
                              name, TRY(OptionalText(call.fields, "description")), call.actor)));
}

// The name is part of the address of every version's immutable files.
Result<Json> Rename(Rooms& rooms, const Call& call) {
  TRY(rooms.registry.GetModel(TRY(RequireText(call.fields, "name"))));
  return base::InvalidArgument(
      "new_name",
      "Registered models are not renamed here: the name is part of the address of their "
      "versions. Create a model of the new name and copy the versions to it.");
}

Result<Json> Delete(Rooms& rooms, const Call& call) {
  TRY(rooms.registry.DeleteModel(TRY(RequireText(call.fields, "name")), call.actor));
  return Json::MakeObject();
}

Result<Json> SetTag(Rooms& rooms, const Call& call) {
  TRY(rooms.registry.SetModelTag(TRY(RequireText(call.fields, "name")),
                                 TRY(RequireText(call.fields, "key")),
                                 TRY(OptionalText(call.fields, "value")), call.actor));
  return Json::MakeObject();
}

Result<Json> DeleteTag(Rooms& rooms, const Call& call) {
  TRY(rooms.registry.DeleteModelTag(TRY(RequireText(call.fields, "name")),
                                    TRY(RequireText(call.fields, "key")), call.actor));
  return Json::MakeObject();
}

Result<Json> SetAlias(Rooms& rooms, const Call& call) {
  TRY(rooms.registry.SetAlias(TRY(RequireText(call.fields, "name")),
                              TRY(RequireText(call.fields, "alias")),
                              TRY(RequireVersion(call.fields)), call.actor));
  return Json::MakeObject();
}

Result<Json> DeleteAlias(Rooms& rooms, const Call& call) {
  TRY(rooms.registry.DeleteAlias(TRY(RequireText(call.fields, "name")),
                                 TRY(RequireText(call.fields, "alias")), call.actor));
  return Json::MakeObject();
}

Result<Json> GetAlias(Rooms& rooms, const Call& call) {
  const std::string alias = TRY(RequireText(call.fields, "alias"));
  const std::string name = TRY(RequireText(call.fields, "name"));
  return Json::MakeObject(
      {{"model_version", VersionJson(TRY(rooms.registry.GetByAlias(name, alias)))}});
}

Result<Json> GetLatest(Rooms& rooms, const Call& call) {
  std::vector<registry::Stage> wanted;
  for (const std::string& stage : TRY(OptionalTexts(call.fields, "stages")))
    wanted.push_back(TRY(registry::ParseStage(stage)));
  Json latest = Json::MakeArray();
  for (const registry::Version& version :
       LatestOfEachStage(TRY(rooms.registry.ListVersions(TRY(RequireText(call.fields, "name")))))) {
    if (wanted.empty() || std::ranges::find(wanted, version.stage) != wanted.end())
      latest.Append(VersionJson(version));
  }
  return Json::MakeObject({{"model_versions", std::move(latest)}});
}

Result<bool> Matches(const registry::Model& model, const tracking::Condition& condition) {
  if (condition.entity == tracking::Entity::kTag) {
    const auto tag = model.tags.find(condition.key);
    return MatchesText(condition,
                       tag == model.tags.end() ? std::nullopt : std::optional(tag->second));
  }
  return MatchesText(condition, model.name);
}

// By name where nothing else decides.
void Sort(std::vector<registry::Model>& models, const std::vector<tracking::OrderBy>& order) {
  std::ranges::sort(models, {}, &registry::Model::name);
  for (auto by = order.rbegin(); by != order.rend(); ++by) {
    std::ranges::stable_sort(models, [&](const registry::Model& a, const registry::Model& b) {
      const registry::Model& first = by->ascending ? a : b;
      const registry::Model& second = by->ascending ? b : a;
      if (by->key == "name") return first.name < second.name;
      return first.updated / base::kMillisecond < second.updated / base::kMillisecond;
    });
  }
}

Result<Json> Search(Rooms& rooms, const Call& call) {
  tracking::SearchQuery query = TRY(DecodeSearch(call.fields, "", RegisteredModelGrammar()));
  if (call.fields.Find("max_results") == nullptr) query.limit = kUsualModels;
  std::vector<registry::Model> models;
  for (registry::Model& model : TRY(rooms.registry.ListModels())) {
    bool all = true;
    for (const tracking::Condition& condition : query.conditions)
      all = TRY(Matches(model, condition)) && all;
    if (all) models.push_back(std::move(model));
  }
  Sort(models, query.order);
  const tracking::Page<registry::Model> page = CutPage(std::move(models), query);
  Json found = Json::MakeArray();
  for (const registry::Model& model : page.items) {
    found.Append(ModelJson(model, TRY(rooms.registry.FindVersions(
                                      {.model = model.name, .run_id = {}, .model_id = {}}))));
  }
  Json answer = Json::MakeObject({{"registered_models", std::move(found)}});
  if (page.more) answer.Set("next_page_token", TokenFor(query.offset + query.limit));
  return answer;
}

}  // namespace

void AddRegisteredModelRoutes(Routes& routes) {
  routes.Add("POST", "registered-models/create", Create);
  routes.AddKept("registered-models/get", "registry", Get);
  routes.Add("PATCH", "registered-models/update", Update);
  routes.Add("POST", "registered-models/rename", Rename);
  routes.Add("DELETE", "registered-models/delete", Delete);
  routes.Add("POST", "registered-models/set-tag", SetTag);
  routes.Add("DELETE", "registered-models/delete-tag", DeleteTag);
  routes.Add("POST", "registered-models/alias", SetAlias);
  routes.Add("DELETE", "registered-models/alias", DeleteAlias);
  routes.AddKept("registered-models/alias", "registry", GetAlias);
  routes.Add("POST", "registered-models/get-latest-versions", GetLatest);
  routes.Add("GET", "registered-models/get-latest-versions", GetLatest);
  routes.Add("GET", "registered-models/search", Search);
}

}  // namespace slipway::api::mlflow
