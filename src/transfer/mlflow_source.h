// SPDX-License-Identifier: Apache-2.0
// MlflowSource: an MLflow tracking store with its registry, read. Artifact locations are as they
// stand there. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "registry/registry.h"
#include "storage/database.h"
#include "tracking/import.h"
#include "tracking/tracking.h"

namespace slipway::transfer {

struct SourceVersion {
  registry::Version version;  // without files
  std::string location;       // of its files; empty: only `version.source` tells
};
struct SourceModel {
  registry::Model model;  // with aliases
  std::vector<SourceVersion> versions;
};

class MlflowSource {
 public:
  virtual ~MlflowSource() = default;
  virtual base::Result<std::vector<tracking::Experiment>> Experiments() = 0;
  // At most `most` runs whose id comes after `run_id`, in the order of ids; none at the end.
  virtual base::Result<std::vector<tracking::FullRun>> RunsAfter(const std::string& run_id,
                                                                 int64_t most) = 0;
  virtual base::Result<std::vector<tracking::LoggedModel>> LoggedModels() = 0;
  virtual base::Result<std::vector<SourceModel>> Models() = 0;
};

// MLflow's tables; kFailedPrecondition (reason "no_mlflow_store") when they are not there.
base::Result<std::unique_ptr<MlflowSource>> OpenSqlSource(
    std::unique_ptr<storage::Database> database);
// A folder as mlflow's file store keeps it ("mlruns").
base::Result<std::unique_ptr<MlflowSource>> OpenFolderSource(const std::string& folder);

}  // namespace slipway::transfer
