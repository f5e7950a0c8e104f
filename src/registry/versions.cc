// SPDX-License-Identifier: Apache-2.0
// A version's walk, its birth: a number, the files copied once, READY; or nothing at all. And its
// end.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/status.h"
#include "events/actor.h"
#include "registry/names.h"
#include "registry/records.h"
#include "registry/registry.h"
#include "registry/state.h"
#include "storage/blobs.h"
#include "storage/database.h"

namespace slipway::registry {
namespace {

constexpr size_t kMostFiles = 10'000;
constexpr size_t kCopyBufferBytes = 1 << 20;

// What is to be copied where; a file of an extra folder never hides one of the source.
base::Result<std::vector<FileCopy>> PlanCopies(storage::Blobs& blobs,
                                               const CreateVersionRequest& request) {
  std::vector<FileCopy> plan;
  std::set<std::string> targets;
  const auto add = [&](const std::string& folder, const std::string& below) -> base::Status {
    for (const storage::BlobInfo& file : TRY(blobs.ListAll(folder))) {
      const std::string target = below.empty() ? file.key : below + "/" + file.key;
      if (file.is_directory || !targets.insert(target).second) continue;
      plan.push_back({folder + "/" + file.key, target});
      if (plan.size() > kMostFiles) {
        return base::ResourceExhausted("too_many_files", "source '" + request.source +
                                                             "' has more than " +
                                                             std::to_string(kMostFiles) + " files");
      }
    }
    return {};
  };
  TRY(add(request.source_folder, ""));
  if (plan.empty()) {
    return base::FailedPrecondition(
        "source_empty", "source '" + request.source + "' of the new version of model '" +
                            request.model + "' has no files: log the model's files first");
  }
  for (const auto& [folder, below] : request.extra_folders) TRY(add(folder, below));
  return plan;
}

base::Result<storage::BlobDigest> CopyFile(storage::Blobs& blobs, const std::string& from,
                                           const std::string& to) {
  const std::unique_ptr<storage::BlobReader> reader = TRY(blobs.Open(from));
  const std::unique_ptr<storage::BlobWriter> writer = TRY(blobs.Create(to));
  std::vector<char> buffer(kCopyBufferBytes);
  for (;;) {
    const size_t got = TRY(reader->Read(buffer));
    if (got == 0) return writer->Publish();
    TRY(writer->Append(std::span<const char>(buffer.data(), got)));
  }
}

}  // namespace

base::Result<Version> Registry::CreateVersion(const CreateVersionRequest& request) {
  TRY(CheckTags(request.tags));
  TRY(GetModel(request.model));
  const std::vector<FileCopy> plan = TRY(PlanCopies(state_->blobs, request));
  int64_t number = 0;
  TRY(state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadModel(transaction, request.model));
    const base::Micros now = state_->clock.Now();
    const storage::Rows next = TRY(transaction.Query(
        "SELECT next_number FROM registry_models WHERE name = $1", {request.model}));
    number = next.front().Int(0);
    TRY(transaction.Execute(
        "UPDATE registry_models SET next_number = $2, updated = $3 WHERE name = $1",
        {request.model, number + 1, now}));
    const base::Json metadata =
        request.metadata.is_object() ? request.metadata : base::Json::MakeObject();
    TRY(transaction.Execute(
        "INSERT INTO registry_versions (model, number, stage, status, status_message, source, "
        "copy_plan, run_id, model_id, "
        "run_link, description, author, created, updated, manifest, metadata, metadata_frozen) "
        "VALUES ($1, $2, 'None', 'PENDING_REGISTRATION', '', $3, $4, $5, $6, $7, $8, $9, $10, $10, "
        "'[]', $11, 0)",
        {request.model, number, request.source, CopyPlanJson(plan).Dump(), request.run_id,
         request.model_id, request.run_link, request.description, request.actor.name, now,
         metadata.Dump()}));
    for (const auto& [key, value] : request.tags) {
      TRY(transaction.Execute(
          "INSERT INTO registry_version_tags (model, number, key, value) VALUES ($1, $2, $3, $4)",
          {request.model, number, key, value}));
    }
    return state_->Emit(transaction, "version.created", SubjectOf(request.model, number),
                        request.actor,
                        base::Json::MakeObject({{"source", request.source},
                                                {"run_id", request.run_id},
                                                {"model_id", request.model_id}}));
  }));
  TRY(state_->FinishVersion(request.model, number, request.actor));
  return GetVersion(request.model, number);
}

