// SPDX-License-Identifier: Apache-2.0
// After a version's walk: are its bytes still what they were? What is found stays on record until
// it is right again.
#include "registry/integrity.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "events/actor.h"
#include "registry/records.h"
#include "registry/registry.h"
#include "registry/state.h"
#include "storage/blobs.h"
#include "storage/database.h"

namespace slipway::registry {
namespace {

constexpr size_t kMostInEvent = 100;

base::Json DamageJson(const std::vector<Damage>& damage) {
  base::Json files = base::Json::MakeArray();
  for (size_t i = 0; i < damage.size() && i < kMostInEvent; ++i) {
    files.Append(
        base::Json::MakeObject({{"path", damage[i].path}, {"difference", damage[i].difference}}));
  }
  return base::Json::MakeObject(
      {{"files", std::move(files)}, {"count", static_cast<int64_t>(damage.size())}});
}

}  // namespace

std::string DifferenceOf(storage::Blobs& blobs, const Version& version, const ManifestFile& file) {
  const base::Result<storage::BlobDigest> digest = blobs.Digest(version.Folder() + "/" + file.path);
  if (!digest.ok() && digest.status().code() == base::Code::kNotFound) return "is missing";
  if (!digest.ok()) return "cannot be read: " + digest.status().message();
  if (digest->size_bytes != file.size_bytes) {
    return "has " + std::to_string(digest->size_bytes) + " bytes instead of " +
           std::to_string(file.size_bytes);
  }
  return digest->sha256 == file.sha256
             ? ""
             : "has SHA-256 " + digest->sha256 + " instead of " + file.sha256;
}

base::Json ToJson(const Integrity& integrity) {
  base::Json damage = base::Json::MakeArray();
  for (const Damage& one : integrity.damage) {
    damage.Append(base::Json::MakeObject({{"model", one.model},
                                          {"version", one.number},
                                          {"path", one.path},
                                          {"difference", one.difference},
                                          {"found", base::FormatTime(one.found)}}));
  }
  return base::Json::MakeObject({{"intact", integrity.damage.empty()},
                                 {"versions", integrity.versions},
                                 {"files", integrity.files},
                                 {"size_bytes", integrity.size_bytes},
                                 {"damage", std::move(damage)}});
}

base::Status Registry::State::RecordDamage(const Version& version,
                                           const std::vector<Damage>& damage) {
  return database.Write([&](storage::Transaction& transaction) -> base::Status {
    if (!LoadVersion(transaction, version.model, version.number).ok()) return {};  // gone meanwhile
    const int64_t healed =
        TRY(transaction.Execute("DELETE FROM registry_damage WHERE model = $1 AND number = $2",
                                {version.model, version.number}));
    for (const Damage& one : damage) {
      TRY(transaction.Execute(
          "INSERT INTO registry_damage (model, number, path, difference, found) "
          "VALUES ($1, $2, $3, $4, $5)",
          {one.model, one.number, one.path, one.difference, one.found}));
    }
    if (healed == 0 && damage.empty()) return {};
    return Emit(transaction, damage.empty() ? "version.intact" : "version.damaged",
                SubjectOf(version.model, version.number), events::Internal("registry/verify"),
                DamageJson(damage));
  });
}

base::Result<std::vector<Damage>> Registry::KnownDamage() {
  std::vector<Damage> damage;
  for (const storage::Row& row : TRY(state_->database.Query(
           "SELECT model, number, path, difference, found FROM registry_damage "
           "ORDER BY model, number, path"))) {
    damage.push_back({row.Text(0), row.Int(1), row.Text(2), row.Text(3), row.Int(4)});
  }
  return damage;
}

base::Result<Integrity> Registry::Verify(const VersionQuery& query, std::optional<int64_t> number,
                                         const std::function<bool(const ManifestFile&)>& go_on) {
  Integrity integrity;
  std::vector<Version> versions;
  if (number) {
    versions.push_back(TRY(GetVersion(query.model.value_or(""), *number)));
  } else {
    if (query.model) TRY(GetModel(*query.model));
    versions = TRY(FindVersions(query));
  }
  std::map<std::pair<std::string, int64_t>, std::vector<Damage>> known;
  for (Damage& one : TRY(KnownDamage())) {
    const std::pair key(one.model, one.number);
    known[key].push_back(std::move(one));
  }
  for (const Version& version : versions) {
    if (version.status != "READY") continue;
    std::vector<Damage> damage;
    for (const ManifestFile& file : version.files) {
      if (go_on && !go_on(file)) return integrity;
      std::string difference = DifferenceOf(state_->blobs, version, file);
      ++integrity.files;
      integrity.size_bytes += file.size_bytes;
      if (!difference.empty())
        damage.push_back(
            {version.model, version.number, file.path, std::move(difference), state_->clock.Now()});
    }
    ++integrity.versions;
    const auto same = [](const Damage& a, const Damage& b) {
      return a.path == b.path && a.difference == b.difference;
    };
    const std::vector<Damage>& before = known[{version.model, version.number}];
    if (!std::ranges::equal(before, damage, same)) TRY(state_->RecordDamage(version, damage));
    integrity.damage.insert(integrity.damage.end(), damage.begin(), damage.end());
  }
  return integrity;
}

base::Result<std::unique_ptr<storage::BlobReader>> Registry::OpenFile(const std::string& model,
                                                                      int64_t number,
                                                                      const std::string& path,
                                                                      bool checked) {
  const Version version = TRY(GetVersion(model, number));
  const auto file = std::ranges::find(version.files, path, &ManifestFile::path);
  if (version.status != "READY" || file == version.files.end()) {
    return base::NotFound("file_not_found", "version " + std::to_string(number) + " of model '" +
                                                model + "' has no file '" + path + "'");
  }
  if (checked) {
    const std::string difference = DifferenceOf(state_->blobs, version, *file);
    if (!difference.empty())
      return base::Status(base::Code::kDataLoss, "file_differs",
                          "file '" + path + "' is not what was registered: it " + difference, path);
  }
  return state_->blobs.Open(version.Folder() + "/" + path);
}

}  // namespace slipway::registry
