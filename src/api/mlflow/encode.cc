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

template <typename Items, typename Append>
void AppendList(std::string& out, const Items& items, Append append) {
  out += "[";
  bool first = true;
  for (const auto& item : items) {
    if (!first) out += ",";
    first = false;
    append(out, item);
  }
  out += "]";
}

void AppendPair(std::string& out, const std::string& key, const std::string& value) {
  out += "{\"key\":";
  base::AppendJsonString(out, key);
  out += ",\"value\":";
  base::AppendJsonString(out, value);
  out += "}";
}

// As MetricJson; of a run's own metrics, which measure no logged model.
void AppendMetric(std::string& out, const tracking::Metric& metric) {
  out += "{\"key\":";
  base::AppendJsonString(out, metric.key);
  out += ",\"value\":";
  if (std::isnan(metric.value)) {
    out += "\"NaN\"";
  } else {
    base::AppendJsonNumber(out, metric.value);
  }
  out += ",\"timestamp\":" + std::to_string(metric.timestamp_ms);
  out += ",\"step\":" + std::to_string(metric.step) + "}";
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

void AppendRun(std::string& out, const tracking::Run& run) {
  out += "{\"info\":";
  out += RunInfoJson(run.info).Dump();
  out += ",\"data\":{\"metrics\":";
  AppendList(out, run.metrics, AppendMetric);
  out += ",\"params\":";
  AppendList(out, run.params, [](std::string& to, const tracking::Param& param) {
    AppendPair(to, param.key, param.value);
  });
  out += ",\"tags\":";
  AppendList(out, run.tags,
             [](std::string& to, const auto& tag) { AppendPair(to, tag.first, tag.second); });
  out += "},\"inputs\":{\"dataset_inputs\":";
  AppendList(out, run.datasets, [](std::string& to, const tracking::DatasetInput& dataset) {
    to += DatasetJson(dataset).Dump();
  });
  out += ",\"model_inputs\":";
  AppendList(out, run.model_inputs, [](std::string& to, const tracking::ModelLink& model) {
    to += "{\"model_id\":";
    base::AppendJsonString(to, model.model_id);
    to += "}";
  });
  out += "},\"outputs\":{\"model_outputs\":";
  AppendList(out, run.model_outputs, [](std::string& to, const tracking::ModelLink& model) {
    to += "{\"model_id\":";
    base::AppendJsonString(to, model.model_id);
    to += ",\"step\":" + std::to_string(model.step) + "}";
  });
  out += "}}";
}

std::string RunText(const tracking::Run& run) {
  std::string text;
  AppendRun(text, run);
  return text;
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
