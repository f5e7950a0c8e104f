// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "rollout": registry -> local files -> the pool.
#include "traffic/version_loader.h"

#include <algorithm>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/log.h"
#include "base/status.h"
#include "inference/ensemble.h"
#include "inference/model_pool.h"
#include "inference/tensor.h"
#include "inference/tune.h"
#include "registry/registry.h"
#include "traffic/endpoints.h"
#include "traffic/ensemble_file.h"

namespace slipway::traffic {

using base::Result;
using base::Status;

namespace {

using ModelPtr = std::shared_ptr<inference::LoadedModel>;

constexpr int kMaxDepth = 16;  // of ensembles in ensembles
constexpr int64_t kMaxEnsembleBytes = 1 << 20;

class RegistryLoader final : public VersionLoader {
 public:
  RegistryLoader(registry::Registry& registry, inference::ModelPool& pool, VersionConfigs configs,
                 bool on_demand)
      : registry_(registry), pool_(pool), configs_(std::move(configs)), on_demand_(on_demand) {}

  Result<ModelPtr> Load(const std::string& model, int64_t number) override {
    auto loaded = TRY(LoadAny(model, number, 0));
    std::lock_guard lock(mutex_);
    held_.insert({model, number});
    return loaded;
  }

  Result<ModelPtr> Later(const std::string& model, int64_t number) override {
    if (!on_demand_) return Load(model, number);
    const registry::Version version = TRY(registry_.GetVersion(model, number));
    // A graph opens nothing itself, and its models must be known.
    if (std::ranges::any_of(version.files, [](const registry::ManifestFile& file) {
          return file.path.ends_with("ensemble.yaml");
        })) {
      return Load(model, number);
    }
    std::lock_guard lock(mutex_);
    held_.insert({model, number});
    return pool_.LoadOnDemand(KeyOf(model, number),
                              [this, model, number] { return SourceOf(model, number); });
  }

  Result<ModelPtr> Reload(const std::string& model, int64_t number) override {
    inference::ModelSource source = TRY(SourceOf(model, number));
    if (source.runtime == kEnsembleRuntime) {
      return base::FailedPrecondition(
          "not_reloadable", "an ensemble runs nothing itself: reload the models it names");
    }
    if (const auto former = pool_.Find(source.key)) source.warmup = former->Recent();
    source.accept = [this, config = source.config](const inference::ModelDescription& description) {
      return configs_.check ? configs_.check(description, config) : Status::Ok();
    };
    auto loaded = TRY(pool_.Replace(source));
    WarmUp(*loaded);
    return loaded;
  }

  void Release(const std::string& model, int64_t number) override {
    std::lock_guard lock(mutex_);
    held_.erase({model, number});
    DropUnused({model, number});
  }

  void Follow(FindEndpoint find) override { find_ = std::move(find); }

 private:
  using VersionKey = std::pair<std::string, int64_t>;
  // A version that is a graph, and the versions that it names.
  struct LoadedEnsemble {
    ModelPtr model;
    std::vector<VersionKey> parts;
  };

  static std::string KeyOf(const std::string& model, int64_t number) {
    return model + "/" + std::to_string(number);
  }

  Result<inference::ModelSource> SourceOf(const std::string& model, int64_t number) {
    const registry::Version version = TRY(registry_.GetVersion(model, number));
    if (version.status != "READY") {
      return base::FailedPrecondition(
          "version_not_ready",
          "version " + std::to_string(number) + " of model \"" + model + "\" is " + version.status);
    }
    const std::string folder = TRY(registry_.Materialize(version));
    VersionConfig config;
    if (configs_.read) config = TRY(configs_.read(model, folder));
    inference::ModelSource source = TRY(
        ResolveSource(KeyOf(model, number), folder, std::move(config.model), config.model_file));
    if (const auto kept = version.tags.find(inference::kSchedulingTag);
        kept != version.tags.end()) {
      if (base::Status status = inference::ReadScheduling(kept->second, source.config);
          !status.ok()) {
        base::Log(base::LogLevel::kWarning, "traffic", "a scheduling tag is not used",
                  {{"version", source.key}, {"error", status.ToString()}});
      }
    }
    return source;
  }

  Result<ModelPtr> LoadAny(const std::string& model, int64_t number, int depth) {
    const std::string key = KeyOf(model, number);
    if (auto loaded = pool_.Find(key); loaded && loaded->described()) return loaded;
    {
      std::lock_guard lock(mutex_);
      const auto found = ensembles_.find({model, number});
      if (found != ensembles_.end()) return found->second.model;
    }
    const inference::ModelSource source = TRY(SourceOf(model, number));
    if (source.runtime == kEnsembleRuntime)
      return LoadEnsemble({model, number}, source.path, depth);
    auto loaded = TRY(pool_.Load(source));
    if (configs_.check) {
      if (Status status = configs_.check(loaded->description(), source.config); !status.ok()) {
        pool_.Unload(key);
        return status;
      }
    }
    WarmUp(*loaded);
    return loaded;
  }

