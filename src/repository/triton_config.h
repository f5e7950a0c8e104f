// SPDX-License-Identifier: Apache-2.0
// Triton's way to write down a model's settings, read into a ModelConfig and answered from one:
// config.pbtxt, its JSON (of a load with a configuration, and GET .../config), and the bytes of the
// message inference.ModelConfig. Pure. What has no effect here, and what is refused, stands in
// docs/repository.md.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "inference/model_config.h"
#include "inference/runtime.h"

namespace slipway::repository {

inline constexpr size_t kMaxConfigBytes = 1 << 20;

// Which of the versions that a model's folder has are loaded.
struct VersionPolicy {
  enum class Kind { kLatest, kAll, kSpecific };
  Kind kind = Kind::kLatest;
  int64_t latest = 1;             // how many of the highest numbers
  std::vector<int64_t> specific;  // of kSpecific
};

struct TritonConfig {
  std::string name;  // empty: not said
  inference::ModelConfig model;
  VersionPolicy versions;
  std::string model_file;                          // in a version's folder; empty: by the files
  std::map<std::string, std::string> label_files;  // output -> file beside config.pbtxt
  std::vector<std::string> ignored;                // fields that have no effect here
};

// kInvalidArgument (reason "bad_config") with field "config.pbtxt:line:column".
base::Result<TritonConfig> ParseTritonConfigText(std::string_view text);
// kInvalidArgument (reason "bad_config") with field "config" or "config.<path>".
base::Result<TritonConfig> ParseTritonConfigJson(std::string_view json);

// What Triton calls a runtime, as our row's name: "onnxruntime" -> "onnx"; unknown ones stay.
std::string RuntimeOfBackend(std::string_view backend);

// What is answered about a loaded model: its settings, completed by what the model says itself.
struct ConfigAnswer {
  std::string name;
  const inference::ModelConfig& config;
  const inference::ModelDescription& description;
  int64_t max_batch_rows = 128;  // when the model's settings do not say: inference.max_batch_rows
  VersionPolicy versions = {};
};
// As Triton prints it: every plain field, messages that are there, numbers as numbers.
base::Json TritonConfigJson(const ConfigAnswer& answer);
// A serialized inference.ModelConfig ("repository/model_config.pb.h").
std::string TritonConfigBytes(const ConfigAnswer& answer);

}  // namespace slipway::repository
