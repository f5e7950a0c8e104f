// SPDX-License-Identifier: Apache-2.0
// A version's walk, begun elsewhere: experiments, runs, logged models, files, then the registry.
#include "transfer/mlflow_import.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "events/actor.h"
#include "registry/import.h"
#include "registry/registry.h"
#include "storage/blobs.h"
#include "tracking/import.h"
#include "tracking/tracking.h"
#include "transfer/copy.h"
#include "transfer/files.h"
#include "transfer/mlflow_source.h"
#include "transfer/run_text.h"

namespace slipway::transfer {
namespace {

using base::Result;

constexpr int64_t kRunsPerStep = 500;
constexpr size_t kMostDifferences = 1000;
// Where the files of a version lie until it has its own copies, when no run or model has them.
constexpr const char* kStaging = "artifacts/imported";

const events::Actor& Importer() {
  static const events::Actor kImporter = events::Internal("import/mlflow");
  return kImporter;
}

std::string WithoutSlash(std::string location) {
  while (location.size() > 1 && location.ends_with('/')) location.pop_back();
  return location;
}

class MlflowImport {
 public:
  MlflowImport(MlflowSource& source, SourceFiles& files, const ImportTarget& target,
               const ImportOptions& options)
      : source_(source),
        files_(files),
        target_(target),
        options_(options),
        tracking_(target.database, target.events) {}

  Result<ImportReport> Run() {
    TRY(AddExperiments());
    TRY(AddRuns());
    TRY(AddLoggedModels());
    if (options_.artifacts) TRY(AddModels());
    return report_;
  }

 private:
  void Differs(std::string what) {
    if (report_.differences.size() < kMostDifferences)
      report_.differences.push_back(std::move(what));
  }
  void Say(const std::string& line) const {
    if (options_.progress) options_.progress(line);
  }

  base::Status AddExperiments() {
    for (const tracking::Experiment& experiment : TRY(source_.Experiments())) {
      ++report_.experiments.found;
      const tracking::ImportedExperiment here =
          TRY(tracking_.AddExperiment(experiment, Importer()));
      experiments_[experiment.id] = here.id;
      if (here.added) ++report_.experiments.added;
    }
    Say(std::to_string(report_.experiments.found) + " experiments");
    return {};
  }

  base::Status AddRuns() {
    std::string last;
    for (;;) {
      std::vector<tracking::FullRun> runs = TRY(source_.RunsAfter(last, kRunsPerStep));
      if (runs.empty()) return {};
      last = runs.back().run.info.run_id;
      std::vector<std::string> ids;
      for (tracking::FullRun& full : runs) {
        full.run.info.experiment_id = experiments_[full.run.info.experiment_id];
        Normalize(full);
        ids.push_back(full.run.info.run_id);
        report_.metric_values += static_cast<int64_t>(full.history.size());
      }
      report_.runs.found += static_cast<int64_t>(runs.size());
      report_.runs.added += TRY(tracking_.AddRuns(runs, Importer()));
      TRY(Compare(runs, ids));
      for (const tracking::FullRun& full : runs) {
        const tracking::RunInfo& info = full.run.info;
        TRY(CopyFolder(info.artifact_uri,
                       "artifacts/" + info.experiment_id + "/" + info.run_id + "/artifacts"));
      }
      Say(std::to_string(report_.runs.found) + " runs, " + std::to_string(report_.files.found) +
          " files");
    }
  }

  base::Status Compare(const std::vector<tracking::FullRun>& runs,
                       const std::vector<std::string>& ids) {
    std::vector<tracking::FullRun> here = TRY(tracking_.Runs(ids));
    for (size_t i = 0; i < runs.size(); ++i) {
      Normalize(here[i]);
      if (DigestOf(here[i]) == DigestOf(runs[i])) {
        ++report_.verified_runs;
      } else {
        Differs("run " + ids[i] + " is here with other values than in the source");
      }
    }
    return {};
  }

