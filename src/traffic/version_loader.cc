// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "rollout": registry -> local files -> the pool.
#include "traffic/version_loader.h"

#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "base/status.h"
#include "inference/model_pool.h"
#include "inference/tensor.h"
#include "registry/registry.h"

namespace slipway::traffic {

using base::Result;

namespace {

class RegistryLoader final : public VersionLoader {
 public:
  RegistryLoader(registry::Registry& registry, inference::ModelPool& pool)
      : registry_(registry), pool_(pool) {}

  Result<std::shared_ptr<inference::LoadedModel>> Load(const std::string& model,
                                                       int64_t number) override {
    const std::string key = KeyOf(model, number);
    if (auto loaded = pool_.Find(key)) return loaded;
    const registry::Version version = TRY(registry_.GetVersion(model, number));
    if (version.status != "READY") {
      return base::FailedPrecondition(
          "version_not_ready",
          "version " + std::to_string(number) + " of model \"" + model + "\" is " + version.status);
    }
    const std::string folder = TRY(registry_.Materialize(version));
    ModelFile file = TRY(ChooseModelFile(folder));
    inference::ModelSource source;
    source.key = key;
    source.runtime = std::move(file.runtime);
    source.path = std::move(file.path);
    source.folder = folder;
    auto loaded = TRY(pool_.Load(source));
    WarmUp(*loaded);
    return loaded;
  }

  void Release(const std::string& model, int64_t number) override {
    pool_.Unload(KeyOf(model, number));
  }

 private:
  static std::string KeyOf(const std::string& model, int64_t number) {
    return model + "/" + std::to_string(number);
  }

  registry::Registry& registry_;
  inference::ModelPool& pool_;
};

}  // namespace

void WarmUp(inference::LoadedModel& loaded) {
  std::promise<void> ran;
  loaded.Run(ZeroRow(loaded.description()), {},
             [&ran](const Result<inference::Response>&, inference::RunTiming) { ran.set_value(); });
  ran.get_future().wait();
}

std::unique_ptr<VersionLoader> MakeRegistryLoader(registry::Registry& registry,
                                                  inference::ModelPool& pool) {
  return std::make_unique<RegistryLoader>(registry, pool);
}

}  // namespace slipway::traffic
