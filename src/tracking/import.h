// SPDX-License-Identifier: Apache-2.0
// Import: what another store holds, put here as it was: with its ids, times and whole history, past
// the limits of the API. For a data folder that no server uses meanwhile. Each call is one
// transaction and may be repeated: what is there already stays. Events: experiment.imported,
// runs.imported.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "events/events.h"
#include "storage/database.h"
#include "tracking/tracking.h"

namespace slipway::tracking {

struct FullRun {
  Run run;                      // its metrics are not looked at: the latest follow from the history
  std::vector<Metric> history;  // every value that was logged
};

struct ImportedExperiment {
  std::string id;  // here
  bool added = false;
};

class Import {
 public:
  Import(storage::Database& database, events::EventLog& events);
  // Its id is that of the experiment with this name, else its own where it is free, else a new one.
  base::Result<ImportedExperiment> AddExperiment(const Experiment& experiment,
                                                 const events::Actor& actor);
  // How many were new. Their experiments are there, under the ids that the runs name.
  base::Result<int64_t> AddRuns(const std::vector<FullRun>& runs, const events::Actor& actor);
  base::Result<int64_t> AddLoggedModels(const std::vector<LoggedModel>& models);
  // Read back, in the order asked for; one that is not there is kNotFound (run_not_found).
  base::Result<std::vector<FullRun>> Runs(const std::vector<std::string>& run_ids);

 private:
  storage::Database& database_;
  events::EventLog& events_;
};

}  // namespace slipway::tracking
