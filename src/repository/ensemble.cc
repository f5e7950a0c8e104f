// SPDX-License-Identifier: Apache-2.0
// An ensemble in the repository: where the models of its steps come from.
#include "inference/ensemble.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "repository/state.h"

namespace slipway::repository {

using base::Result;
using base::Status;

namespace {

// What a name answers with: an endpoint of the registry first, as for callers.
ModelPtr AnswererOf(const traffic::Endpoints& endpoints,
                    const std::shared_ptr<const traffic::ServedEndpoint>& unmanaged,
                    const std::string& name) {
  auto served = endpoints.Find(name);
  if (served == nullptr) served = unmanaged;
  return served == nullptr ? nullptr : traffic::MainArm(*served).model;
}

}  // namespace

Status ModelRepository::State::LoadSteps(const inference::ModelConfig& config,
                                         const events::Actor& actor) {
  for (const inference::EnsembleStep& step : config.ensemble) {
    if (Find(step.model) != nullptr || !CheckFree(step.model).ok()) continue;
    auto source = FindSource(step.model);
    if (!source.ok()) {
      return base::FailedPrecondition("step_not_loaded", "no model '" + step.model +
                                                             "' is loaded, and no folder of "
                                                             "repository.models has it");
    }
    Status loaded = LoadSource(step.model, std::move(*source), actor, false);
    if (!loaded.ok()) return std::move(loaded).Annotate("load step '" + step.model + "'");
  }
  return Status::Ok();
}

Result<ModelPtr> ModelRepository::State::OpenEnsemble(const TritonConfig& config) {
  std::vector<inference::FindModel> models;
  for (const inference::EnsembleStep& step : config.model.ensemble) {
    if (!step.version) {
      models.emplace_back(
          [this, name = step.model] { return AnswererOf(parts.endpoints, Find(name), name); });
      continue;
    }
    ModelPtr pinned;
    if (CheckFree(step.model).ok()) {
      const auto unmanaged = Find(step.model);
      for (const auto& arm :
           unmanaged == nullptr ? std::vector<traffic::ServedArm>{} : unmanaged->arms) {
        if (arm.arm.version == *step.version) pinned = arm.model;
      }
    } else {
      pinned = TRY(parts.endpoints.LoadVersion(step.model, *step.version));
    }
    models.emplace_back([pinned] { return pinned; });
  }
  return inference::MakeEnsemble(config.model, std::move(models));
}

}  // namespace slipway::repository
