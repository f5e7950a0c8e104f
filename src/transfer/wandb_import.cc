// SPDX-License-Identifier: Apache-2.0
// A version's walk, begun elsewhere: wandb's runs, and what they logged as models.
#include "transfer/wandb_import.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/status.h"
#include "events/actor.h"
#include "registry/registry.h"
#include "tracking/import.h"
#include "transfer/copy.h"
#include "transfer/files.h"
#include "transfer/run_text.h"
#include "transfer/wandb_run.h"

namespace slipway::transfer {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostLogBytes = 4LL << 30;
constexpr const char* kNoProject = "uncategorized";  // wandb's own word

class Md5 {
 public:
  Md5() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    EVP_DigestInit_ex(context_.get(), EVP_md5(), nullptr);
  }
  void Update(std::span<const char> bytes) {
    EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
  }
  std::string Base64() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    EVP_DigestFinal_ex(context_.get(), digest.data(), &size);
    return base::Base64Encode({reinterpret_cast<const char*>(digest.data()), size});
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

class WandbImport {
 public:
  explicit WandbImport(const ImportTarget& target)
      : target_(target),
        files_("",
               [](const std::string& uri) -> base::Result<std::unique_ptr<storage::Blobs>> {
                 return base::InvalidArgument("file", uri + " is no local file");
               }),
        tracking_(target.database, target.events) {}

  base::Status Add(const std::string& path) {
    base::Result<WandbRun> read = ReadWandbRun(TRY(base::ReadFile(path, kMostLogBytes)));
    ++report_.runs.found;
    if (!read.ok()) {
      Differs(path + ": " + read.status().message());
      return {};
    }
    WandbRun run = std::move(read).TakeValue();
    if (run.damaged_blocks > 0) {
      Differs(path + ": " + std::to_string(run.damaged_blocks) +
              " damaged blocks are left out; the rest, " + std::to_string(run.records) +
              " records, is here");
    }
    if (run.cut_off) Differs(path + ": ends within a record, which is left out");
    TRY(AddRun(run));
    for (const WandbArtifact& artifact : run.artifacts) TRY(AddArtifact(run, artifact));
    return {};
  }

  WandbReport TakeReport() { return std::move(report_); }

 private:
  void Differs(std::string what) { report_.differences.push_back(std::move(what)); }

  base::Status AddRun(WandbRun& run) {
    tracking::Experiment experiment;
    experiment.name = run.project.empty() ? kNoProject : run.project;
    experiment.created_ms = experiment.updated_ms = run.run.run.info.start_ms;
    run.run.run.info.experiment_id = TRY(tracking_.AddExperiment(experiment, Importer())).id;
    Normalize(run.run);
    report_.metric_values += static_cast<int64_t>(run.run.history.size());
    report_.runs.added += TRY(tracking_.AddRuns({run.run}, Importer()));
    std::vector<tracking::FullRun> here = TRY(tracking_.Runs({run.run.run.info.run_id}));
    Normalize(here.front());
    if (DigestOf(here.front()) == DigestOf(run.run)) {
      ++report_.verified_runs;
    } else {
      Differs("run " + run.run.run.info.run_id + " ('" + run.run.run.info.name +
              "') is here with other values than in its file");
    }
    return {};
  }

  base::Status AddArtifact(const WandbRun& run, const WandbArtifact& artifact) {
    const tracking::RunInfo& info = run.run.run.info;
    const std::string folder =
        "artifacts/" + info.experiment_id + "/" + info.run_id + "/artifacts/" + artifact.name;
    for (const WandbFile& file : artifact.files) TRY(AddFile(folder, artifact, file));
    if (artifact.type != "model") return {};
    ++report_.versions.found;
    const base::Status added = AddVersion(run, artifact, folder);
    if (!added.ok()) Differs("model '" + artifact.name + "': " + added.message());
    return {};
  }

  base::Status AddFile(const std::string& folder, const WandbArtifact& artifact,
                       const WandbFile& file) {
    ++report_.files.found;
    const fs::path local = file.local_path;
    if (file.local_path.empty() || !fs::is_regular_file(local)) {
      Differs("file '" + file.path + "' of artifact '" + artifact.name + "' is not at '" +
              file.local_path + "', where wandb kept it");
      return {};
    }
    Md5 md5;
    const base::Result<Copied> copied =
        CopyOnce(files_, local.parent_path().string(), local.filename().string(), target_.blobs,
                 folder + "/" + file.path, [&](std::span<const char> piece) { md5.Update(piece); });
    if (!copied.ok()) {
      Differs("file '" + file.path + "' of artifact '" + artifact.name +
              "': " + copied.status().message());
      return {};
    }
    if (copied->added) ++report_.files.added;
    if (copied->equal && (file.md5.empty() || md5.Base64() == file.md5)) {
      ++report_.verified_files;
    } else {
      Differs("file '" + file.path + "' of artifact '" + artifact.name +
              "' has other bytes than its manifest says");
    }
    return {};
  }

  base::Status AddVersion(const WandbRun& run, const WandbArtifact& artifact,
                          const std::string& folder) {
    registry::Registry& registry = target_.registry;
    if (!registry.GetModel(artifact.name).ok())
      TRY(registry.CreateModel(artifact.name, {}, artifact.description, Importer()));
    registry::CreateVersionRequest request;
    request.model = artifact.name;
    request.run_id = run.run.run.info.run_id;
    request.source = "runs:/" + request.run_id + "/" + artifact.name;
    registry::VersionQuery query;
    query.model = artifact.name;
    query.run_id = request.run_id;
    if (!TRY(registry.FindVersions(query)).empty()) return {};
    request.source_folder = folder;
    request.description = artifact.description;
    request.actor = Importer();
    const registry::Version version = TRY(registry.CreateVersion(request));
    ++report_.versions.added;
    for (const std::string& alias : artifact.aliases) {
      if (alias == "latest") continue;  // the newest is that by itself
      const base::Status set = registry.SetAlias(artifact.name, alias, version.number, Importer());
      if (!set.ok()) Differs("alias '" + alias + "' of '" + artifact.name + "': " + set.message());
    }
    return {};
  }

  static const events::Actor& Importer() {
    static const events::Actor kImporter = events::Internal("import/wandb");
    return kImporter;
  }

  const ImportTarget& target_;
  SourceFiles files_;
  tracking::Import tracking_;
  WandbReport report_;
};

std::vector<std::string> FindLogs(const std::string& path) {
  std::vector<std::string> found;
  if (fs::is_regular_file(path)) found.push_back(path);
  if (!fs::is_directory(path)) return found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file() && entry.path().extension() == ".wandb")
      found.push_back(entry.path().string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

base::Json WandbReport::ToJson() const {
  base::Json list = base::Json::MakeArray();
  for (const std::string& difference : differences) list.Append(difference);
  return base::Json::MakeObject({{"runs", transfer::ToJson(runs)},
                                 {"metric_values", metric_values},
                                 {"verified_runs", verified_runs},
                                 {"files", transfer::ToJson(files)},
                                 {"verified_files", verified_files},
                                 {"versions", transfer::ToJson(versions)},
                                 {"differences", std::move(list)}});
}

base::Result<WandbReport> ImportWandb(const std::string& path, const ImportTarget& target) {
  const std::vector<std::string> logs = FindLogs(path);
  if (logs.empty()) {
    return base::InvalidArgument(
        "source", "'" + path + "' is no run-*.wandb file and no folder with one below it");
  }
  WandbImport import(target);
  for (const std::string& log : logs) TRY(import.Add(log));
  return import.TakeReport();
}

}  // namespace slipway::transfer
