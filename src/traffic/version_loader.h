// SPDX-License-Identifier: Apache-2.0
// VersionLoader: how an endpoint comes by a loaded version. In the product: registry -> local files
// -> inference's pool; in tests a fake, so that routing needs neither a registry nor a runtime.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "inference/model_pool.h"
#include "registry/registry.h"

namespace slipway::traffic {

struct ServedEndpoint;
// Never blocks; nullptr: there is none of that name.
using FindEndpoint = std::function<std::shared_ptr<const ServedEndpoint>(std::string_view)>;

// Whether asking the endpoint `name` asks, by the steps of ensembles that follow endpoints, also
// `target`.
bool LeadsTo(const FindEndpoint& find, const std::string& name, const std::string& target);

// Thread-safe.
class VersionLoader {
 public:
  virtual ~VersionLoader() = default;
  // Blocks while the version is fetched, loaded and warmed. The same version is loaded once,
  // whoever asks.
  virtual base::Result<std::shared_ptr<inference::LoadedModel>> Load(const std::string& model,
                                                                     int64_t version) = 0;
  // For the endpoints at start: may put off the loading until the version is first asked, and fail
  // its requests then.
  virtual base::Result<std::shared_ptr<inference::LoadedModel>> Later(const std::string& model,
                                                                      int64_t version) {
    return Load(model, version);
  }
  // Opens a version that is loaded again, as what is kept beside it says by now; warmed up with
  // what it was asked lately. Blocks.
  virtual base::Result<std::shared_ptr<inference::LoadedModel>> Reload(const std::string& model,
                                                                       int64_t version) {
    return Load(model, version);
  }
  // No endpoint needs it any more; requests in flight keep it until they end, and so does an
  // ensemble that it is part of.
  virtual void Release(const std::string& model, int64_t version) = 0;
  // How steps of ensembles find what an endpoint answers with. Called once, before any Load.
  virtual void Follow([[maybe_unused]] FindEndpoint find) {}
};

// What opens a model, and what is opened.
struct ModelFile {
  std::string runtime;  // a row's name: "onnx", "openvino", "trees", "python"; kEnsembleRuntime
  std::string path;     // a file; or the folder, where the folder is the model
};
// The runtime of a version whose files have ensemble.yaml: no row of the pool's, but other models
// in a graph.
inline constexpr std::string_view kEnsembleRuntime = "ensemble";
// By the table in model_file.cc: what the flavors of its MLmodel file name, else the files
// themselves. `path` is a version's folder, or a single file. kFailedPrecondition (reason
// "no_model_file") when nothing there can be run, or several files of one kind could be meant.
base::Result<ModelFile> ChooseModelFile(const std::string& path);

// What is opened and how: `config` of the author, whose runtime stands before what the files say,
// and `model_file`, a name in the version's folder (empty: by the files). kInvalidArgument (reason
// "bad_config") with field "config.default_model_filename".
base::Result<inference::ModelSource> ResolveSource(const std::string& key, const std::string& path,
                                                   inference::ModelConfig config,
                                                   const std::string& model_file);

// What a registered version's own files say of how it is to be run, and whether that fits the
// model. Whoever knows the files' format brings it.
struct VersionConfig {
  inference::ModelConfig model;
  std::string model_file;  // empty: by the files
};
struct VersionConfigs {
  std::function<base::Result<VersionConfig>(const std::string& model, const std::string& folder)>
      read;
  std::function<base::Status(const inference::ModelDescription&, const inference::ModelConfig&)>
      check;
};

// Inputs of one row: zeros, empty strings; a free dimension after the first counts as 1. Runs once
// before the first caller does.
inference::Request ZeroRow(const inference::ModelDescription& description);

// Runs it, so that the first caller does not wait for caches to fill; a model that dislikes zeros
// is not refused for it. Blocks.
void WarmUp(inference::LoadedModel& loaded);

// The product's loader. A version must be READY (reason "version_not_ready"). Both references must
// outlive it. `configs` empty: versions say nothing themselves. `on_demand`: Later() puts the
// loading off.
std::unique_ptr<VersionLoader> MakeRegistryLoader(registry::Registry& registry,
                                                  inference::ModelPool& pool,
                                                  VersionConfigs configs = {},
                                                  bool on_demand = false);

}  // namespace slipway::traffic
