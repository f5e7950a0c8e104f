// SPDX-License-Identifier: Apache-2.0
// mlruns/: an experiment is a folder, so is a run; each metric, parameter and tag is a file.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/json.h"
#include "base/status.h"
#include "base/yaml.h"
#include "registry/registry.h"
#include "tracking/import.h"
#include "tracking/tracking.h"
#include "transfer/mlflow_source.h"

namespace slipway::transfer {
namespace {

namespace fs = std::filesystem;
using base::Json;
using base::Result;

constexpr int64_t kMostFileBytes = 1LL << 30;
constexpr std::string_view kDeletedStage = "Deleted_Internal";
constexpr const char* kRunStatus[] = {"RUNNING",  "RUNNING", "SCHEDULED",
                                      "FINISHED", "FAILED",  "KILLED"};
constexpr const char* kModelStatus[] = {"LOGGED_MODEL_STATUS_UNSPECIFIED", "LOGGED_MODEL_PENDING",
                                        "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"};

std::string TextOf(const Json& meta, std::string_view key) {
  const Json* value = meta.Find(key);
  return value != nullptr && value->is_string() ? value->AsString() : "";
}

int64_t IntOf(const Json& meta, std::string_view key) {
  return std::atoll(TextOf(meta, key).c_str());
}

template <size_t kCount>
std::string NameOf(const char* const (&names)[kCount], int64_t number) {
  return names[number >= 0 && number < static_cast<int64_t>(kCount) ? number : 0];
}

Result<Json> Meta(const fs::path& folder) {
  const std::string path = (folder / "meta.yaml").string();
  return base::ParseYamlTexts(TRY(base::ReadFile(path, kMostFileBytes)), path);
}

// The folders in `folder`, by name; none when it is not there.
std::vector<fs::path> Folders(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_directory() && !entry.is_symlink()) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// Each file below `folder`: its path relative to it, which is a key, and its content.
base::Status ForFiles(const fs::path& folder,
                      const std::function<base::Status(std::string, std::string)>& take) {
  if (!fs::is_directory(folder)) return {};
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.is_symlink()) continue;
    TRY(take(entry.path().lexically_relative(folder).string(),
             TRY(base::ReadFile(entry.path().string(), kMostFileBytes))));
  }
  return {};
}

base::Status ReadTexts(const fs::path& folder, std::map<std::string, std::string>& texts) {
  return ForFiles(folder, [&](std::string key, std::string text) -> base::Status {
    texts[std::move(key)] = std::move(text);
    return {};
  });
}

base::Status ReadParams(const fs::path& folder, std::vector<tracking::Param>& params) {
  return ForFiles(folder, [&](std::string key, std::string text) -> base::Status {
    params.push_back({std::move(key), std::move(text)});
    return {};
  });
}

// "timestamp value [step [dataset name, digest]]"; of a logged model also the run between.
Result<tracking::Metric> ParseMetric(const std::string& key, const std::string& line) {
  std::istringstream words(line);
  std::string timestamp;
  std::string value;
  std::string step = "0";
  words >> timestamp >> value;
  words >> step;
  tracking::Metric metric;
  metric.key = key;
  metric.timestamp_ms = std::atoll(timestamp.c_str());
  metric.step = std::atoll(step.c_str());
  char* end = nullptr;
  metric.value = std::strtod(value.c_str(), &end);
  if (value.empty() || *end != '\0')
    return base::InvalidArgument("metrics", "'" + line + "' of metric '" + key +
                                                "' is not a line of mlruns/: expected timestamp, "
                                                "value and step");
  return metric;
}

base::Status ReadMetrics(const fs::path& folder, std::vector<tracking::Metric>& metrics) {
  return ForFiles(folder, [&](const std::string& key, const std::string& text) -> base::Status {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty()) metrics.push_back(TRY(ParseMetric(key, line)));
    }
    return {};
  });
}

class FolderSource final : public MlflowSource {
 public:
  explicit FolderSource(fs::path root) : root_(std::move(root)) {}