  base::Status AddLoggedModels() {
    std::vector<tracking::LoggedModel> models = TRY(source_.LoggedModels());
    std::map<std::string, std::string> locations;
    for (tracking::LoggedModel& model : models) {
      model.experiment_id = experiments_[model.experiment_id];
      locations[model.model_id] = model.artifact_uri;
    }
    report_.logged_models.found = static_cast<int64_t>(models.size());
    report_.logged_models.added = TRY(tracking_.AddLoggedModels(models));
    for (const tracking::LoggedModel& model : models) {
      TRY(CopyFolder(locations[model.model_id], "artifacts/" + model.experiment_id + "/models/" +
                                                    model.model_id + "/artifacts"));
    }
    Say(std::to_string(models.size()) + " logged models");
    return {};
  }

  // Every file of a location, into a blob folder.
  base::Status CopyFolder(const std::string& location, const std::string& folder) {
    if (!options_.artifacts || location.empty()) return {};
    folders_[WithoutSlash(location)] = folder;
    for (const std::string& path : TRY(files_.List(location)))
      TRY(CopyFile(location, path, folder + "/" + path));
    return {};
  }

  base::Status CopyFile(const std::string& location, const std::string& path,
                        const std::string& key) {
    const Copied copied = TRY(CopyOnce(files_, location, path, target_.blobs, key));
    ++report_.files.found;
    if (copied.added) ++report_.files.added;
    report_.file_bytes += copied.size_bytes;
    if (copied.equal) {
      ++report_.verified_files;
    } else {
      Differs("file " + key + " is here with other bytes than in the source");
    }
    return {};
  }

  base::Status AddModels() {
    for (const SourceModel& source : TRY(source_.Models())) {
      ++report_.models.found;
      const base::Status made = AddModel(source.model);
      if (!made.ok()) {
        Differs("model '" + source.model.name + "': " + made.message());
        continue;
      }
      for (const SourceVersion& one : source.versions) {
        ++report_.versions.found;
        const base::Status added = AddVersion(one);
        if (!added.ok()) {
          Differs("version " + std::to_string(one.version.number) + " of model '" +
                  one.version.model + "': " + added.message());
        }
      }
      TRY(AddAliases(source.model));
    }
    Say(std::to_string(report_.models.found) + " models, " +
        std::to_string(report_.versions.found) + " versions");
    return {};
  }

  base::Status AddModel(const registry::Model& model) {
    if (target_.registry.GetModel(model.name).ok()) return {};
    TRY(target_.registry.CreateModel(model.name, model.tags, model.description, Importer()));
    ++report_.models.added;
    return registry::StampModel(target_.database, model.name,
                                {.user = {}, .created = model.created, .updated = model.updated});
  }

  base::Status AddAliases(const registry::Model& model) {
    const Result<registry::Model> here = target_.registry.GetModel(model.name);
    for (const auto& [alias, number] : model.aliases) {
      if (here.ok() && here->aliases.contains(alias)) continue;
      const base::Status set = target_.registry.SetAlias(model.name, alias, number, Importer());
      if (!set.ok()) Differs("alias '" + alias + "' of '" + model.name + "': " + set.message());
    }
    return {};
  }

  // Where the version's files are here; copies them first when no run and no logged model has them.
  Result<std::string> FolderFor(const SourceVersion& one) {
    const registry::Version& version = one.version;
    std::string location = WithoutSlash(one.location.empty() ? version.source : one.location);
    constexpr std::string_view kOfModel = "models:/m-";
    if (location.starts_with(kOfModel)) location = location.substr(8);
    for (const auto& [from, folder] : folders_) {
      const bool of_model = location.starts_with("m-") &&
                            folder.find("/models/" + location + "/") != std::string::npos;
      if (of_model || location == from) return folder;
      if (location.starts_with(from + "/")) return folder + location.substr(from.size());
    }
    const std::string of_run = "runs:/" + version.run_id + "/";
    for (const auto& [from, folder] : folders_) {
      if (!version.run_id.empty() && location.starts_with(of_run) &&
          folder.find("/" + version.run_id + "/") != std::string::npos)
        return folder + "/" + location.substr(of_run.size());
    }
    const std::string folder =
        std::string(kStaging) + "/" + version.model + "/" + std::to_string(version.number);
    TRY(CopyFolder(location, folder));
    return folder;
  }

