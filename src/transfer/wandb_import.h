// SPDX-License-Identifier: Apache-2.0
// ImportWandb: runs that wandb kept in files, into a data folder that no server uses meanwhile. May
// be repeated: what is there stays.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "transfer/mlflow_import.h"

namespace slipway::transfer {

struct WandbReport {
  Count runs;
  int64_t metric_values = 0;
  int64_t verified_runs = 0;
  Count files;
  int64_t verified_files = 0;
  Count versions;
  // What is not here as it is there, and why.
  std::vector<std::string> differences;
  [[nodiscard]] base::Json ToJson() const;
};

// `path`: a run-*.wandb file, or a folder that has some below it ("wandb").
base::Result<WandbReport> ImportWandb(const std::string& path, const ImportTarget& target);

}  // namespace slipway::transfer