  // Finds what is there; contents are read when they are asked for.
  base::Status Look() {
    for (const fs::path& parent : {root_, root_ / ".trash"}) {
      for (const fs::path& folder : Folders(parent)) {
        if (fs::exists(folder / "meta.yaml")) TRY(LookAt(folder));
      }
    }
    if (!experiments_.empty()) return {};
    return base::FailedPrecondition("no_mlflow_store",
                                    root_.string() +
                                        " holds no experiments: expected a folder as MLflow's file "
                                        "store keeps it, with <experiment>/meta.yaml");
  }

  Result<std::vector<tracking::Experiment>> Experiments() override { return experiments_; }

  Result<std::vector<tracking::FullRun>> RunsAfter(const std::string& run_id,
                                                   int64_t most) override {
    std::vector<tracking::FullRun> runs;
    for (auto next = runs_.upper_bound(run_id);
         next != runs_.end() && static_cast<int64_t>(runs.size()) < most; ++next)
      runs.push_back(TRY(ReadRun(next->second)));
    return runs;
  }

  Result<std::vector<tracking::LoggedModel>> LoggedModels() override {
    std::vector<tracking::LoggedModel> models;
    for (const fs::path& folder : logged_models_) {
      const Json meta = TRY(Meta(folder));
      if (TextOf(meta, "lifecycle_stage") == "deleted") continue;
      tracking::LoggedModel& model = models.emplace_back();
      model.model_id = TextOf(meta, "model_id");
      model.experiment_id = TextOf(meta, "experiment_id");
      model.name = TextOf(meta, "name");
      model.artifact_uri = TextOf(meta, "artifact_location");
      model.created_ms = IntOf(meta, "creation_timestamp");
      model.updated_ms = IntOf(meta, "last_updated_timestamp");
      model.status = NameOf(kModelStatus, IntOf(meta, "status"));
      model.status_message = TextOf(meta, "status_message");
      model.type = TextOf(meta, "model_type");
      model.run_id = TextOf(meta, "source_run_id");
      TRY(ReadParams(folder / "params", model.params));
      TRY(ReadTexts(folder / "tags", model.tags));
      TRY(ReadMetrics(folder / "metrics", model.metrics));
      for (tracking::Metric& metric : model.metrics) metric.model_id = model.model_id;
    }
    return models;
  }

  Result<std::vector<SourceModel>> Models() override {
    std::vector<SourceModel> models;
    for (const fs::path& folder : Folders(root_ / "models")) {
      const Json meta = TRY(Meta(folder));
      SourceModel& source = models.emplace_back();
      source.model.name = TextOf(meta, "name");
      source.model.description = TextOf(meta, "description");
      source.model.created = IntOf(meta, "creation_timestamp") * base::kMillisecond;
      source.model.updated = IntOf(meta, "last_updated_timestamp") * base::kMillisecond;
      TRY(ReadTexts(folder / "tags", source.model.tags));
      std::map<std::string, std::string> aliases;
      TRY(ReadTexts(folder / "aliases", aliases));
      for (const auto& [alias, number] : aliases)
        source.model.aliases[alias] = std::atoll(number.c_str());
      for (const fs::path& version : Folders(folder)) {
        if (!version.filename().string().starts_with("version-")) continue;
        const Json about = TRY(Meta(version));
        if (TextOf(about, "current_stage") != kDeletedStage)
          source.versions.push_back(TRY(ReadVersion(version, about)));
      }
      std::ranges::sort(source.versions, {},
                        [](const SourceVersion& one) { return one.version.number; });
    }
    return models;
  }

 private:
  base::Status LookAt(const fs::path& folder) {
    const Json meta = TRY(Meta(folder));
    tracking::Experiment& experiment = experiments_.emplace_back();
    experiment.id = TextOf(meta, "experiment_id");
    experiment.name = TextOf(meta, "name");
    experiment.artifact_uri = TextOf(meta, "artifact_location");
    experiment.deleted = TextOf(meta, "lifecycle_stage") == "deleted";
    experiment.created_ms = IntOf(meta, "creation_time");
    experiment.updated_ms = IntOf(meta, "last_update_time");
    TRY(ReadTexts(folder / "tags", experiment.tags));
    for (const fs::path& run : Folders(folder)) {
      if (fs::exists(run / "meta.yaml")) runs_[run.filename().string()] = run;
    }
    for (const fs::path& model : Folders(folder / "models")) logged_models_.push_back(model);
    return {};
  }

