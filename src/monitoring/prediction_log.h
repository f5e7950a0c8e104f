// SPDX-License-Identifier: Apache-2.0
// PredictionLog: every prediction, appended before its answer leaves (kill -9 safe), counted into the windows of its endpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "inference/tensor.h"

namespace slipway::monitoring {

// One answered request of `rows` predictions. Row i has the prediction id `id` when rows == 1, else `id` + "." + i.
struct PredictionRecord {
  std::string id;           // ULID
  base::Micros time = 0;
  std::string endpoint;
  std::string model;
  int64_t version = 0;
  std::string arm;
  int64_t plan_epoch = 0;
  std::string key;          // what the arm was chosen by
  std::string request_id;   // the caller's own
  std::string protocol;     // label given by the adapter
  int64_t rows = 0;
  int64_t queue_ns = 0;
  int64_t run_ns = 0;
  int64_t total_ns = 0;
  int status_code = 0;      // base::Code as int; 0 ok
  std::string error;        // reason: message
  std::vector<inference::NamedTensor> inputs;   // by signature name
  std::vector<inference::NamedTensor> outputs;
};

// What the rest of the house sees of one row.
struct PredictionRow {
  std::string id;
  base::Micros time = 0;
  std::string endpoint;
  std::string model;
  int64_t version = 0;
  std::string arm;
  double score = 0;  // the monitored output: by default the last column of the last FP output (positive class)
};

}  // namespace slipway::monitoring
