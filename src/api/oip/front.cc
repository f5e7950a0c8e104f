// SPDX-License-Identifier: Apache-2.0
// What callers ask besides predictions: statistics, settings of log and trace, shared memory.
#include "api/oip/front.h"

#include <utility>

#include "base/log.h"

namespace slipway::api::oip {
namespace {

using base::InvalidArgument;
using base::Json;
using base::LogLevel;
using inference::CountedTime;
using inference::ModelStatistics;

Json ToJson(const CountedTime& time) {
  return Json::MakeObject({{"count", time.count}, {"ns", time.ns}});
}

Json ToJson(const std::string& model, int64_t version, const ModelStatistics& of) {
  Json batches = Json::MakeArray();
  for (const ModelStatistics::Batch& batch : of.batches) {
    batches.Append(Json::MakeObject({{"batch_size", batch.rows},
                                     {"compute_input", ToJson(batch.input)},
                                     {"compute_infer", ToJson(batch.run)},
                                     {"compute_output", ToJson(batch.output)}}));
  }
  Json times = Json::MakeObject({{"success", ToJson(of.success)},
                                 {"fail", ToJson(of.fail)},
                                 {"queue", ToJson(of.queue)},
                                 {"compute_input", ToJson(of.input)},
                                 {"compute_infer", ToJson(of.run)},
                                 {"compute_output", ToJson(of.output)},
                                 {"cache_hit", ToJson(of.cache_hit)},
                                 {"cache_miss", ToJson(of.cache_miss)}});
  return Json::MakeObject({{"name", model},
                           {"version", std::to_string(version)},
                           {"last_inference", of.last_run_ms},
                           {"inference_count", of.inference_count},
                           {"execution_count", of.execution_count},
                           {"inference_stats", std::move(times)},
                           {"response_stats", Json::MakeObject()},
                           {"batch_stats", std::move(batches)},
                           {"memory_usage", Json::MakeArray()}});
}

// The log's level as the extension's switches.
struct LogSwitches {
  bool info = true;
  bool warnings = true;
  bool errors = true;
  int64_t verbose = 0;
};

base::Status Change(const std::string& name, const Json& value, LogSwitches& out) {
  const auto flag = [&](bool& into) {
    if (!value.is_bool()) return InvalidArgument(name, "expected true or false");
    into = value.AsBool();
    return base::Status::Ok();
  };
  if (name == "log_info") return flag(out.info);
  if (name == "log_warnings") return flag(out.warnings);
  if (name == "log_errors") return flag(out.errors);
  if (name == "log_verbose_level") {
    if (!value.is_int() || value.AsInt() < 0)
      return InvalidArgument(name, "expected a level, 0 or more");
    out.verbose = value.AsInt();
    return base::Status::Ok();
  }
  if (name == "log_file") {
    if (value == Json("")) return base::Status::Ok();
    return InvalidArgument(name, "expected \"\": the log goes to standard error, nowhere else");
  }
  if (name == "log_format") {
    if (value == Json("ISO8601")) return base::Status::Ok();
    return InvalidArgument(name,
                           "expected ISO8601: the log's format is set when the server starts");
  }
  return InvalidArgument(name,
                         "no such setting; known are log_info, log_warnings, log_errors, "
                         "log_verbose_level, log_file and log_format");
}

// Levels contain each other, so a switch cannot be off below one that is on.
base::Result<LogLevel> LevelOf(const LogSwitches& switches) {
  if (!switches.errors) return InvalidArgument("log_errors", "errors are always logged");
  if (switches.verbose > 0 && !switches.info)
    return InvalidArgument("log_info", "cannot be off while log_verbose_level is above 0");
  if (switches.info && !switches.warnings)
    return InvalidArgument("log_warnings", "cannot be off while log_info is on");
  if (switches.verbose > 0) return LogLevel::kDebug;
  if (switches.info) return LogLevel::kInfo;
  return switches.warnings ? LogLevel::kWarning : LogLevel::kError;
}

LogSwitches SwitchesOf(LogLevel level) {
  return {level <= LogLevel::kInfo, level <= LogLevel::kWarning, true,
          level == LogLevel::kDebug ? 1 : 0};
}

}  // namespace

base::Status NoCuda() {
  return base::FailedPrecondition(
      "no_cuda", "this server has no GPU: tensors may be passed in system shared memory");
}

Front::Front(OipParts parts)
    : predictor(parts.predictor),
      repository(parts.repository),
      max_batch_rows(parts.max_batch_rows),
      settings(std::move(parts.settings)),
      ready(std::move(parts.ready)),
      regions(settings.shared_memory),
      tracer(std::move(parts.trace_folder)) {}

base::Result<Json> Front::Statistics(const std::string& model,
                                     std::optional<int64_t> version) const {
  Json all = Json::MakeArray();
  const std::vector<std::string> models =
      model.empty() ? predictor.Endpoints() : std::vector<std::string>{model};
  for (const std::string& one : models) {
    const auto versions = predictor.Statistics(one, version);
    if (!versions.ok()) {
      if (model.empty()) continue;  // gone since its name was listed
      return versions.status();
    }
    for (const auto& of : *versions) all.Append(ToJson(one, of.version, of.statistics));
  }
  return Json::MakeObject({{"model_stats", std::move(all)}});
}

Json Front::LogSettings() const {
  const LogSwitches switches = SwitchesOf(base::LeastLogLevel());
  return Json::MakeObject({{"log_file", ""},
                           {"log_info", switches.info},
                           {"log_warnings", switches.warnings},
                           {"log_errors", switches.errors},
                           {"log_verbose_level", switches.verbose},
                           {"log_format", "ISO8601"}});
}

base::Result<Json> Front::SetLogSettings(const Json& changes) const {
  if (!changes.is_object()) return InvalidArgument("body", "expected an object of log settings");
  LogSwitches switches = SwitchesOf(base::LeastLogLevel());
  for (const auto& [name, value] : changes.AsObject()) TRY(Change(name, value, switches));
  base::SetLeastLogLevel(TRY(LevelOf(switches)));
  return LogSettings();
}

base::Result<Json> Front::TraceSettings(const std::string& model) const {
  if (!model.empty()) TRY(predictor.Describe(model, std::nullopt));
  return tracer.Settings(model);
}

base::Result<Json> Front::SetTraceSettings(const std::string& model, const Json& changes) {
  if (!model.empty()) TRY(predictor.Describe(model, std::nullopt));
  return tracer.Update(model, changes);
}

repository::ConfigAnswer Front::Config(const serving::Predictor::ModelInfo& info) const {
  repository::ConfigAnswer answer{info.endpoint, info.config, info.description, max_batch_rows};
  if (repository != nullptr) answer.versions = repository->PolicyOf(info.endpoint);
  return answer;
}

Json Front::Index(bool ready_only) const {
  Json all = Json::MakeArray();
  for (const repository::IndexEntry& entry : repository->Index(ready_only)) {
    Json one = Json::MakeObject({{"name", entry.name}});
    if (entry.version > 0) one.Set("version", std::to_string(entry.version));
    one.Set("state", StateName(entry.state));
    one.Set("reason", entry.reason);
    all.Append(std::move(one));
  }
  return all;
}

base::Result<Json> Front::Regions(const std::string& name) const {
  Json all = Json::MakeArray();
  for (const auto& region : TRY(regions.List(name))) {
    all.Append(Json::MakeObject({{"name", region->name},
                                 {"key", region->key},
                                 {"offset", region->offset},
                                 {"byte_size", region->bytes}}));
  }
  return all;
}

}  // namespace slipway::api::oip
