// SPDX-License-Identifier: Apache-2.0
// The registry's rows as values, read inside a transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "registry/registry.h"
#include "storage/database.h"

namespace slipway::registry {

// One file of a version: from which blob, to which path in the version.
struct FileCopy {
  std::string from;
  std::string to;
};

base::Result<Model> LoadModel(storage::Transaction& transaction,
                              const std::string& name);  // kNotFound
base::Result<std::vector<Model>> LoadModels(storage::Transaction& transaction);
base::Result<Version> LoadVersion(storage::Transaction& transaction, const std::string& model,
                                  int64_t number);  // kNotFound
base::Result<std::vector<Version>> LoadVersions(storage::Transaction& transaction,
                                                const VersionQuery& query);
base::Result<std::optional<int64_t>> NumberInStage(storage::Transaction& transaction,
                                                   const std::string& model, Stage stage);
base::Result<std::vector<FileCopy>> LoadCopyPlan(storage::Transaction& transaction,
                                                 const std::string& model, int64_t number);

base::Json ManifestJson(const std::vector<ManifestFile>& files);
base::Json CopyPlanJson(const std::vector<FileCopy>& plan);

base::Status RecordVerdicts(storage::Transaction& transaction, const Version& version, Stage to,
                            base::Micros now, const std::vector<Verdict>& verdicts);
base::Result<std::vector<Verdict>> LoadVerdicts(storage::Transaction& transaction,
                                                const std::string& model, int64_t number);

// Why the version may not be deleted now: "in Production", "being registered", "named by alias
// 'x'"; empty when it may.
std::string UseOf(const Version& version);
base::Status NoSuchVersion(const std::string& model, int64_t number);

base::Result<int64_t> NewestPolicy(storage::Transaction& transaction);  // its version, or 0

}  // namespace slipway::registry
