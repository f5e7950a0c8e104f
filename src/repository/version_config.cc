// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "rollout": how its author wants it to be run.
#include "repository/version_config.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/status.h"
#include "repository/declared_model.h"
#include "repository/triton_config.h"
#include "traffic/version_loader.h"

namespace slipway::repository {

using base::Result;
using base::Status;

namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxLabels = 100'000;
constexpr const char* kFile = "config.pbtxt";

Result<std::vector<std::string>> ReadLabels(const fs::path& path, const std::string& output) {
  const auto text = base::ReadFile(path.string(), static_cast<int64_t>(kMaxConfigBytes));
  if (!text.ok()) {
    return base::InvalidArgument("config.output." + output + ".label_filename",
                                 text.status().message(), "bad_config");
  }
  std::vector<std::string> labels;
  size_t begin = 0;
  while (begin < text->size() && labels.size() < kMaxLabels) {
    const size_t end = std::min(text->find('\n', begin), text->size());
    std::string label = text->substr(begin, end - begin);
    if (label.ends_with('\r')) label.pop_back();
    labels.push_back(std::move(label));
    begin = end + 1;
  }
  return labels;
}

Status Bad(const std::string& field, std::string message) {
  return base::InvalidArgument(field, std::move(message), "bad_config");
}

Result<traffic::VersionConfig> Read(const std::string& model, const std::string& folder) {
  const fs::path path = fs::path(folder) / kFile;
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return traffic::VersionConfig();
  TritonConfig config = TRY(ParseTritonConfigText(
      TRY(base::ReadFile(path.string(), static_cast<int64_t>(kMaxConfigBytes)))));
  if (!config.name.empty() && config.name != model) {
    return Bad("config.name", "\"" + config.name + "\", but the model is named \"" + model + "\"");
  }
  if (!config.model.ensemble.empty()) {
    return Bad("config.ensemble_scheduling",
               "a registered ensemble is written as ensemble.yaml (docs/repository.md)");
  }
  if (!config.model.reshapes.empty()) {
    return Bad("config.reshape",
               "is for models of folders; a registered version is asked in the model's own shapes");
  }
  TRY(AddLabels(folder, config));
  return traffic::VersionConfig{std::move(config.model), std::move(config.model_file)};
}

}  // namespace

Status AddLabels(const std::string& folder, TritonConfig& config) {
  for (const auto& [output, file] : config.label_files) {
    if (file.empty() || file.find('/') != std::string::npos || file == "..") {
      return Bad("config.output." + output + ".label_filename",
                 "expected the name of a file beside config.pbtxt");
    }
    config.model.labels[output] = TRY(ReadLabels(fs::path(folder) / file, output));
  }
  return Status::Ok();
}

traffic::VersionConfigs ConfigsOfVersions() { return {&Read, &CheckDeclared}; }

}  // namespace slipway::repository
