// SPDX-License-Identifier: Apache-2.0
// Predict: the one path that every predict protocol calls: route, run, record. Never blocks the calling I/O thread.
// A candidate that fails is answered by stable (the caller sees no error); both attempts are recorded.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/status.h"
#include "inference/model_pool.h"
#include "inference/tensor.h"
#include "monitoring/prediction_log.h"
#include "traffic/endpoints.h"

namespace slipway::serving {

struct PredictCall {
  std::string endpoint;
  std::optional<int64_t> version;  // one version, past the plan
  inference::Request request;
  std::string key;         // sticky routing; empty: the prediction id
  std::string request_id;  // the caller's
  std::string protocol;    // "oip_http", "oip_grpc", "invocations": a label of the adapter
  int64_t timeout_us = 0;  // 0: the endpoint's default
};

struct PredictAnswer {
  base::Status status;
  inference::Response response;
  std::string prediction_id;
  std::string model;
  int64_t version = 0;
  std::string arm;
};
using PredictDone = std::function<void(PredictAnswer)>;

// Where records go (monitoring's log in the product). Append returns before the answer may leave.
class Recorder {
 public:
  virtual ~Recorder() = default;
  virtual base::Status Record(const monitoring::PredictionRecord& record) = 0;
};
// Who watches outcomes per arm (traffic's rollouts in the product).
class OutcomeObserver {
 public:
  virtual ~OutcomeObserver() = default;
  virtual void Observe(const std::string& endpoint, int64_t epoch, const std::string& arm, const std::string& key, bool failed,
                       int64_t total_ns) = 0;
};

struct ServingSettings {
  base::Duration default_timeout{30 * base::kSecond};
  bool fallback_to_stable = true;
  // When the log cannot take a record: "refuse" the request (nothing unlogged leaves) or "serve" on and count it.
  std::string on_log_failure = "refuse";
};
void Describe(base::Schema& schema, ServingSettings& settings);

// Thread-safe.
class Predictor {
 public:
  Predictor(traffic::Endpoints& endpoints, Recorder& recorder, OutcomeObserver& observer, base::Clock& clock,
            base::Metrics& metrics, ServingSettings settings);
  ~Predictor();
  void Predict(PredictCall call, PredictDone done);

  struct ModelInfo {
    std::string endpoint;
    std::vector<int64_t> versions;
    inference::ModelDescription description;
  };
  // For metadata and readiness. kNotFound (reason "endpoint_not_found").
  base::Result<ModelInfo> Describe(const std::string& endpoint, std::optional<int64_t> version);
  std::vector<std::string> Endpoints() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::serving
