// SPDX-License-Identifier: Apache-2.0
// Loading a version that OpenVINO runs: what its parameters ask for.
#include "inference/openvino/ov_plan.h"

#include <charconv>
#include <cstdint>
#include <map>
#include <string>
#include <system_error>

#include "base/status.h"
#include "inference/model_config.h"
#include "inference/openvino_runtime.h"

namespace slipway::inference::openvino {
namespace {

constexpr int64_t kMostThreads = 256;

base::Status Bad(const std::string& name, const std::string& expected, const std::string& got) {
  return base::InvalidArgument("parameters." + name,
                               "expected " + expected + ", got \"" + got + "\"", "bad_parameter");
}

base::Status CheckCount(const std::string& name, const std::string& value) {
  int64_t count = 0;
  const char* const last = value.data() + value.size();
  const auto [end, error] = std::from_chars(value.data(), last, count);
  if (error == std::errc() && end == last && count >= 1 && count <= kMostThreads)
    return base::Status::Ok();
  return Bad(name, "a number from 1 to " + std::to_string(kMostThreads), value);
}

}  // namespace

base::Result<std::map<std::string, std::string>> ReadProperties(const ModelConfig& config,
                                                                const OpenVinoSettings& settings) {
  const auto hint = [](const std::string& name) {
    return std::string(name == "latency" ? "LATENCY" : "THROUGHPUT");
  };
  std::map<std::string, std::string> properties = {
      {"PERFORMANCE_HINT", hint(settings.performance_hint)},
      // A processor with bf16 would otherwise round what the model has in f32.
      {"INFERENCE_PRECISION_HINT", "f32"},
      {"ENABLE_CPU_PINNING", "NO"},  // the cores belong to all models
  };
  if (settings.threads > 0) properties["INFERENCE_NUM_THREADS"] = std::to_string(settings.threads);
  if (!settings.cache_dir.empty()) properties["CACHE_DIR"] = settings.cache_dir;
  for (const auto& [name, value] : config.parameters) {
    if (name == "performance_hint") {
      if (value != "throughput" && value != "latency")
        return Bad(name, "throughput or latency", value);
      properties["PERFORMANCE_HINT"] = hint(value);
    } else if (name == "num_streams" || name == "num_threads") {
      TRY(CheckCount(name, value));
      properties[name == "num_streams" ? "NUM_STREAMS" : "INFERENCE_NUM_THREADS"] = value;
    } else if (name == "precision") {
      if (value != "f32" && value != "bf16" && value != "f16")
        return Bad(name, "f32, bf16 or f16", value);
      properties["INFERENCE_PRECISION_HINT"] = value;
    }
  }
  return properties;
}

}  // namespace slipway::inference::openvino
