// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "rollout": registry -> local files -> the pool. The only file of the room
// that reads YAML.
#include <yaml-cpp/yaml.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/status.h"
#include "inference/runtime.h"
#include "inference/tensor.h"
#include "traffic/version_loader.h"

namespace slipway::traffic {

using base::Result;
using base::Status;

namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxMlmodelBytes = 1 << 20;
constexpr size_t kMaxFiles = 10000;

// What `flavors.onnx.data` names; "" when the file has no such entry.
Result<std::string> OnnxDataOf(const std::string& mlmodel) {
  const std::string text = TRY(base::ReadFile(mlmodel, kMaxMlmodelBytes));
  try {
    const YAML::Node flavors = YAML::Load(text)["flavors"];
    if (!flavors || !flavors.IsMap() || !flavors["onnx"] || !flavors["onnx"]["data"])
      return std::string();
    return flavors["onnx"]["data"].as<std::string>();
  } catch (const YAML::Exception& error) {
    return base::InvalidArgument("MLmodel", std::string("not readable as YAML: ") + error.what(),
                                 "bad_model");
  }
}

// `data` is a file, or a folder that holds model.onnx; it may not leave the version's folder.
Result<std::string> NamedModelFile(const fs::path& folder, const std::string& data) {
  const fs::path relative = fs::path(data).lexically_normal();
  if (relative.is_absolute() || relative.empty() || *relative.begin() == "..") {
    return base::InvalidArgument("MLmodel.flavors.onnx.data",
                                 "\"" + data + "\" is not a path below the version's folder",
                                 "bad_model");
  }
  std::error_code error;
  for (const fs::path& path : {folder / relative, folder / relative / "model.onnx"}) {
    if (fs::is_regular_file(path, error)) return path.string();
  }
  return base::FailedPrecondition(
      "no_model_file", "MLmodel names \"" + data + "\", which the version does not have");
}

Result<std::string> OnlyOnnxFile(const fs::path& folder) {
  std::error_code error;
  std::vector<std::string> found;
  size_t seen = 0;
  for (auto it = fs::recursive_directory_iterator(folder, error);
       !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    if (++seen > kMaxFiles) break;
    if (it->path().extension() == ".onnx" && it->is_regular_file(error))
      found.push_back(it->path().string());
  }
  if (found.size() == 1) return found[0];
  return base::FailedPrecondition(
      "no_model_file",
      found.empty() ? "the version has no MLmodel with an ONNX flavor and no .onnx file"
                    : "the version has no MLmodel with an ONNX flavor and " +
                          std::to_string(found.size()) + " .onnx files: which one is meant?");
}

}  // namespace

Result<std::string> FindModelFile(const std::string& version_folder) {
  const fs::path folder(version_folder);
  std::error_code error;
  if (fs::is_regular_file(folder / "MLmodel", error)) {
    const std::string data = TRY(OnnxDataOf((folder / "MLmodel").string()));
    if (!data.empty()) return NamedModelFile(folder, data);
  }
  return OnlyOnnxFile(folder);
}

inference::Request ZeroRow(const inference::ModelDescription& description) {
  inference::Request request;
  for (const inference::TensorSpec& input : description.inputs) {
    inference::Shape shape = input.shape;
    size_t elements = 1;
    for (int64_t& dimension : shape) {
      if (dimension < 0) dimension = 1;
      elements *= static_cast<size_t>(dimension);
    }
    inference::Tensor tensor =
        input.type == inference::DataType::kString
            ? inference::Tensor::Strings(shape, std::vector<std::string>(elements))
            : inference::Tensor(input.type, shape);
    request.inputs.push_back({input.name, std::move(tensor)});
  }
  return request;
}

}  // namespace slipway::traffic
