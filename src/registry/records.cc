// SPDX-License-Identifier: Apache-2.0
// Between the registry's tables and its values.
#include "registry/records.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/status.h"
#include "registry/registry.h"
#include "storage/database.h"

namespace slipway::registry {
namespace {

constexpr std::string_view kVersionColumns =
    "SELECT model, number, stage, status, status_message, source, run_id, model_id, run_link, "
    "description, author, created, "
    "updated, manifest, metadata, metadata_frozen FROM registry_versions";

base::Result<std::vector<ManifestFile>> ParseManifest(const std::string& text) {
  const base::Json json = TRY(base::Json::Parse(text));
  std::vector<ManifestFile> files;
  for (const base::Json& file : json.AsArray()) {
    files.push_back({TRY(base::RequireString(file, "path")),
                     TRY(base::RequireInt(file, "size_bytes")),
                     TRY(base::RequireString(file, "sha256"))});
  }
  return files;
}

base::Result<Version> ParseVersion(const storage::Row& row) {
  Version version;
  version.model = row.Text(0);
  version.number = row.Int(1);
  version.stage = TRY(ParseStage(row.Text(2)));
  version.status = row.Text(3);
  version.status_message = row.Text(4);
  version.source = row.Text(5);
  version.run_id = row.Text(6);
  version.model_id = row.Text(7);
  version.run_link = row.Text(8);
  version.description = row.Text(9);
  version.user = row.Text(10);
  version.created = row.Int(11);
  version.updated = row.Int(12);
  version.files = TRY(ParseManifest(row.Text(13)));
  version.metadata = TRY(base::Json::Parse(row.Text(14)));
  version.metadata_frozen = row.Int(15) != 0;
  return version;
}

// Tags and aliases of `versions`, which all belong to one model or to many.
base::Status AddNames(storage::Transaction& transaction, const std::optional<std::string>& model,
                      std::vector<Version>& versions) {
  std::map<std::pair<std::string, int64_t>, Version*> by_number;
  for (Version& version : versions) by_number[{version.model, version.number}] = &version;
  const std::string where = model ? " WHERE model = $1" : "";
  const storage::SqlParams params = model ? storage::SqlParams{*model} : storage::SqlParams{};
  for (const storage::Row& row : TRY(transaction.Query(
           "SELECT model, number, key, value FROM registry_version_tags" + where, params))) {
    const auto found = by_number.find({row.Text(0), row.Int(1)});
    if (found != by_number.end()) found->second->tags[row.Text(2)] = row.Text(3);
  }
  for (const storage::Row& row : TRY(transaction.Query(
           "SELECT model, number, alias FROM registry_aliases" + where + " ORDER BY alias",
           params))) {
    const auto found = by_number.find({row.Text(0), row.Int(1)});
    if (found != by_number.end()) found->second->aliases.push_back(row.Text(2));
  }
  return {};
}

base::Result<std::vector<Model>> ReadModels(storage::Transaction& transaction,
                                            const std::optional<std::string>& name) {
  const std::string one = name ? " AND name = $1" : "";
  const std::string of_one = name ? " WHERE model = $1" : "";
  const storage::SqlParams params = name ? storage::SqlParams{*name} : storage::SqlParams{};
  std::vector<Model> models;
  std::map<std::string, size_t> places;
  for (const storage::Row& row : TRY(transaction.Query(
           "SELECT name, description, created, updated FROM registry_models WHERE deleted = 0" +
               one + " ORDER BY name",
           params))) {
    places[row.Text(0)] = models.size();
    models.push_back({row.Text(0), row.Text(1), row.Int(2), row.Int(3), {}, {}});
  }
  for (const storage::Row& row : TRY(transaction.Query(
           "SELECT model, key, value FROM registry_model_tags" + of_one, params))) {
    const auto place = places.find(row.Text(0));
    if (place != places.end()) models[place->second].tags[row.Text(1)] = row.Text(2);
  }
  for (const storage::Row& row : TRY(transaction.Query(
           "SELECT model, alias, number FROM registry_aliases" + of_one, params))) {
    const auto place = places.find(row.Text(0));
    if (place != places.end()) models[place->second].aliases[row.Text(1)] = row.Int(2);
  }
  return models;
}

Outcome ParseOutcome(const std::string& name) {
  for (const Outcome outcome : {Outcome::kPass, Outcome::kFail}) {
    if (name == OutcomeName(outcome)) return outcome;
  }
  return Outcome::kNotRun;
}

}  // namespace

std::string Version::Folder() const { return "models/" + model + "/v" + std::to_string(number); }

std::string Version::Digest() const { return base::Sha256Hex(ManifestJson(files).Dump()); }

std::string UseOf(const Version& version) {
  if (version.stage == Stage::kStaging || version.stage == Stage::kProduction)
    return "in " + std::string(StageName(version.stage));
  if (!version.aliases.empty()) return "named by alias '" + version.aliases.front() + "'";
  if (version.status == "PENDING_REGISTRATION") return "being registered";
  return "";
}

base::Status NoSuchVersion(const std::string& model, int64_t number) {
  return base::NotFound("version_not_found", "Model Version (name=" + model + ", version=" +
                                                 std::to_string(number) + ") not found");
}

base::Result<Model> LoadModel(storage::Transaction& transaction, const std::string& name) {
  std::vector<Model> models = TRY(ReadModels(transaction, name));
  if (models.empty())
    return base::NotFound("model_not_found", "Registered Model with name=" + name + " not found");
  return std::move(models.front());
}

base::Result<std::vector<Model>> LoadModels(storage::Transaction& transaction) {
  return ReadModels(transaction, std::nullopt);
}

base::Result<Version> LoadVersion(storage::Transaction& transaction, const std::string& model,
                                  int64_t number) {
  const storage::Rows rows = TRY(transaction.Query(
      std::string(kVersionColumns) + " WHERE model = $1 AND number = $2", {model, number}));
  if (rows.empty()) return NoSuchVersion(model, number);
  Version version = TRY(ParseVersion(rows.front()));
  for (const storage::Row& row : TRY(transaction.Query(
           "SELECT key, value FROM registry_version_tags WHERE model = $1 AND number = $2",
           {model, number}))) {
    version.tags[row.Text(0)] = row.Text(1);
  }
  for (const storage::Row& row : TRY(transaction.Query(
           "SELECT alias FROM registry_aliases WHERE model = $1 AND number = $2 ORDER BY alias",
           {model, number}))) {
    version.aliases.push_back(row.Text(0));
  }
  return version;
}

base::Result<std::vector<Version>> LoadVersions(storage::Transaction& transaction,
                                                const VersionQuery& query) {
  std::string sql(kVersionColumns);
  storage::SqlParams params;
  const auto require = [&](const char* column, const std::optional<std::string>& value) {
    if (!value) return;
    params.push_back(*value);
    sql += (params.size() == 1 ? " WHERE " : " AND ") + std::string(column) + " = $" +
           std::to_string(params.size());
  };
  require("model", query.model);
  require("run_id", query.run_id);
  require("model_id", query.model_id);
  sql += " ORDER BY model, number";
  std::vector<Version> versions;
  for (const storage::Row& row : TRY(transaction.Query(sql, params)))
    versions.push_back(TRY(ParseVersion(row)));
  TRY(AddNames(transaction, query.model, versions));
  return versions;
}

base::Result<std::optional<int64_t>> NumberInStage(storage::Transaction& transaction,
                                                   const std::string& model, Stage stage) {
  const storage::Rows rows = TRY(
      transaction.Query("SELECT MAX(number) FROM registry_versions WHERE model = $1 AND stage = $2",
                        {model, std::string(StageName(stage))}));
  return rows.front().MaybeInt(0);
}

base::Result<std::vector<FileCopy>> LoadCopyPlan(storage::Transaction& transaction,
                                                 const std::string& model, int64_t number) {
  const storage::Rows rows = TRY(transaction.Query(
      "SELECT copy_plan FROM registry_versions WHERE model = $1 AND number = $2", {model, number}));
  if (rows.empty()) return NoSuchVersion(model, number);
  const base::Json json = TRY(base::Json::Parse(rows.front().Text(0)));
  std::vector<FileCopy> plan;
  for (const base::Json& file : json.AsArray()) {
    plan.push_back({TRY(base::RequireString(file, "from")), TRY(base::RequireString(file, "to"))});
  }
  return plan;
}

base::Json ManifestJson(const std::vector<ManifestFile>& files) {
  base::Json json = base::Json::MakeArray();
  for (const ManifestFile& file : files) {
    json.Append(base::Json::MakeObject(
        {{"path", file.path}, {"size_bytes", file.size_bytes}, {"sha256", file.sha256}}));
  }
  return json;
}

base::Json CopyPlanJson(const std::vector<FileCopy>& plan) {
  base::Json json = base::Json::MakeArray();
  for (const FileCopy& file : plan)
    json.Append(base::Json::MakeObject({{"from", file.from}, {"to", file.to}}));
  return json;
}

base::Status RecordVerdicts(storage::Transaction& transaction, const Version& version, Stage to,
                            base::Micros now, const std::vector<Verdict>& verdicts) {
  const storage::Rows last = TRY(transaction.Query(
      "SELECT MAX(sequence) FROM registry_verdicts WHERE model = $1 AND number = $2",
      {version.model, version.number}));
  int64_t sequence = last.front().Int(0);
  for (const Verdict& verdict : verdicts) {
    TRY(transaction.Execute(
        "INSERT INTO registry_verdicts (model, number, sequence, time, stage, gate, outcome, "
        "summary, evidence, took) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        {version.model, version.number, ++sequence, now, std::string(StageName(to)), verdict.gate,
         std::string(OutcomeName(verdict.outcome)), verdict.summary, verdict.evidence.Dump(),
         verdict.took}));
  }
  return {};
}

base::Result<std::vector<Verdict>> LoadVerdicts(storage::Transaction& transaction,
                                                const std::string& model, int64_t number) {
  const storage::Rows rows =
      TRY(transaction.Query("SELECT gate, outcome, summary, evidence, took FROM registry_verdicts "
                            "WHERE model = $1 AND number = $2 ORDER BY sequence",
                            {model, number}));
  std::map<std::string, Verdict> newest;
  for (const storage::Row& row : rows) {
    base::Json evidence = TRY(base::Json::Parse(row.Text(3)));
    const bool overridden = evidence.Find("override") != nullptr;
    newest[row.Text(0)] = {row.Text(0), ParseOutcome(row.Text(1)),
                           row.Text(2), std::move(evidence),
                           row.Int(4),  overridden};
  }
  std::vector<Verdict> verdicts;
  verdicts.reserve(newest.size());
  for (auto& [gate, verdict] : newest) verdicts.push_back(std::move(verdict));
  return verdicts;
}

}  // namespace slipway::registry
