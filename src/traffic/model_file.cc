// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "rollout": registry -> local files -> the pool. The only file of the room
// that reads YAML.
#include <yaml-cpp/yaml.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
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

// Which flavor of an MLmodel file wants which runtime; the first that it has counts. `data` of the
// flavor names the file, or the folder that holds `default_file`.
struct FlavorRow {
  std::string_view flavor;
  std::string_view runtime;
  std::string_view default_file;
};
constexpr FlavorRow kFlavors[] = {
    {"onnx", "onnx", "model.onnx"},
    {"xgboost", "trees", "model.ubj"},
    {"lightgbm", "trees", "model.lgb"},
};

// Which files want which runtime; the first row that has a file counts. `pattern`: a whole name, or
// an ending ("*.onnx"). `folder`: the runtime opens the folder in which the file lies.
struct FileRow {
  std::string_view pattern;
  std::string_view runtime;
  bool folder = false;
};
constexpr FileRow kFiles[] = {
    {"ensemble.yaml", kEnsembleRuntime},
    {"*.onnx", "onnx"},
    {"saved_model.pb", "openvino", true},
    {"*.xml", "openvino"},
    {"*.tflite", "openvino"},
    {"*.pdmodel", "openvino"},
    {"model-settings.json", "python", true},
    {"model.py", "python", true},
    {"model-settings.json", "python", true},
    {"*.pt2", "python"},
    {"*.pt", "python"},
    {"*.ubj", "trees"},
    {"*.xgb", "trees"},
    {"*.lgb", "trees"},
    {"model.json", "trees"},
    {"xgboost.json", "trees"},
    {"model.txt", "trees"},
};
// A single file that is given by itself may have any name.
constexpr FileRow kSingleFiles[] = {{"*.json", "trees"}, {"*.txt", "trees"}};

bool Fits(const FileRow& row, const std::string& name) {
  return row.pattern.starts_with('*') ? name.ends_with(row.pattern.substr(1)) : name == row.pattern;
}

// `data` is a file, or a folder that holds the default file; it may not leave the version's folder.
Result<std::string> NamedModelFile(const fs::path& folder, const FlavorRow& row,
                                   const std::string& data) {
  const fs::path relative = fs::path(data).lexically_normal();
  if (relative.is_absolute() || relative.empty() || *relative.begin() == "..") {
    return base::InvalidArgument("MLmodel.flavors." + std::string(row.flavor) + ".data",
                                 "\"" + data + "\" is not a path below the version's folder",
                                 "bad_model");
  }
  std::error_code error;
  for (const fs::path& path : {folder / relative, folder / relative / row.default_file}) {
    if (fs::is_regular_file(path, error)) return path.string();
  }
  return base::FailedPrecondition(
      "no_model_file", "MLmodel names \"" + data + "\", which the version does not have");
}

// What an MLmodel file says: a flavor of the table; else, when it can be run in Python at all,
// that.
struct Mlmodel {
  std::optional<ModelFile> named;
  bool python_function = false;
};
Result<Mlmodel> ReadMlmodel(const fs::path& folder) {
  const std::string text = TRY(base::ReadFile((folder / "MLmodel").string(), kMaxMlmodelBytes));
  Mlmodel found;
  std::string data;
  const FlavorRow* chosen = nullptr;
  try {
    const YAML::Node flavors = YAML::Load(text)["flavors"];
    if (!flavors || !flavors.IsMap()) return found;
    found.python_function = static_cast<bool>(flavors["python_function"]);
    for (const FlavorRow& row : kFlavors) {
      const YAML::Node flavor = flavors[std::string(row.flavor)];
      if (!flavor || !flavor.IsMap() || !flavor["data"]) continue;
      data = flavor["data"].as<std::string>();
      if (data.ends_with(".pkl")) continue;  // LightGBM's scikit-learn classes: Python's to open
      chosen = &row;
      break;
    }
  } catch (const YAML::Exception& error) {
    return base::InvalidArgument("MLmodel", std::string("not readable as YAML: ") + error.what(),
                                 "bad_model");
  }
  if (chosen != nullptr)
    found.named =
        ModelFile{std::string(chosen->runtime), TRY(NamedModelFile(folder, *chosen, data))};
  return found;
}

