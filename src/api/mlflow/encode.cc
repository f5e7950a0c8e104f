// SPDX-License-Identifier: Apache-2.0
// The way back of MLflow's protocol: values to the JSON that its clients parse into their entities.
#include "api/mlflow/encode.h"

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "registry/registry.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

base::Json DatasetJson(const tracking::DatasetInput& dataset) {
  base::Json about = base::Json::MakeObject({{"name", dataset.name},
                                             {"digest", dataset.digest},
                                             {"source_type", dataset.source_type},
                                             {"source", dataset.source}});
  if (!dataset.schema.empty()) about.Set("schema", dataset.schema);
  if (!dataset.profile.empty()) about.Set("profile", dataset.profile);
  return base::Json::MakeObject({{"tags", TagsJson(dataset.tags)}, {"dataset", std::move(about)}});
}

base::Json MetricsJson(const std::vector<tracking::Metric>& metrics) {
  base::Json json = base::Json::MakeArray();
  for (const tracking::Metric& metric : metrics) json.Append(MetricJson(metric));
  return json;
}

int64_t ToMs(base::Micros time) { return time / base::kMillisecond; }

}  // namespace

base::Json TagsJson(const std::map<std::string, std::string>& tags) {
  base::Json json = base::Json::MakeArray();
  for (const auto& [key, value] : tags)
    json.Append(base::Json::MakeObject({{"key", key}, {"value", value}}));
  return json;
}

base::Json ParamsJson(const std::vector<tracking::Param>& params) {
  base::Json json = base::Json::MakeArray();
  for (const tracking::Param& param : params) {
    json.Append(base::Json::MakeObject({{"key", param.key}, {"value", param.value}}));
  }
  return json;
}

base::Json ExperimentJson(const tracking::Experiment& experiment) {
  return base::Json::MakeObject({{"experiment_id", experiment.id},
                                 {"name", experiment.name},
                                 {"artifact_location", experiment.artifact_uri},
                                 {"lifecycle_stage", experiment.deleted ? "deleted" : "active"},
                                 {"creation_time", experiment.created_ms},
                                 {"last_update_time", experiment.updated_ms},
                                 {"tags", TagsJson(experiment.tags)}});
}

base::Json RunInfoJson(const tracking::RunInfo& info) {
  base::Json json = base::Json::MakeObject({{"run_id", info.run_id},
                                            {"run_uuid", info.run_id},
                                            {"run_name", info.name},
                                            {"experiment_id", info.experiment_id},
                                            {"user_id", info.user},
                                            {"status", info.status},
                                            {"start_time", info.start_ms}});
  if (info.end_ms) json.Set("end_time", *info.end_ms);
  json.Set("artifact_uri", info.artifact_uri);
  json.Set("lifecycle_stage", info.deleted ? "deleted" : "active");
  return json;
}

base::Json MetricJson(const tracking::Metric& metric) {
  base::Json json = base::Json::MakeObject(
      {{"key", metric.key},
       {"value", std::isnan(metric.value) ? base::Json("NaN") : base::Json(metric.value)},
       {"timestamp", metric.timestamp_ms},
       {"step", metric.step}});
  if (!metric.model_id.empty()) json.Set("model_id", metric.model_id);
  if (!metric.dataset_name.empty()) json.Set("dataset_name", metric.dataset_name);
  if (!metric.dataset_digest.empty()) json.Set("dataset_digest", metric.dataset_digest);
  return json;
}