  Result<ModelPtr> LoadEnsemble(const VersionKey& key, const std::string& path, int depth) {
    if (depth >= kMaxDepth) {
      return base::InvalidArgument("ensemble.steps",
                                   "ensembles in ensembles, more than " + std::to_string(kMaxDepth),
                                   "bad_ensemble");
    }
    EnsembleFile file = TRY(ParseEnsembleFile(TRY(base::ReadFile(path, kMaxEnsembleBytes))));
    LoadedEnsemble ensemble;
    std::vector<inference::FindModel> models;
    for (size_t i = 0; i < file.config.ensemble.size(); ++i) {
      inference::EnsembleStep& step = file.config.ensemble[i];
      if (!file.aliases[i].empty())
        step.version = TRY(registry_.GetByAlias(step.model, file.aliases[i])).number;
      auto found = FindStep(key.first, step, depth);
      if (!found.ok()) {
        base::Status why = std::move(found).TakeStatus();
        return std::move(why).Annotate("step " + std::to_string(i) + " (\"" + step.model + "\")");
      }
      if (step.version) ensemble.parts.emplace_back(step.model, *step.version);
      models.push_back(std::move(*found));
    }
    ensemble.model = TRY(inference::MakeEnsemble(std::move(file.config), std::move(models)));
    WarmUp(*ensemble.model);
    std::lock_guard lock(mutex_);
    const auto [at, is_new] = ensembles_.emplace(key, std::move(ensemble));
    if (is_new) {
      for (const VersionKey& part : at->second.parts) ++needed_[part];
    }
    return at->second.model;
  }

  // A version by its number, for ever; else whatever the endpoint of that name answers with.
  Result<inference::FindModel> FindStep(const std::string& ensemble,
                                        const inference::EnsembleStep& step, int depth) {
    if (step.version) {
      auto model = TRY(LoadAny(step.model, *step.version, depth + 1));
      return inference::FindModel([model] { return model; });
    }
    if (!find_) return base::FailedPrecondition("step_not_loaded", "there are no endpoints here");
    if (LeadsTo(find_, step.model, ensemble)) {
      return base::InvalidArgument(
          "ensemble.steps", "endpoint \"" + step.model + "\" asks \"" + ensemble + "\" itself",
          "bad_ensemble");
    }
    return inference::FindModel([find = find_, name = step.model]() -> ModelPtr {
      const auto served = find(name);
      return served == nullptr ? nullptr : MainArm(*served).model;
    });
  }

  // With mutex_ held. What nobody holds and no ensemble needs.
  void DropUnused(const VersionKey& key) {
    if (held_.contains(key)) return;
    if (const auto needed = needed_.find(key); needed != needed_.end()) return;
    const auto ensemble = ensembles_.find(key);
    if (ensemble == ensembles_.end()) return pool_.Unload(KeyOf(key.first, key.second));
    const std::vector<VersionKey> parts = std::move(ensemble->second.parts);
    ensembles_.erase(ensemble);
    for (const VersionKey& part : parts) {
      if (--needed_[part] > 0) continue;
      needed_.erase(part);
      DropUnused(part);
    }
  }

  registry::Registry& registry_;
  inference::ModelPool& pool_;
  const VersionConfigs configs_;
  FindEndpoint find_;
  std::mutex mutex_;           // over the three below
  std::set<VersionKey> held_;  // by whoever called Load
  std::map<VersionKey, LoadedEnsemble> ensembles_;
  std::map<VersionKey, int64_t> needed_;  // versions that ensembles name
  const bool on_demand_;
};

bool LeadsTo(const FindEndpoint& find, const std::string& name, const std::string& target,
             int depth) {
  if (name == target || depth >= kMaxDepth) return true;
  const auto served = find(name);
  if (served == nullptr) return false;
  const auto& steps = MainArm(*served).model->config().ensemble;
  return std::ranges::any_of(steps, [&](const inference::EnsembleStep& step) {
    return !step.version && LeadsTo(find, step.model, target, depth + 1);
  });
}

}  // namespace

bool LeadsTo(const FindEndpoint& find, const std::string& name, const std::string& target) {
  return LeadsTo(find, name, target, 0);
}

void WarmUp(inference::LoadedModel& loaded) {
  std::promise<void> ran;
  loaded.Run(ZeroRow(loaded.description()), {},
             [&ran](const Result<inference::Response>&, inference::RunTiming) { ran.set_value(); });
  ran.get_future().wait();
}

std::unique_ptr<VersionLoader> MakeRegistryLoader(registry::Registry& registry,
                                                  inference::ModelPool& pool,
                                                  VersionConfigs configs, bool on_demand) {
  return std::make_unique<RegistryLoader>(registry, pool, std::move(configs), on_demand);
}

}  // namespace slipway::traffic
