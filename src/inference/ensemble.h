// SPDX-License-Identifier: Apache-2.0
// Ensemble: a graph of loaded models that is asked as one. A step runs as soon as its inputs are
// there, by its own model's batcher; steps that do not need each other run side by side. Tensors go
// from step to step by reference.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "inference/model_config.h"
#include "inference/model_pool.h"

namespace slipway::inference {

inline constexpr size_t kMaxEnsembleSteps = 64;
inline constexpr size_t kMaxEnsembleTensors = 1024;

// What a step asks now: one model for ever, or what an endpoint answers with. Never blocks; nullptr
// when it is not there. Called once a request, from any thread.
using FindModel = std::function<std::shared_ptr<LoadedModel>()>;

// `config.ensemble` are the steps; `models` has one entry for each, in order. Where `config`
// declares no inputs they are the tensors that no step gives, and where it declares no outputs, the
// tensors that no step takes. kInvalidArgument (reason "bad_ensemble"), field
// "ensemble.steps[i]..." naming the step and the tensor: an unknown or missing input or output of a
// model, a tensor that two give or none gives, one that nobody takes, types or shapes that do not
// fit, a cycle, a decoupled model. Of a step that is not there: kFailedPrecondition (reason
// "step_not_loaded").
//
// A run: the deadline, priority, caller and cancellation of the request hold for every step; the
// first failing step ends it, with its name in the message.
base::Result<std::shared_ptr<LoadedModel>> MakeEnsemble(ModelConfig config,
                                                        std::vector<FindModel> models);

}  // namespace slipway::inference
