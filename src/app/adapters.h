// SPDX-License-Identifier: Apache-2.0
// Adapters: where one room's interface is met by another room that may not know it.
#pragma once

#include <functional>
#include <memory>

#include "monitoring/monitor.h"
#include "registry/registry.h"
#include "serving/predict.h"
#include "tracking/tracking.h"
#include "traffic/endpoints.h"
#include "traffic/rollouts.h"

namespace slipway::app {

std::unique_ptr<serving::Recorder> RecordTo(monitoring::Monitor& monitor);
std::unique_ptr<serving::OutcomeObserver> ObserveWith(traffic::Rollouts& rollouts);
// Brier's loss of each row whose label arrives: (score - label)^2.
std::function<void(const monitoring::LabelledPrediction&)> LossesTo(traffic::Rollouts& rollouts);
std::shared_ptr<registry::MetadataSource> MetadataFrom(tracking::Tracking& tracking);
// The version that an alias of a model names: how protocols with labels find theirs. Blocks.
std::function<base::Result<int64_t>(const std::string& model, const std::string& label)> LabelsFrom(
    registry::Registry& registry);
// `monitoring/baseline.json` of the version, when it has one.
monitoring::Monitor::FindBaseline BaselineFrom(registry::Registry& registry);

// "served by endpoint 'x'" for the versions of plans.
registry::Registry::FindUse ServedBy(traffic::Endpoints& endpoints);
// Which version in use comes from a run or a logged model.
tracking::Tracking::FindUse UsedBy(registry::Registry& registry);

}  // namespace slipway::app
