// SPDX-License-Identifier: Apache-2.0
// SessionPlan: what a model's parameters ask of ONNX Runtime, checked. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/model_config.h"
#include "inference/runtime.h"

namespace slipway::inference::onnx {

// "cpu", "cuda:0", "tensorrt:1".
struct Device {
  enum class Kind { kCpu, kCuda, kTensorRt };
  Kind kind = Kind::kCpu;
  int64_t id = 0;
  [[nodiscard]] std::string Name() const;
  // As GetAvailableProviders spells it.
  [[nodiscard]] std::string_view Provider() const;
  bool operator==(const Device&) const = default;
};
// kInvalidArgument (reason "bad_parameter"), field `field`.
base::Result<Device> ParseDevice(std::string_view text, const std::string& field);

struct SessionPlan {
  Device device;
  int64_t intra_op_threads = 0;  // a pool of its own; 0: the pool that all models share
  int64_t inter_op_threads = 1;
  bool parallel = false;  // independent branches of the graph at once
  int graph_optimization = 99;
  bool cpu_arena = true;
  bool memory_pattern = true;
  bool shrink_arena = false;                                // after each run
  std::vector<std::pair<std::string, int64_t>> dimensions;  // free ones, fixed by name
  std::vector<std::string> custom_op_libraries;             // paths, from the allow-list
};

// What it reads of `config.parameters` (Triton's spellings beside ours):
//   device                                      "cpu", "cuda:0", "tensorrt:1"
//   intra_op_threads, intra_op_thread_count     1..256
//   inter_op_threads, inter_op_thread_count     1..256
//   execution_mode                              "sequential" (0), "parallel" (1)
//   graph_optimization                          "off", "basic", "extended", "all"
//   enable_mem_arena, enable_mem_pattern        0 or 1
//   arena_shrinkage                             0 or 1 (memory.enable_memory_arena_shrinkage)
//   free_dimension.NAME                         a size
//   custom_ops                                  names of onnx.custom_op_libraries, by commas
// kInvalidArgument, field "parameters.NAME", reason "bad_parameter" or "custom_ops_not_allowed".
base::Result<SessionPlan> ReadPlan(const ModelConfig& config, const OnnxSettings& settings);

}  // namespace slipway::inference::onnx
