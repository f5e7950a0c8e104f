// SPDX-License-Identifier: Apache-2.0
// MLflow 3's logged-models/*.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/mlflow/call.h"
#include "api/mlflow/encode.h"
#include "api/mlflow/filter.h"
#include "api/mlflow/grammar.h"
#include "api/mlflow/search_fields.h"
#include "base/json.h"
#include "base/status.h"
#include "registry/registry.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

using base::Json;
using base::Result;

Json WithModel(const tracking::LoggedModel& model) {
  return Json::MakeObject({{"model", LoggedModelJson(model)}});
}

const std::string& IdOf(const Call& call) { return call.http.GetParam("model_id"); }

Result<Json> Create(Rooms& rooms, const Call& call) {
  tracking::LoggedModel model;
  model.experiment_id = TRY(RequireText(call.fields, "experiment_id"));
  model.name = TRY(OptionalText(call.fields, "name"));
  model.type = TRY(OptionalText(call.fields, "model_type"));
  model.run_id = TRY(OptionalText(call.fields, "source_run_id"));
  model.params = TRY(OptionalParams(call.fields, "params"));
  model.tags = TRY(OptionalTags(call.fields, "tags"));
  return WithModel(TRY(rooms.tracking.CreateLoggedModel(std::move(model), call.actor)));
}

Result<Json> Get(Rooms& rooms, const Call& call) {
  return WithModel(TRY(rooms.tracking.GetLoggedModel(IdOf(call))));
}

Result<Json> Finalize(Rooms& rooms, const Call& call) {
  const Json* value = call.fields.Find("status");
  if (value == nullptr) return Missing("status");
  std::string status;
  if (value->is_int()) {  // protobuf's numbers
    status = value->AsInt() == 2   ? "LOGGED_MODEL_READY"
             : value->AsInt() == 3 ? "LOGGED_MODEL_UPLOAD_FAILED"
                                   : "";
  } else {
    status = TRY(RequireText(call.fields, "status"));
  }
  return WithModel(TRY(rooms.tracking.FinalizeLoggedModel(IdOf(call), status, call.actor)));
}

Result<Json> LogParams(Rooms& rooms, const Call& call) {
  TRY(rooms.tracking.LogLoggedModelParams(IdOf(call), TRY(OptionalParams(call.fields, "params"))));
  return Json::MakeObject();
}

Result<Json> SetTags(Rooms& rooms, const Call& call) {
  TRY(rooms.tracking.SetLoggedModelTags(IdOf(call), TRY(OptionalTags(call.fields, "tags"))));
  return WithModel(TRY(rooms.tracking.GetLoggedModel(IdOf(call))));
}

Result<Json> DeleteTag(Rooms& rooms, const Call& call) {
  TRY(rooms.tracking.DeleteLoggedModelTag(IdOf(call), call.http.GetParam("key")));
  return Json::MakeObject();
}

// As a run, a logged model stays while a version made of it is in use.
Result<Json> Delete(Rooms& rooms, const Call& call) {
  registry::VersionQuery query;
  query.model_id = IdOf(call);
  for (const registry::Version& version : TRY(rooms.registry.FindVersions(query))) {
    const bool staged =
        version.stage == registry::Stage::kStaging || version.stage == registry::Stage::kProduction;
    if (!staged && version.aliases.empty()) continue;
    return base::FailedPrecondition(
        "logged_model_in_use", "Logged model " + IdOf(call) + " cannot be deleted: version " +
                                   std::to_string(version.number) + " of model '" + version.model +
                                   "' was made of it and is in use.");
  }
  TRY(rooms.tracking.DeleteLoggedModel(IdOf(call), call.actor));
  return Json::MakeObject();
}

// A field is named as it is, without quotes: "metrics.my score".
Result<std::vector<tracking::OrderBy>> DecodeOrder(const Json& fields) {
  constexpr std::string_view kMetrics = "metrics.";
  std::vector<tracking::OrderBy> order;
  const Json::Array* items = TRY(OptionalObjects(fields, "order_by"));
  if (items == nullptr) return order;
  for (const Json& item : *items) {
    const std::string field = TRY(RequireText(item, "field_name"));
    tracking::OrderBy by{tracking::Entity::kMetric, field, true};
    if (field.starts_with(kMetrics)) {
      by.key = field.substr(kMetrics.size());
    } else {
      by = TRY(ParseOrderBy({field}, LoggedModelGrammar())).front();
    }
    by.ascending = TRY(OptionalFlag(item, "ascending", true));
    by.dataset_name = TRY(OptionalText(item, "dataset_name"));
    by.dataset_digest = TRY(OptionalText(item, "dataset_digest"));
    order.push_back(std::move(by));
  }
  return order;
}

Result<std::vector<tracking::DatasetName>> DecodeDatasets(const Json& fields) {
  std::vector<tracking::DatasetName> datasets;
  const Json::Array* items = TRY(OptionalObjects(fields, "datasets"));
  if (items == nullptr) return datasets;
  for (const Json& item : *items) {
    datasets.push_back(
        {TRY(RequireText(item, "dataset_name")), TRY(OptionalText(item, "dataset_digest"))});
  }
  return datasets;
}

Result<Json> Search(Rooms& rooms, const Call& call) {
  tracking::SearchQuery query = TRY(DecodeSearch(call.fields, "view_type", LoggedModelGrammar()));
  query.order = TRY(DecodeOrder(call.fields));
  query.experiment_ids = TRY(OptionalTexts(call.fields, "experiment_ids"));
  query.datasets = TRY(DecodeDatasets(call.fields));
  const tracking::Page<tracking::LoggedModel> page = TRY(rooms.tracking.SearchLoggedModels(query));
  Json models = Json::MakeArray();
  for (const tracking::LoggedModel& model : page.items) models.Append(LoggedModelJson(model));
  Json answer = Json::MakeObject({{"models", std::move(models)}});
  if (page.more) answer.Set("next_page_token", TokenFor(query.offset + query.limit));
  return answer;
}

}  // namespace

void AddLoggedModelRoutes(Routes& routes) {
  routes.Add("POST", "logged-models", Create);
  routes.Add("POST", "logged-models/search", Search);
  routes.Add("GET", "logged-models/{model_id}", Get);
  routes.Add("PATCH", "logged-models/{model_id}", Finalize);
  routes.Add("DELETE", "logged-models/{model_id}", Delete);
  routes.Add("POST", "logged-models/{model_id}/params", LogParams);
  routes.Add("PATCH", "logged-models/{model_id}/tags", SetTags);
  routes.Add("DELETE", "logged-models/{model_id}/tags/{key}", DeleteTag);
}

}  // namespace slipway::api::mlflow