  base::Status AddVersion(const SourceVersion& one) {
    const registry::Version& version = one.version;
    const Result<registry::Version> here =
        target_.registry.GetVersion(version.model, version.number);
    if (here.ok() && here->status == "PENDING_REGISTRATION")
      TRY(registry::DropHalfDone(target_.database, target_.blobs, version.model, version.number));
    if (!here.ok() || here->status == "PENDING_REGISTRATION") TRY(CreateVersion(one));
    TRY(MoveToStage(version));
    const std::string user = TRY(target_.registry.GetVersion(version.model, version.number)).user;
    if (user != Importer().name) return {};  // done before
    return registry::StampVersion(
        target_.database, version.model, version.number,
        {.user = version.user, .created = version.created, .updated = version.updated});
  }

  base::Status CreateVersion(const SourceVersion& one) {
    const registry::Version& version = one.version;
    if (version.status != "READY")
      return base::FailedPrecondition("version_not_ready",
                                      "is " + version.status + ", not READY, in the source");
    registry::CreateVersionRequest request;
    request.model = version.model;
    request.source = version.source;
    request.source_folder = TRY(FolderFor(one));
    request.run_id = version.run_id;
    request.model_id = version.model_id;
    if (request.model_id.empty() && version.source.starts_with("models:/m-"))
      request.model_id = version.source.substr(8);
    request.run_link = version.run_link;
    request.description = version.description;
    request.tags = version.tags;
    request.actor = Importer();
    TRY(registry::SetNextNumber(target_.database, version.model, version.number));
    TRY(target_.registry.CreateVersion(request));
    ++report_.versions.added;
    if (!request.source_folder.starts_with(kStaging)) return {};
    return target_.blobs.Remove(request.source_folder);
  }

  base::Status MoveToStage(const registry::Version& version) {
    const registry::Version here = TRY(target_.registry.GetVersion(version.model, version.number));
    if (version.stage == here.stage) return {};
    if (here.stage != registry::Stage::kNone) {
      Differs("version " + std::to_string(version.number) + " of model '" + version.model +
              "' is in stage " + std::string(registry::StageName(here.stage)) + " here, in " +
              std::string(registry::StageName(version.stage)) + " there");
      return {};
    }
    registry::TransitionRequest request;
    request.model = version.model;
    request.version = version.number;
    request.to = version.stage;
    request.archive_existing = version.stage == registry::Stage::kProduction;
    request.reason = "its stage in the MLflow store that it comes from";
    request.actor = Importer();
    const registry::TransitionOutcome outcome = TRY(target_.registry.Transition(request));
    for (const int64_t number : outcome.archived) {
      Differs("version " + std::to_string(number) + " of model '" + version.model +
              "' is archived: production holds one version, version " +
              std::to_string(version.number) + " is newer");
    }
    return {};
  }

  MlflowSource& source_;
  SourceFiles& files_;
  const ImportTarget& target_;
  const ImportOptions& options_;
  tracking::Import tracking_;
  ImportReport report_;
  std::map<std::string, std::string> experiments_;  // id there -> id here
  std::map<std::string, std::string> folders_;      // location there -> blob folder
};

}  // namespace

base::Json ToJson(const Count& count) {
  return base::Json::MakeObject({{"found", count.found}, {"added", count.added}});
}

base::Json ImportReport::ToJson() const {
  base::Json list = base::Json::MakeArray();
  for (const std::string& difference : differences) list.Append(difference);
  return base::Json::MakeObject({{"experiments", transfer::ToJson(experiments)},
                                 {"runs", transfer::ToJson(runs)},
                                 {"metric_values", metric_values},
                                 {"logged_models", transfer::ToJson(logged_models)},
                                 {"files", transfer::ToJson(files)},
                                 {"file_bytes", file_bytes},
                                 {"models", transfer::ToJson(models)},
                                 {"versions", transfer::ToJson(versions)},
                                 {"verified_runs", verified_runs},
                                 {"verified_files", verified_files},
                                 {"differences", std::move(list)}});
}

Result<ImportReport> ImportMlflow(MlflowSource& source, SourceFiles& files,
                                  const ImportTarget& target, const ImportOptions& options) {
  return MlflowImport(source, files, target, options).Run();
}

}  // namespace slipway::transfer
