// SPDX-License-Identifier: Apache-2.0
// Predict: the one path that every predict protocol calls: route, run, record. Never blocks the
// calling I/O thread. A candidate that fails is answered by stable (the caller sees no error); both
// attempts are recorded.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/config.h"
#include "base/metrics.h"
#include "base/status.h"
#include "inference/model_pool.h"
#include "inference/tensor.h"
#include "monitoring/prediction_log.h"
#include "serving/routes.h"
#include "traffic/endpoints.h"

namespace slipway::serving {

// The arm of a prediction by a version that the caller asked for, past the plan.
inline constexpr std::string_view kPinned = "pinned";
// Shadow runs in flight; past it a shadow is left out (and counted).
inline constexpr int64_t kMaxShadows = 256;
// Versions asked for by number that may wait to be loaded.
inline constexpr size_t kMaxLoads = 64;
// Longest routing key and request id, bytes.
inline constexpr size_t kMaxKeyBytes = 1024;

struct PredictCall {
  std::string endpoint;
  std::optional<int64_t> version;  // one version, past the plan
  inference::Request request;      // types and shapes may differ from the model's as fit.h allows
  std::string key;                 // sticky routing; empty: the prediction id
  std::string request_id;          // the caller's
  std::string protocol;            // "oip_http", "oip_grpc", "invocations": a label of the adapter
  int64_t timeout_us = 0;          // 0: the model's, else the setting's default
  int64_t priority = 0;            // 1 is first; 0: the model's default
  std::string caller = {};         // whose share of a busy model it takes
  std::shared_ptr<const std::atomic<bool>> cancelled = {};  // set when the caller has gone
  int64_t started_ns =
      0;  // base::MonotonicNanos when the request was received; 0: when Predict is called
};

struct PredictAnswer {
  base::Status status;
  inference::Response response;
  std::string prediction_id;  // empty when the call failed before it reached a model
  std::string model;
  int64_t version = 0;
  std::string arm;
  inference::RunTiming timing;  // of the attempt that answered
  int64_t answered_ns = 0;      // base::MonotonicNanos when the model had answered; 0: it did not
  // Who answered; nullptr when the call reached no model. Valid only while PredictDone runs.
  const inference::LoadedModel* answered_by = nullptr;
};
using PredictDone = std::function<void(PredictAnswer)>;

// Where records go (monitoring's log in the product). Append returns before the answer may leave.
// Thread-safe.
class Recorder {
 public:
  virtual ~Recorder() = default;
  virtual base::Status Record(const monitoring::PredictionRecord& record) = 0;
};
// Who watches outcomes per arm (traffic's rollouts in the product). Thread-safe; must not block.
class OutcomeObserver {
 public:
  virtual ~OutcomeObserver() = default;
  virtual void Observe(const std::string& endpoint, int64_t epoch, const std::string& arm,
                       const std::string& key, bool failed, int64_t total_ns) = 0;
};

struct ServingSettings {
  base::Duration default_timeout{30 * base::kSecond};
  bool fallback_to_stable = true;
  // When the log cannot take a record: "refuse" the request (nothing unlogged leaves) or "serve" on
  // and count it.
  std::string on_log_failure = "refuse";
  std::vector<std::string> rate_limits;  // as ParseLimits (limits.h) reads them, which they passed
};
void Describe(base::Schema& schema, ServingSettings& settings);

// Thread-safe. Requests share no lock. What the references name must outlive it; it must be
// destroyed after the servers that call it have stopped and before the models' pool is: the
// destructor waits for the calls in flight.
class Predictor {
 public:
  Predictor(traffic::Endpoints& endpoints, Recorder& recorder, OutcomeObserver& observer,
            base::Clock& clock, base::Metrics& metrics, ServingSettings settings);
  Predictor(std::unique_ptr<Routes> routes, Recorder& recorder, OutcomeObserver& observer,
            base::Clock& clock, base::Metrics& metrics, ServingSettings settings);
  ~Predictor();

  // Calls `done` exactly once, inline or from another thread. Errors: kNotFound (reason
  // "endpoint_not_found"), kInvalidArgument (field of the input at fault), kDeadlineExceeded,
  // kResourceExhausted (reasons "rate_limited", "too_many_at_once", and the model's own),
  // kUnavailable (reason "prediction_not_logged"), kUnimplemented (reason "decoupled_model": such a
  // model is for PredictStream), and what the model says. A
  // candidate's failure is retried on stable within the caller's time: it gets the first half of
  // it.
  void Predict(PredictCall call, PredictDone done);

  // The same for a model that may give any number of answers: `part` is called at least once, never
  // twice at a time, and not again after `last`. A model with one answer gives that. The record
  // holds the last answer's outputs.
  using PredictPart = std::function<void(PredictAnswer, bool last)>;
  void PredictStream(PredictCall call, PredictPart part);

  struct ModelInfo {
    std::string endpoint;
    std::vector<int64_t> versions;  // of the plan, stable first; or the one asked for
    inference::ModelDescription description;
    inference::ModelConfig config;
  };
  // For metadata and readiness. kNotFound (reason "endpoint_not_found"). Blocks when `version` must
  // be loaded.
  base::Result<ModelInfo> Describe(const std::string& endpoint, std::optional<int64_t> version);
  // The same without blocking: `done` is called inline, or from the loading thread when the version
  // must be loaded.
  using DescribeDone = std::function<void(base::Result<ModelInfo>)>;
  void Describe(const std::string& endpoint, std::optional<int64_t> version, DescribeDone done);
  std::vector<std::string> Endpoints() const;
  // Of each version of the plan that is loaded, or of the one asked for. kNotFound (reasons
  // "endpoint_not_found", "version_not_found"). Never blocks.
  struct VersionStatistics {
    int64_t version = 0;
    inference::ModelStatistics statistics;
  };
  base::Result<std::vector<VersionStatistics>> Statistics(const std::string& endpoint,
                                                          std::optional<int64_t> version) const;

 private:
  struct State;
  struct Flight;
  struct Path;  // the steps of a call
  std::unique_ptr<State> state_;
};

}  // namespace slipway::serving
