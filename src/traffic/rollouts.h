// SPDX-License-Identifier: Apache-2.0
// Rollouts: plans that move an endpoint from one version to another by steps, and go back at once
// when the judge says so. Every decision is one transaction: the plan, the rollout's row and the
// event.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/status.h"
#include "events/events.h"
#include "storage/database.h"
#include "traffic/analysis.h"
#include "traffic/endpoints.h"

namespace slipway::traffic {

inline constexpr size_t kMaxRolloutSteps = 20;

struct RolloutStep {
  double weight = 0;              // of the candidate, rising, in (0, 1]
  base::Micros min_duration = 0;  // of the clock
  int64_t min_predictions = 0;    // answers by the candidate in this step
};

struct RolloutSettings {
  // [{"weight": 0.05, "min_duration": "10m", "min_predictions": 500}, ...]; null: 5 %, 25 %, 50 %,
  // 100 %, 10 min and 500 each.
  base::Json steps;
  double alpha =
      0.05;  // chance of rolling back a version that is within tolerance, all metrics together
  double error_rate_tolerance = 0.01;
  double latency_tolerance = 0.4;  // of the mean of log(seconds)
  double loss_tolerance = 0.02;
  std::vector<std::string> required = {
      "error_rate", "latency"};  // must be shown non-inferior before all traffic goes over
  base::Duration max_duration{7 * base::kDay};  // inconclusive for so long: paused
  base::Duration checkpoint{
      10 * base::kSecond};  // real time between saves of the evidence; what a crash may lose
};
void Describe(base::Schema& schema, RolloutSettings& settings);
// The steps of a setting or a request. Errors name "rollout.steps[i].weight" and so on.
base::Result<std::vector<RolloutStep>> ParseSteps(const base::Json& steps);
// One row a metric: error_rate, latency, loss.
std::vector<std::unique_ptr<Analysis>> MakeAnalyses(const RolloutSettings& settings);

enum class RolloutState : uint8_t { kRunning, kPaused, kPromoted, kRolledBack, kAborted };
std::string_view RolloutStateName(
    RolloutState state);  // "running", "paused", "promoted", "rolled_back", "aborted"

struct RolloutHistory {
  base::Micros time = 0;
  int64_t step = 0;
  double weight = 0;
  std::string decision;  // "start", "advance", "promote", "roll_back", "pause", "abort"
  std::string why;
};

struct Rollout {
  std::string id;  // ULID
  std::string endpoint;
  std::string model;
  int64_t from_version = 0;
  int64_t to_version = 0;
  RolloutState state = RolloutState::kRunning;
  int64_t step = 0;  // index into steps
  std::vector<RolloutStep> steps;
  base::Micros started = 0;
  base::Micros step_started = 0;
  std::optional<base::Micros> ended;
  int64_t epoch = 0;                    // of the plan that this rollout applied last
  std::string reason;                   // why it is in its state
  std::vector<MetricFinding> analysis;  // as last judged; of an ended rollout: as at the decision
  std::vector<RolloutHistory> history;
  [[nodiscard]] bool active() const {
    return state == RolloutState::kRunning || state == RolloutState::kPaused;
  }
};
base::Json ToJson(const Rollout& rollout);  // as the native API shows it

struct StartRollout {
  std::string endpoint;
  int64_t to_version = 0;                         // of the model that is stable now
  std::optional<std::vector<RolloutStep>> steps;  // absent: the settings'
  std::string reason;
  events::Actor actor;
};

// Thread-safe. All but Observe and ObserveLoss block (database).
class Rollouts {
 public:
  Rollouts(storage::Database& database, events::EventLog& events, base::Clock& clock,
           base::Metrics& metrics, Endpoints& endpoints,
           std::vector<std::unique_ptr<Analysis>> analyses, RolloutSettings settings);
  ~Rollouts();
  // Reads the active rollouts and their evidence; call after Endpoints::Start.
  base::Status Start();
  void Stop();  // saves the evidence

  // kNotFound "endpoint_not_found"; kFailedPrecondition "rollout_active", "already_stable",
  // "plan_has_candidate".
  base::Result<Rollout> Begin(const StartRollout& request);
  // Judges every active rollout and acts. Idempotent: call it as often as you like (each second in
  // the product).
  base::Status Tick(base::Micros now);
  // Stable alone again. kFailedPrecondition (reason "rollout_ended") when it is not active.
  base::Result<Rollout> Abort(const std::string& id, const events::Actor& actor,
                              const std::string& reason);
  // It stays in its step until somebody decides; a failing metric still rolls it back. Nothing
  // when it is paused already. kFailedPrecondition (reason "rollout_ended").
  base::Result<Rollout> Pause(const std::string& id, const events::Actor& actor,
                              const std::string& reason);
  // All traffic to the candidate, whatever the judge says; needs a reason.
  base::Result<Rollout> Promote(const std::string& id, const events::Actor& actor,
                                const std::string& reason);
  base::Result<std::vector<Rollout>> List(
      const std::string& endpoint, int64_t limit = 100);  // newest first; "" for all endpoints
  base::Result<Rollout> Get(
      const std::string& id);  // kNotFound "rollout_not_found"; an active one is judged as of now

  // One answered (or failed) attempt; never blocks. `epoch` is of the plan that routed it: what no
  // active rollout's plan routed is ignored.
  void Observe(std::string_view endpoint, int64_t epoch, std::string_view arm, std::string_view key,
               bool failed, int64_t total_ns);
  // A label arrived: `loss` of the prediction (for instance (p - y)^2), made at `predicted` for
  // `key` (the routing key where known, else the prediction's id). Predictions from before the
  // rollout are ignored. Never blocks.
  void ObserveLoss(std::string_view endpoint, int64_t version, std::string_view key,
                   base::Micros predicted, double loss);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::traffic