base::Json RunJson(const tracking::Run& run) {
  base::Json datasets = base::Json::MakeArray();
  for (const tracking::DatasetInput& dataset : run.datasets) datasets.Append(DatasetJson(dataset));
  base::Json inputs = base::Json::MakeArray();
  for (const tracking::ModelLink& model : run.model_inputs)
    inputs.Append(base::Json::MakeObject({{"model_id", model.model_id}}));
  base::Json outputs = base::Json::MakeArray();
  for (const tracking::ModelLink& model : run.model_outputs) {
    outputs.Append(base::Json::MakeObject({{"model_id", model.model_id}, {"step", model.step}}));
  }
  // Set moves what MakeObject's list would copy, and a page may have thousands of runs.
  base::Json data = base::Json::MakeObject();
  data.Set("metrics", MetricsJson(run.metrics));
  data.Set("params", ParamsJson(run.params));
  data.Set("tags", TagsJson(run.tags));
  base::Json all_inputs = base::Json::MakeObject();
  all_inputs.Set("dataset_inputs", std::move(datasets));
  all_inputs.Set("model_inputs", std::move(inputs));
  base::Json all_outputs = base::Json::MakeObject();
  all_outputs.Set("model_outputs", std::move(outputs));
  base::Json json = base::Json::MakeObject();
  json.Set("info", RunInfoJson(run.info));
  json.Set("data", std::move(data));
  json.Set("inputs", std::move(all_inputs));
  json.Set("outputs", std::move(all_outputs));
  return json;
}

base::Json LoggedModelJson(const tracking::LoggedModel& model) {
  base::Json info = base::Json::MakeObject({{"model_id", model.model_id},
                                            {"experiment_id", model.experiment_id},
                                            {"name", model.name},
                                            {"creation_timestamp_ms", model.created_ms},
                                            {"last_updated_timestamp_ms", model.updated_ms},
                                            {"artifact_uri", model.artifact_uri},
                                            {"status", model.status},
                                            {"model_type", model.type},
                                            {"source_run_id", model.run_id},
                                            {"status_message", model.status_message},
                                            {"tags", TagsJson(model.tags)}});
  base::Json metrics = MetricsJson(model.metrics);
  for (base::Json& metric : metrics.AsArray()) metric.Set("run_id", model.run_id);
  return base::Json::MakeObject(
      {{"info", std::move(info)},
       {"data", base::Json::MakeObject(
                    {{"params", ParamsJson(model.params)}, {"metrics", std::move(metrics)}})}});
}

base::Json VersionJson(const registry::Version& version) {
  base::Json aliases = base::Json::MakeArray();
  for (const std::string& alias : version.aliases) aliases.Append(alias);
  base::Json json = base::Json::MakeObject({{"name", version.model},
                                            {"version", std::to_string(version.number)},
                                            {"creation_timestamp", ToMs(version.created)},
                                            {"last_updated_timestamp", ToMs(version.updated)},
                                            {"user_id", version.user},
                                            {"current_stage", registry::StageName(version.stage)},
                                            {"description", version.description},
                                            {"source", version.source},
                                            {"run_id", version.run_id},
                                            {"run_link", version.run_link},
                                            {"status", version.status},
                                            {"status_message", version.status_message},
                                            {"tags", TagsJson(version.tags)},
                                            {"aliases", std::move(aliases)}});
  if (!version.model_id.empty()) json.Set("model_id", version.model_id);
  return json;
}

std::vector<registry::Version> LatestOfEachStage(const std::vector<registry::Version>& versions) {
  std::map<registry::Stage, registry::Version> newest;
  for (const registry::Version& version : versions) {
    registry::Version& known = newest[version.stage];
    if (known.number < version.number) known = version;
  }
  std::vector<registry::Version> latest;
  latest.reserve(newest.size());
  for (auto& [stage, version] : newest) latest.push_back(std::move(version));
  return latest;
}

base::Json ModelJson(const registry::Model& model, const std::vector<registry::Version>& versions) {
  base::Json latest = base::Json::MakeArray();
  for (const registry::Version& version : LatestOfEachStage(versions))
    latest.Append(VersionJson(version));
  base::Json aliases = base::Json::MakeArray();
  for (const auto& [alias, number] : model.aliases) {
    aliases.Append(base::Json::MakeObject({{"alias", alias}, {"version", std::to_string(number)}}));
  }
  return base::Json::MakeObject({{"name", model.name},
                                 {"creation_timestamp", ToMs(model.created)},
                                 {"last_updated_timestamp", ToMs(model.updated)},
                                 {"description", model.description},
                                 {"latest_versions", std::move(latest)},
                                 {"tags", TagsJson(model.tags)},
                                 {"aliases", std::move(aliases)}});
}

}  // namespace slipway::api::mlflow