// A file of the name "model" stands before others of its kind.
bool IsNamedModel(const fs::path& path) { return path.stem() == "model"; }

Result<std::optional<ModelFile>> ByFiles(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> files;
  for (auto it = fs::recursive_directory_iterator(folder, error);
       !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    if (files.size() >= kMaxFiles) break;
    if (it->is_regular_file(error)) files.push_back(it->path());
  }
  for (const FileRow& row : kFiles) {
    std::vector<fs::path> fitting;
    for (const fs::path& file : files) {
      if (Fits(row, file.filename().string())) fitting.push_back(file);
    }
    if (fitting.empty()) continue;
    std::vector<fs::path> named;
    for (const fs::path& file : fitting) {
      if (IsNamedModel(file)) named.push_back(file);
    }
    if (fitting.size() > 1 && named.size() == 1) fitting = named;
    if (fitting.size() > 1) {
      return base::FailedPrecondition("no_model_file",
                                      "there are " + std::to_string(fitting.size()) + " files " +
                                          std::string(row.pattern) + ": which one is meant?");
    }
    const fs::path path = row.folder ? fitting[0].parent_path() : fitting[0];
    return std::optional(ModelFile{std::string(row.runtime), path.string()});
  }
  return std::optional<ModelFile>();
}

Result<ModelFile> SingleFile(const fs::path& path) {
  const std::string name = path.filename().string();
  for (const std::span<const FileRow> rows :
       {std::span<const FileRow>(kFiles), std::span<const FileRow>(kSingleFiles)}) {
    for (const FileRow& row : rows) {
      if (row.pattern.starts_with('*') && Fits(row, name))
        return ModelFile{std::string(row.runtime), path.string()};
    }
  }
  return base::FailedPrecondition("no_model_file", "\"" + name + "\" is no model that can be run");
}

}  // namespace

Result<ModelFile> ChooseModelFile(const std::string& path) {
  const fs::path folder(path);
  std::error_code error;
  if (fs::is_regular_file(folder, error)) return SingleFile(folder);
  Mlmodel mlmodel;
  if (fs::is_regular_file(folder / "MLmodel", error)) mlmodel = TRY(ReadMlmodel(folder));
  if (mlmodel.named) return *mlmodel.named;
  auto found = TRY(ByFiles(folder));
  // MLflow's own way to run its Python models stands before single files of theirs.
  if (found && !(mlmodel.python_function && found->runtime == "python")) return *found;
  if (mlmodel.python_function) return ModelFile{"python", path};
  return base::FailedPrecondition("no_model_file",
                                  "there is no MLmodel with a flavor that can be run, and no model "
                                  "file (.onnx, saved_model.pb, "
                                  ".xml, .tflite, model.py, .pt, .ubj, model.json, model.txt)");
}

Result<inference::ModelSource> ResolveSource(const std::string& key, const std::string& path,
                                             inference::ModelConfig config,
                                             const std::string& model_file) {
  inference::ModelSource source;
  source.key = key;
  std::error_code error;
  const bool folder = fs::is_directory(path, error);
  source.folder = folder ? path : fs::path(path).parent_path().string();
  std::string start = path;
  if (!model_file.empty()) {
    if (model_file.find('/') != std::string::npos || model_file == ".." || !folder) {
      return base::InvalidArgument("config.default_model_filename",
                                   "expected the name of a file in the version's folder",
                                   "bad_config");
    }
    start = (fs::path(path) / model_file).string();
    if (!fs::exists(start, error)) {
      return base::InvalidArgument("config.default_model_filename",
                                   "the version has no \"" + model_file + "\"", "bad_config");
    }
  }
  auto file = ChooseModelFile(start);
  if (config.runtime.empty()) {
    ModelFile chosen = TRY(std::move(file));
    config.runtime = std::move(chosen.runtime);
    source.path = std::move(chosen.path);
  } else {
    // A backend may open files that the table does not know.
    source.path = file.ok() ? std::move(file)->path : start;
  }
  source.runtime = config.runtime;
  source.config = std::move(config);
  return source;
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