base::Result<std::vector<ManifestFile>> Registry::State::CopyFiles(
    const Version& version, const std::vector<FileCopy>& plan) {
  std::vector<ManifestFile> files;
  for (const FileCopy& file : plan) {
    base::Result<storage::BlobDigest> digest =
        CopyFile(blobs, file.from, version.Folder() + "/" + file.to);
    if (!digest.ok()) return std::move(digest).TakeStatus().Annotate("copy '" + file.to + "'");
    files.push_back({file.to, digest->size_bytes, digest->sha256});
  }
  std::ranges::sort(files, {}, &ManifestFile::path);
  return files;
}

base::Status Registry::State::FinishVersion(const std::string& model, int64_t number,
                                            const events::Actor& actor) {
  Version version;
  std::vector<FileCopy> plan;
  TRY(database.Read([&](storage::Transaction& transaction) -> base::Status {
    version = TRY(LoadVersion(transaction, model, number));
    plan = TRY(LoadCopyPlan(transaction, model, number));
    return {};
  }));
  base::Result<std::vector<ManifestFile>> files = CopyFiles(version, plan);
  if (!files.ok()) {
    TRY(MarkFailed(version, files.status(), actor));
    return std::move(files).TakeStatus().Annotate("version " + std::to_string(number) +
                                                  " of model '" + model + "' was not registered");
  }
  return database.Write([&](storage::Transaction& transaction) -> base::Status {
    const int64_t changed = TRY(transaction.Execute(
        "UPDATE registry_versions SET status = 'READY', manifest = $3, updated = $4 "
        "WHERE model = $1 AND number = $2 AND status = 'PENDING_REGISTRATION'",
        {model, number, ManifestJson(*files).Dump(), clock.Now()}));
    if (changed == 0) return {};  // another replica finished it with the same bytes
    int64_t bytes = 0;
    for (const ManifestFile& file : *files) bytes += file.size_bytes;
    return Emit(transaction, "version.ready", SubjectOf(model, number), actor,
                base::Json::MakeObject(
                    {{"files", static_cast<int64_t>(files->size())}, {"size_bytes", bytes}}));
  });
}

base::Status Registry::State::MarkFailed(const Version& version, const base::Status& why,
                                         const events::Actor& actor) {
  TRY(database.Write([&](storage::Transaction& transaction) -> base::Status {
    const int64_t changed = TRY(
        transaction.Execute("UPDATE registry_versions SET status = 'FAILED_REGISTRATION', "
                            "status_message = $3, updated = $4 "
                            "WHERE model = $1 AND number = $2 AND status = 'PENDING_REGISTRATION'",
                            {version.model, version.number, why.message(), clock.Now()}));
    if (changed == 0) return {};
    TRY(transaction.Execute(
        "INSERT INTO registry_unwanted_folders (folder) VALUES ($1) ON CONFLICT DO NOTHING",
        {version.Folder()}));
    return Emit(transaction, "version.failed", SubjectOf(version.model, version.number), actor,
                base::Json::MakeObject({{"message", why.message()}}));
  }));
  return RemoveUnwantedFolders();
}

// Files go after the transaction that gave them up; what a crash leaves is removed at the next
// start.
base::Status Registry::State::RemoveUnwantedFolders() {
  for (const storage::Row& row :
       TRY(database.Query("SELECT folder FROM registry_unwanted_folders"))) {
    const std::string folder = row.Text(0);
    base::Status removed = blobs.Remove(folder);
    if (!removed.ok() && removed.code() != base::Code::kNotFound) return removed;
    TRY(database.Write([&](storage::Transaction& transaction) -> base::Status {
      TRY(transaction.Execute("DELETE FROM registry_unwanted_folders WHERE folder = $1", {folder}));
      return {};
    }));
  }
  return {};
}

base::Status Registry::Start() {
  TRY(state_->KeepPolicy());
  TRY(state_->InterruptGateRuns());
  const storage::Rows pending =
      TRY(state_->database.Query("SELECT model, number FROM registry_versions WHERE status = "
                                 "'PENDING_REGISTRATION' ORDER BY model, number"));
  for (const storage::Row& row : pending) {
    const base::Status finished =
        state_->FinishVersion(row.Text(0), row.Int(1), events::Internal("registry"));
    if (!finished.ok()) {  // recorded as FAILED_REGISTRATION: the others go on
      base::Log(base::LogLevel::kWarning, "registry",
                "a version left half-done could not be finished",
                {{"model", row.Text(0)}, {"version", row.Int(1)}, {"error", finished.message()}});
    }
  }
  return state_->RemoveUnwantedFolders();
}

base::Result<Version> Registry::GetVersion(const std::string& model, int64_t number) {
  Version version;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    version = TRY(LoadVersion(transaction, model, number));
    return {};
  }));
  return version;
}

