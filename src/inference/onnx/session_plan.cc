// SPDX-License-Identifier: Apache-2.0
// Loading a version: what its parameters ask of ONNX Runtime.
#include "inference/onnx/session_plan.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/model_config.h"
#include "inference/runtime.h"

namespace slipway::inference::onnx {
namespace {

constexpr int64_t kMostThreads = 256;
constexpr int64_t kMostDevice = 255;
constexpr std::string_view kDimension = "free_dimension.";

base::Status Bad(const std::string& field, const std::string& expected, std::string_view got) {
  return base::InvalidArgument(field, expected + ", got \"" + std::string(got) + "\"",
                               "bad_parameter");
}

base::Result<int64_t> Number(const std::string& field, std::string_view text, int64_t least,
                             int64_t most) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), value);
  if (error == std::errc() && end == text.end() && value >= least && value <= most) return value;
  return Bad(field,
             "expected a number from " + std::to_string(least) + " to " + std::to_string(most),
             text);
}

base::Result<bool> Switch(const std::string& field, std::string_view text) {
  if (text == "1" || text == "true") return true;
  if (text == "0" || text == "false") return false;
  return Bad(field, "expected 0 or 1", text);
}

base::Result<bool> Parallel(const std::string& field, std::string_view text) {
  if (text == "1" || text == "parallel") return true;
  if (text == "0" || text == "sequential") return false;
  return Bad(field, "expected sequential or parallel", text);
}

base::Result<int> Optimization(const std::string& field, std::string_view text) {
  constexpr std::array<std::pair<std::string_view, int>, 4> kLevels = {
      {{"off", 0}, {"basic", 1}, {"extended", 2}, {"all", 99}}};
  for (const auto& [name, level] : kLevels) {
    if (text == name) return level;
  }
  return Bad(field, "expected off, basic, extended or all", text);
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Each entry of the setting is "name=/path/of/library.so".
base::Result<std::string> AllowedLibrary(const OnnxSettings& settings, const std::string& field,
                                         std::string_view name) {
  std::string names;
  for (const std::string& entry : settings.custom_op_libraries) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == entry.size()) {
      return base::InvalidArgument("onnx.custom_op_libraries",
                                   "expected name=/path/of/library.so, got \"" + entry + "\"",
                                   "bad_setting");
    }
    const std::string_view known = std::string_view(entry).substr(0, equals);
    if (known == name) return entry.substr(equals + 1);
    names += (names.empty() ? "" : ", ") + std::string(known);
  }
  return base::InvalidArgument(
      field,
      "\"" + std::string(name) + "\" is not among the custom-op libraries that are allowed (" +
          (names.empty() ? "none" : names) + "; setting onnx.custom_op_libraries)",
      "custom_ops_not_allowed");
}

base::Status ReadCustomOps(const OnnxSettings& settings, const std::string& field,
                           std::string_view names, SessionPlan& plan) {
  while (!names.empty()) {
    const size_t comma = std::min(names.find(','), names.size());
    const std::string_view name = Trim(names.substr(0, comma));
    names.remove_prefix(std::min(comma + 1, names.size()));
    if (!name.empty()) {
      plan.custom_op_libraries.push_back(TRY(AllowedLibrary(settings, field, name)));
    }
  }
  return base::Status::Ok();
}

base::Status ReadThreads(const std::string& name, const std::string& field,
                         const std::string& value, SessionPlan& plan) {
  if (name.starts_with("intra")) {
    plan.intra_op_threads = TRY(Number(field, value, 1, kMostThreads));
  } else {
    plan.inter_op_threads = TRY(Number(field, value, 1, kMostThreads));
  }
  return base::Status::Ok();
}

base::Status ReadOne(const std::string& name, const std::string& value,
                     const OnnxSettings& settings, SessionPlan& plan) {
  const std::string field = "parameters." + name;
  if (name == "device") {
    plan.device = TRY(ParseDevice(value, field));
  } else if (name == "intra_op_threads" || name == "intra_op_thread_count" ||
             name == "inter_op_threads" || name == "inter_op_thread_count") {
    TRY(ReadThreads(name, field, value, plan));
  } else if (name == "execution_mode") {
    plan.parallel = TRY(Parallel(field, value));
  } else if (name == "graph_optimization") {
    plan.graph_optimization = TRY(Optimization(field, value));
  } else if (name == "enable_mem_arena") {
    plan.cpu_arena = TRY(Switch(field, value));
  } else if (name == "enable_mem_pattern") {
    plan.memory_pattern = TRY(Switch(field, value));
  } else if (name == "arena_shrinkage") {
    plan.shrink_arena = TRY(Switch(field, value));
  } else if (name == "memory.enable_memory_arena_shrinkage") {
    plan.shrink_arena = !value.empty();  // Triton: the devices to shrink, "cpu:0"
  } else if (name == "custom_ops") {
    TRY(ReadCustomOps(settings, field, value, plan));
  } else if (name.starts_with(kDimension)) {
    plan.dimensions.emplace_back(name.substr(kDimension.size()),
                                 TRY(Number(field, value, 1, 1LL << 31)));
  }
  return base::Status::Ok();
}

}  // namespace

std::string Device::Name() const {
  if (kind == Kind::kCpu) return "cpu";
  return (kind == Kind::kCuda ? "cuda:" : "tensorrt:") + std::to_string(id);
}

std::string_view Device::Provider() const {
  switch (kind) {
    case Kind::kCuda:
      return "CUDAExecutionProvider";
    case Kind::kTensorRt:
      return "TensorrtExecutionProvider";
    case Kind::kCpu:
      break;
  }
  return "CPUExecutionProvider";
}

base::Result<Device> ParseDevice(std::string_view text, const std::string& field) {
  const size_t colon = std::min(text.find(':'), text.size());
  const std::string_view kind = text.substr(0, colon);
  Device device;
  if (kind == "cuda" || kind == "gpu") {
    device.kind = Device::Kind::kCuda;
  } else if (kind == "tensorrt") {
    device.kind = Device::Kind::kTensorRt;
  } else if (text != "cpu") {
    return Bad(field, "expected cpu, cuda:N or tensorrt:N", text);
  }
  if (colon < text.size()) device.id = TRY(Number(field, text.substr(colon + 1), 0, kMostDevice));
  return device;
}

base::Result<SessionPlan> ReadPlan(const ModelConfig& config, const OnnxSettings& settings) {
  SessionPlan plan;
  plan.device = TRY(ParseDevice(settings.device, "onnx.device"));
  for (const auto& [name, value] : config.parameters) TRY(ReadOne(name, value, settings, plan));
  if (plan.shrink_arena && !plan.cpu_arena && plan.device.kind == Device::Kind::kCpu) {
    return base::InvalidArgument("parameters.arena_shrinkage",
                                 "there is no arena to shrink: enable_mem_arena is 0",
                                 "bad_parameter");
  }
  return plan;
}

}  // namespace slipway::inference::onnx
