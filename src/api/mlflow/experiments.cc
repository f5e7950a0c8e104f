// SPDX-License-Identifier: Apache-2.0
// MLflow's experiments/*.
#include <string>
#include <utility>

#include "api/mlflow/call.h"
#include "api/mlflow/encode.h"
#include "api/mlflow/grammar.h"
#include "api/mlflow/search_fields.h"
#include "base/json.h"
#include "base/status.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

using base::Json;
using base::Result;

Json WithExperiment(const tracking::Experiment& experiment) {
  return Json::MakeObject({{"experiment", ExperimentJson(experiment)}});
}

Result<Json> Create(Rooms& rooms, const Call& call) {
  const std::string location = TRY(OptionalText(call.fields, "artifact_location"));
  if (!location.empty()) {
    return base::InvalidArgument(
        "artifact_location",
        "This server keeps artifacts itself: leave artifact_location out (it was '" + location +
            "').");
  }
  const tracking::Experiment experiment = TRY(rooms.tracking.CreateExperiment(
      TRY(RequireText(call.fields, "name")), TRY(OptionalTags(call.fields, "tags")), call.actor));
  return Json::MakeObject({{"experiment_id", experiment.id}});
}

Result<Json> Get(Rooms& rooms, const Call& call) {
  return WithExperiment(
      TRY(rooms.tracking.GetExperiment(TRY(RequireText(call.fields, "experiment_id")))));
}

Result<Json> GetByName(Rooms& rooms, const Call& call) {
  return WithExperiment(
      TRY(rooms.tracking.GetExperimentByName(TRY(RequireText(call.fields, "experiment_name")))));
}

Result<Json> Update(Rooms& rooms, const Call& call) {
  const std::string id = TRY(RequireText(call.fields, "experiment_id"));
  const std::string name = TRY(OptionalText(call.fields, "new_name"));
  if (!name.empty()) TRY(rooms.tracking.RenameExperiment(id, name, call.actor));
  return Json::MakeObject();
}

Result<Json> Delete(Rooms& rooms, const Call& call) {
  TRY(rooms.tracking.DeleteExperiment(TRY(RequireText(call.fields, "experiment_id")), call.actor));
  return Json::MakeObject();
}

Result<Json> Restore(Rooms& rooms, const Call& call) {
  TRY(rooms.tracking.RestoreExperiment(TRY(RequireText(call.fields, "experiment_id")), call.actor));
  return Json::MakeObject();
}

Result<Json> SetTag(Rooms& rooms, const Call& call) {
  TRY(rooms.tracking.SetExperimentTag(TRY(RequireText(call.fields, "experiment_id")),
                                      TRY(RequireText(call.fields, "key")),
                                      TRY(OptionalText(call.fields, "value"))));
  return Json::MakeObject();
}

Result<Json> DeleteTag(Rooms& rooms, const Call& call) {
  TRY(rooms.tracking.DeleteExperimentTag(TRY(RequireText(call.fields, "experiment_id")),
                                         TRY(RequireText(call.fields, "key"))));
  return Json::MakeObject();
}

Result<Json> Search(Rooms& rooms, const Call& call) {
  const tracking::SearchQuery query =
      TRY(DecodeSearch(call.fields, "view_type", ExperimentGrammar()));
  const tracking::Page<tracking::Experiment> page = TRY(rooms.tracking.SearchExperiments(query));
  Json experiments = Json::MakeArray();
  for (const tracking::Experiment& experiment : page.items)
    experiments.Append(ExperimentJson(experiment));
  Json answer = Json::MakeObject({{"experiments", std::move(experiments)}});
  if (page.more) answer.Set("next_page_token", TokenFor(query.offset + query.limit));
  return answer;
}

}  // namespace

void AddExperimentRoutes(Routes& routes) {
  routes.Add("POST", "experiments/create", Create);
  routes.AddKept("experiments/get", "tracking", Get);
  routes.AddKept("experiments/get-by-name", "tracking", GetByName);
  routes.Add("POST", "experiments/update", Update);
  routes.Add("POST", "experiments/delete", Delete);
  routes.Add("POST", "experiments/restore", Restore);
  routes.Add("POST", "experiments/set-experiment-tag", SetTag);
  routes.Add("POST", "experiments/delete-experiment-tag", DeleteTag);
  routes.Add("POST", "experiments/search", Search);
  routes.Add("GET", "experiments/search", Search);
}

}  // namespace slipway::api::mlflow
