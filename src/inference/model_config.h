// SPDX-License-Identifier: Apache-2.0
// ModelConfig: how one model is to be run, whoever wrote it down (Triton's config.pbtxt or its
// JSON, an override at load, a version's own files). What it does not say, the pool's settings do.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "inference/tensor.h"

namespace slipway::inference {

// An input by which a stateful model is told where in a sequence its row stands. The scheduler
// fills it; callers do not send it.
struct SequenceControl {
  // "start", "end", "ready": `on` or `off`. "id": the sequence's number or name.
  std::string kind;
  std::string input;
  DataType type = DataType::kInt32;
  double off = 0, on = 1;
};

// A model output that becomes the model's input of the sequence's next request.
struct SequenceState {
  std::string input;
  std::string output;
  DataType type = DataType::kFp32;
  Shape shape;  // of one row; starts as zeros
};

struct SequenceConfig {
  int64_t max_idle_us = 1'000'000;  // a sequence that is silent for longer is over
  int64_t max_sequences =
      1024;  // at once; past it kResourceExhausted (reason "too_many_sequences")
  std::vector<SequenceControl> controls;
  std::vector<SequenceState> states;
};

// One model of an ensemble. Names of tensors inside the ensemble on the right-hand sides.
struct EnsembleStep {
  std::string model;
  std::optional<int64_t> version;              // none: what the model's endpoint answers with
  std::map<std::string, std::string> inputs;   // the model's input -> tensor of the ensemble
  std::map<std::string, std::string> outputs;  // the model's output -> tensor of the ensemble
};

struct ModelConfig {
  std::string runtime;  // row's name; empty: by the version's files
  // What the author declares; held against what the model itself says where it says it.
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  // Inputs and outputs that the model itself takes or gives in another shape than `inputs` and
  // `outputs` say; of the same number of elements.
  std::map<std::string, Shape> reshapes;
  std::map<std::string, std::vector<std::string>> labels;  // output -> name of each class

  std::optional<int64_t> max_batch_rows;  // 0: never stacked; none: inference.max_batch_rows
  std::vector<int64_t> preferred_batch_rows;
  int64_t max_queue_delay_us = 0;         // an idle model never waits for company longer than this
  std::optional<int64_t> max_queue_rows;  // none: inference.max_queue_rows
  int64_t instances = 0;                  // runs at once; 0: the pool's threads
  int64_t priority_levels = 0;            // 1 is served first; 0: no levels
  int64_t default_priority = 0;           // of requests that name none; 0: the lowest
  int64_t default_timeout_us = 0;         // 0: serving.default_timeout
  bool decoupled = false;                 // a request may have any number of answers
  bool response_cache = false;            // equal inputs may be answered from the cache
  bool pinned = false;                    // never evicted to make room for others
  std::optional<SequenceConfig> sequence;
  std::vector<EnsembleStep> ensemble;  // not empty: the model is a graph of others

  // For the runtime: "device", "intra_op_threads", "execution_mode" ... each runtime's header says
  // what it reads; unknown ones are passed to Python models and ignored by others.
  std::map<std::string, std::string> parameters;
};

}  // namespace slipway::inference