base::Result<Version> Registry::GetByAlias(const std::string& model, const std::string& alias) {
  Version version;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadModel(transaction, model));
    const storage::Rows rows = TRY(transaction.Query(
        "SELECT number FROM registry_aliases WHERE model = $1 AND alias = $2", {model, alias}));
    if (rows.empty())
      return base::NotFound("alias_not_found", "Registered model alias " + alias + " not found.");
    version = TRY(LoadVersion(transaction, model, rows.front().Int(0)));
    return {};
  }));
  return version;
}

base::Result<std::vector<Version>> Registry::ListVersions(const std::string& model) {
  TRY(GetModel(model));
  return FindVersions({.model = model, .run_id = {}, .model_id = {}});
}

base::Result<std::vector<Version>> Registry::FindVersions(const VersionQuery& query) {
  std::vector<Version> versions;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    versions = TRY(LoadVersions(transaction, query));
    return {};
  }));
  return versions;
}

base::Result<std::string> Registry::UseOfSource(storage::Transaction& transaction,
                                                const std::string& run_id,
                                                const std::string& model_id) {
  VersionQuery query;
  if (!run_id.empty()) query.run_id = run_id;
  if (!model_id.empty()) query.model_id = model_id;
  for (const Version& version : TRY(LoadVersions(transaction, query))) {
    std::string use = UseOf(version);
    if (use.empty()) use = state_->OtherUseOf(version.model, version.number);
    if (use.empty()) continue;
    return "version " + std::to_string(version.number) + " of model '" + version.model +
           "' comes from it, which is " + use;
  }
  return std::string();
}

base::Result<std::optional<Version>> Registry::InStage(const std::string& model, Stage stage) {
  std::optional<Version> version;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    const std::optional<int64_t> number = TRY(NumberInStage(transaction, model, stage));
    if (number) version = TRY(LoadVersion(transaction, model, *number));
    return {};
  }));
  return version;
}

base::Result<Version> Registry::UpdateVersion(const std::string& model, int64_t number,
                                              const std::string& description,
                                              const events::Actor& actor) {
  Version version;
  TRY(state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadVersion(transaction, model, number));
    TRY(
        transaction.Execute("UPDATE registry_versions SET description = $3, updated = $4 WHERE "
                            "model = $1 AND number = $2",
                            {model, number, description, state_->clock.Now()}));
    TRY(state_->Emit(transaction, "version.updated", SubjectOf(model, number), actor,
                     base::Json::MakeObject({{"description", description}})));
    version = TRY(LoadVersion(transaction, model, number));
    return {};
  }));
  return version;
}

base::Status Registry::SetVersionTag(const std::string& model, int64_t number,
                                     const std::string& key, const std::string& value,
                                     const events::Actor& actor) {
  TRY(CheckTag(key, value));
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadVersion(transaction, model, number));
    TRY(transaction.Execute(
        "INSERT INTO registry_version_tags (model, number, key, value) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (model, number, key) DO UPDATE SET value = excluded.value",
        {model, number, key, value}));
    return state_->Emit(transaction, "version.tag_set", SubjectOf(model, number), actor,
                        base::Json::MakeObject({{"key", key}, {"value", value}}));
  });
}

base::Status Registry::DeleteVersionTag(const std::string& model, int64_t number,
                                        const std::string& key, const events::Actor& actor) {
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadVersion(transaction, model, number));
    const int64_t gone = TRY(transaction.Execute(
        "DELETE FROM registry_version_tags WHERE model = $1 AND number = $2 AND key = $3",
        {model, number, key}));
    if (gone == 0) return {};
    return state_->Emit(transaction, "version.tag_deleted", SubjectOf(model, number), actor,
                        base::Json::MakeObject({{"key", key}}));
  });
}

base::Status Registry::DeleteVersion(const std::string& model, int64_t number,
                                     const events::Actor& actor) {
  TRY(state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    const Version version = TRY(LoadVersion(transaction, model, number));
    std::string use = UseOf(version);
    if (use.empty()) use = state_->OtherUseOf(model, number);
    if (!use.empty()) {
      return base::FailedPrecondition("version_in_use", "version " + std::to_string(number) +
                                                            " of model '" + model +
                                                            "' cannot be deleted: it is " + use);
    }
    for (const char* table : {"registry_versions", "registry_version_tags", "registry_verdicts",
                              "registry_damage", "registry_approvals", "registry_gate_runs"}) {
      TRY(transaction.Execute(
          "DELETE FROM " + std::string(table) + " WHERE model = $1 AND number = $2",
          {model, number}));
    }
    TRY(transaction.Execute(
        "INSERT INTO registry_unwanted_folders (folder) VALUES ($1) ON CONFLICT DO NOTHING",
        {version.Folder()}));
    return state_->Emit(
        transaction, "version.deleted", SubjectOf(model, number), actor,
        base::Json::MakeObject({{"source", version.source}, {"run_id", version.run_id}}));
  }));
  return state_->RemoveUnwantedFolders();
}

}  // namespace slipway::registry
