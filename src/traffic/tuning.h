// SPDX-License-Identifier: Apache-2.0
// Tuning: finds out in the background how the version that an endpoint answers with is run best on
// this machine, keeps that beside the version, and runs it so.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "events/events.h"
#include "inference/model_pool.h"
#include "inference/tune.h"
#include "registry/registry.h"
#include "storage/database.h"
#include "traffic/endpoints.h"

namespace slipway::traffic {

struct TuneWish {
  std::string endpoint;
  inference::TuneTarget target;
  bool for_later = false;  // what is found is used when the version is loaded next
};

struct TuneRun {
  int64_t id = 0;
  std::string endpoint, model;
  int64_t version = 0;
  std::string state;   // "running", "done", "failed", "cancelled"
  std::string inputs;  // what it was asked with: "recent requests" or "zeros"
  int64_t done = 0;    // of `trials`
  std::vector<inference::Trial> trials;
  base::Micros started = 0, ended = 0;
  std::string error;
  std::string used;  // "now", "when the version is loaded next"; empty until it is done
  std::string actor;
};
base::Json ToJson(const TuneRun& run);

// Thread-safe. Runs are known while the process lives; what they found lives with the version.
class Tuning {
 public:
  struct Parts {
    registry::Registry& registry;
    Endpoints& endpoints;
    inference::ModelPool& pool;
    storage::Database& database;
    events::EventLog& events;
    base::Clock& clock;
  };
  explicit Tuning(Parts parts);
  ~Tuning();  // Stop()
  // Begins. kResourceExhausted (reason "tuning") while another one runs: they would measure each
  // other. kFailedPrecondition (reason "not_tunable"): an ensemble.
  base::Result<TuneRun> Start(const TuneWish& wish, const events::Actor& actor);
  // The endpoint's last one. kNotFound (reason "never_tuned").
  [[nodiscard]] base::Result<TuneRun> Last(const std::string& endpoint) const;
  // Ends it before its next combination; nothing is kept. What has ended stays as it is.
  base::Result<TuneRun> Cancel(const std::string& endpoint);
  // Cancels what runs and waits for it.
  void Stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::traffic
