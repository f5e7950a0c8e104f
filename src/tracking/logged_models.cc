// SPDX-License-Identifier: Apache-2.0
// A version's walk, the model that a run made: logged first, registered later.
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/json.h"
#include "base/status.h"
#include "events/actor.h"
#include "storage/database.h"
#include "tracking/state.h"
#include "tracking/tracking.h"

namespace slipway::tracking {
namespace {

constexpr std::string_view kNameForbids = "/:.%\"'";

base::Status CheckName(const std::string& name) {
  const bool bad = name.find_first_of(kNameForbids) != std::string::npos;
  if (!bad && name.size() <= kMostKeyBytes) return {};
  return base::InvalidArgument("name", "Invalid model name ('" + name +
                                           "') provided. It has at most " +
                                           std::to_string(kMostKeyBytes) + " bytes and none of " +
                                           std::string(kNameForbids) + ".");
}

base::Status WriteParams(storage::Transaction& transaction, const std::string& model_id,
                         const std::vector<Param>& params) {
  for (const Param& param : params) {
    TRY(transaction.Execute(
        "INSERT INTO tracking_logged_model_params (model_id, key, value) VALUES ($1, $2, $3) "
        "ON CONFLICT (model_id, key) DO UPDATE SET value = excluded.value",
        {model_id, param.key, param.value}));
  }
  return {};
}

base::Status WriteModelTags(storage::Transaction& transaction, const std::string& model_id,
                            const Tags& tags) {
  for (const auto& [key, value] : tags) {
    TRY(transaction.Execute(
        "INSERT INTO tracking_logged_model_tags (model_id, key, value) VALUES ($1, $2, $3) "
        "ON CONFLICT (model_id, key) DO UPDATE SET value = excluded.value",
        {model_id, key, value}));
  }
  return {};
}

}  // namespace

base::Result<LoggedModel> Tracking::CreateLoggedModel(LoggedModel model,
                                                      const events::Actor& actor) {
  TRY(CheckName(model.name));
  TRY(CheckTags(model.tags, kMostTagsPerCall));
  TRY(CheckParams(model.params));
  model.model_id = "m-" + base::RandomHex32();
  if (model.name.empty()) model.name = "model-" + model.model_id.substr(2, 8);
  LoggedModel made;
  TRY(state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    const Experiment experiment = TRY(LoadExperiment(transaction, model.experiment_id));
    TRY(RequireActive(experiment));
    if (!model.run_id.empty()) TRY(LoadRunInfo(transaction, model.run_id));
    TRY(
        transaction.Execute("INSERT INTO tracking_logged_models (model_id, experiment_id, name, "
                            "status, status_message, type, run_id, "
                            "created_ms, updated_ms, deleted) VALUES ($1, $2, $3, "
                            "'LOGGED_MODEL_PENDING', '', $4, $5, $6, $6, 0)",
                            {model.model_id, TRY(ParseExperimentId(model.experiment_id)),
                             model.name, model.type, model.run_id, state_->NowMs()}));
    TRY(WriteParams(transaction, model.model_id, model.params));
    TRY(WriteModelTags(transaction, model.model_id, model.tags));
    TRY(state_->Emit(transaction, "logged_model.created", LoggedModelSubject(model.model_id), actor,
                     base::Json::MakeObject({{"name", model.name}, {"run_id", model.run_id}})));
    made = TRY(LoadLoggedModel(transaction, model.model_id));
    return {};
  }));
  return made;
}

base::Result<LoggedModel> Tracking::GetLoggedModel(const std::string& model_id) {
  LoggedModel model;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    model = TRY(LoadLoggedModel(transaction, model_id));
    return {};
  }));
  return model;
}

base::Result<LoggedModel> Tracking::FinalizeLoggedModel(const std::string& model_id,
                                                        const std::string& status,
                                                        const events::Actor& actor) {
  if (status != "LOGGED_MODEL_READY" && status != "LOGGED_MODEL_UPLOAD_FAILED") {
    return base::InvalidArgument(
        "status", "Invalid model status: '" + status +
                      "'. Expected LOGGED_MODEL_READY or LOGGED_MODEL_UPLOAD_FAILED.");
  }
  LoggedModel model;
  TRY(state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadLoggedModel(transaction, model_id));
    TRY(transaction.Execute(
        "UPDATE tracking_logged_models SET status = $2, updated_ms = $3 WHERE model_id = $1",
        {model_id, status, state_->NowMs()}));
    TRY(state_->Emit(transaction, "logged_model.finalized", LoggedModelSubject(model_id), actor,
                     base::Json::MakeObject({{"status", status}})));
    model = TRY(LoadLoggedModel(transaction, model_id));
    return {};
  }));
  return model;
}

base::Status Tracking::LogLoggedModelParams(const std::string& model_id,
                                            const std::vector<Param>& params) {
  TRY(CheckParams(params));
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadLoggedModel(transaction, model_id));
    return WriteParams(transaction, model_id, params);
  });
}

base::Status Tracking::SetLoggedModelTags(const std::string& model_id, const Tags& tags) {
  TRY(CheckTags(tags, kMostTagsPerCall));
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadLoggedModel(transaction, model_id));
    return WriteModelTags(transaction, model_id, tags);
  });
}

base::Status Tracking::DeleteLoggedModelTag(const std::string& model_id, const std::string& key) {
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadLoggedModel(transaction, model_id));
    TRY(transaction.Execute(
        "DELETE FROM tracking_logged_model_tags WHERE model_id = $1 AND key = $2",
        {model_id, key}));
    return {};
  });
}

base::Status Tracking::DeleteLoggedModel(const std::string& model_id, const events::Actor& actor) {
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadLoggedModel(transaction, model_id));
    TRY(state_->RequireUnused(transaction, "", model_id));
    TRY(transaction.Execute(
        "UPDATE tracking_logged_models SET deleted = 1, updated_ms = $2 WHERE model_id = $1",
        {model_id, state_->NowMs()}));
    return state_->Emit(transaction, "logged_model.deleted", LoggedModelSubject(model_id), actor,
                        base::Json::MakeObject());
  });
}

}  // namespace slipway::tracking
