// SPDX-License-Identifier: Apache-2.0
// An ensemble in the repository: where the models of its steps come from.
#include "inference/ensemble.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "repository/state.h"

namespace slipway::repository {

using base::Result;
using base::Status;

namespace {

// Who answers to a name: an endpoint of the registry first, as for callers.
std::shared_ptr<const traffic::ServedEndpoint> EndpointOf(
    const traffic::Endpoints& endpoints, std::shared_ptr<const traffic::ServedEndpoint> unmanaged,
    std::string_view name) {
  auto managed = endpoints.Find(name);
  return managed != nullptr ? managed : std::move(unmanaged);
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

Result<ModelPtr> ModelRepository::State::OpenEnsemble(const std::string& name,
                                                      const TritonConfig& config) {
  const traffic::FindEndpoint find = [this](std::string_view endpoint) {
    return EndpointOf(parts.endpoints, Find(endpoint), endpoint);
  };
  std::vector<inference::FindModel> models;
  for (const inference::EnsembleStep& step : config.model.ensemble) {
    if (!step.version) {
      if (traffic::LeadsTo(find, step.model, name)) {
        return base::InvalidArgument(
            "ensemble.steps", "'" + step.model + "' asks '" + name + "' itself", "bad_ensemble");
      }
      models.emplace_back([find, endpoint = step.model]() -> ModelPtr {
        const auto answering = find(endpoint);
        return answering == nullptr ? nullptr : traffic::MainArm(*answering).model;
      });
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