  static Result<tracking::FullRun> ReadRun(const fs::path& folder) {
    const Json meta = TRY(Meta(folder));
    tracking::FullRun full;
    tracking::RunInfo& info = full.run.info;
    info.run_id = TextOf(meta, "run_id");
    info.experiment_id = TextOf(meta, "experiment_id");
    info.name = TextOf(meta, "run_name");
    info.status = NameOf(kRunStatus, IntOf(meta, "status"));
    info.start_ms = IntOf(meta, "start_time");
    if (!TextOf(meta, "end_time").empty()) info.end_ms = IntOf(meta, "end_time");
    info.deleted = TextOf(meta, "lifecycle_stage") == "deleted";
    info.user = TextOf(meta, "user_id");
    info.artifact_uri = TextOf(meta, "artifact_uri");
    TRY(ReadParams(folder / "params", full.run.params));
    TRY(ReadTexts(folder / "tags", full.run.tags));
    TRY(ReadMetrics(folder / "metrics", full.history));
    for (const fs::path& input : Folders(folder / "inputs"))
      TRY(ReadInput(folder, TRY(Meta(input)), full.run));
    for (const fs::path& output : Folders(folder / "outputs")) {
      const Json link = TRY(Meta(output));
      full.run.model_outputs.push_back({TextOf(link, "destination_id"), IntOf(link, "step")});
    }
    return full;
  }

  static base::Status ReadInput(const fs::path& run_folder, const Json& link, tracking::Run& run) {
    if (TextOf(link, "source_type") != "DATASET") {
      run.model_inputs.push_back({TextOf(link, "destination_id"), 0});
      return {};
    }
    const Json meta = TRY(Meta(run_folder.parent_path() / "datasets" / TextOf(link, "source_id")));
    tracking::DatasetInput dataset{TextOf(meta, "name"),
                                   TextOf(meta, "digest"),
                                   TextOf(meta, "source_type"),
                                   TextOf(meta, "source"),
                                   TextOf(meta, "schema"),
                                   TextOf(meta, "profile"),
                                   {}};
    const Json* tags = link.Find("tags");
    if (tags != nullptr && tags->is_object()) {
      for (const auto& [key, value] : tags->AsObject()) dataset.tags[key] = TextOf(*tags, key);
    }
    run.datasets.push_back(std::move(dataset));
    return {};
  }

  static Result<SourceVersion> ReadVersion(const fs::path& folder, const Json& meta) {
    SourceVersion one;
    registry::Version& version = one.version;
    version.model = TextOf(meta, "name");
    version.number = IntOf(meta, "version");
    version.created = IntOf(meta, "creation_timestamp") * base::kMillisecond;
    version.updated = IntOf(meta, "last_updated_timestamp") * base::kMillisecond;
    version.description = TextOf(meta, "description");
    version.user = TextOf(meta, "user_id");
    version.stage = TRY(registry::ParseStage(TextOf(meta, "current_stage")));
    version.source = TextOf(meta, "source");
    version.run_id = TextOf(meta, "run_id");
    version.model_id = TextOf(meta, "model_id");
    version.run_link = TextOf(meta, "run_link");
    version.status = TextOf(meta, "status");
    version.status_message = TextOf(meta, "status_message");
    one.location = TextOf(meta, "storage_location");
    TRY(ReadTexts(folder / "tags", version.tags));
    return one;
  }

  const fs::path root_;
  std::vector<tracking::Experiment> experiments_;
  std::map<std::string, fs::path> runs_;  // by id
  std::vector<fs::path> logged_models_;
};

}  // namespace

Result<std::unique_ptr<MlflowSource>> OpenFolderSource(const std::string& folder) {
  auto source = std::make_unique<FolderSource>(folder);
  TRY(source->Look());
  return std::unique_ptr<MlflowSource>(std::move(source));
}

}  // namespace slipway::transfer
