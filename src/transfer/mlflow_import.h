// SPDX-License-Identifier: Apache-2.0
// ImportMlflow: everything that an MLflow store holds, into a data folder that no server uses
// meanwhile. May be repeated: what is there stays, and is compared with the source all the same.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "events/events.h"
#include "registry/registry.h"
#include "storage/blobs.h"
#include "storage/database.h"
#include "transfer/files.h"
#include "transfer/mlflow_source.h"

namespace slipway::transfer {

struct ImportTarget {
  storage::Database& database;
  storage::Blobs& blobs;
  events::EventLog& events;
  registry::Registry& registry;  // without gates
};

struct ImportOptions {
  bool artifacts = true;  // else versions are left out, too: they would have no files
  std::function<void(const std::string&)> progress;  // a line for a person
};

// How many of each were found in the source, and how many of them are new here.
struct Count {
  int64_t found = 0;
  int64_t added = 0;
};

base::Json ToJson(const Count& count);

struct ImportReport {
  Count experiments;
  Count runs;
  int64_t metric_values = 0;
  Count logged_models;
  Count files;
  int64_t file_bytes = 0;
  Count models;
  Count versions;
  int64_t verified_runs = 0;   // read back and equal
  int64_t verified_files = 0;  // read back and equal
  // What is not here as it is there, and why; the import has gone on without it.
  std::vector<std::string> differences;
  [[nodiscard]] base::Json ToJson() const;
};

// A failure is of the store or the disk; started again, the import goes on.
base::Result<ImportReport> ImportMlflow(MlflowSource& source, SourceFiles& files,
                                        const ImportTarget& target, const ImportOptions& options);

}  // namespace slipway::transfer
