// SPDX-License-Identifier: Apache-2.0
// VersionLoader: how an endpoint comes by a loaded version. In the product: registry -> local files
// -> inference's pool; in tests a fake, so that routing needs neither a registry nor a runtime.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "inference/model_pool.h"
#include "registry/registry.h"

namespace slipway::traffic {

// Thread-safe.
class VersionLoader {
 public:
  virtual ~VersionLoader() = default;
  // Blocks while the version is fetched, loaded and warmed. The same version is loaded once,
  // whoever asks.
  virtual base::Result<std::shared_ptr<inference::LoadedModel>> Load(const std::string& model,
                                                                     int64_t version) = 0;
  // No endpoint needs it any more; requests in flight keep it until they end.
  virtual void Release(const std::string& model, int64_t version) = 0;
};

// The local model file of a version: what `flavors.onnx.data` of its MLmodel file names, else its
// only *.onnx file. kFailedPrecondition (reason "no_model_file") when there is none, or no MLmodel
// and more than one.
base::Result<std::string> FindModelFile(const std::string& version_folder);

// Inputs of one row: zeros, empty strings; a free dimension after the first counts as 1. Runs once
// before the first caller does.
inference::Request ZeroRow(const inference::ModelDescription& description);

// The product's loader. A version must be READY (reason "version_not_ready"). Both references must
// outlive it.
std::unique_ptr<VersionLoader> MakeRegistryLoader(registry::Registry& registry,
                                                  inference::ModelPool& pool);

}  // namespace slipway::traffic
