// SPDX-License-Identifier: Apache-2.0
// ensemble.yaml: a registered version that is a graph of other models. docs/repository.md. Private
// to traffic.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "inference/model_config.h"

namespace slipway::traffic {

struct EnsembleFile {
  inference::ModelConfig config;     // inputs, outputs, ensemble
  std::vector<std::string> aliases;  // of each step; empty: it names a version, or none
};

// kInvalidArgument (reason "bad_ensemble") with field "ensemble.yaml" or "ensemble.steps[i]...".
base::Result<EnsembleFile> ParseEnsembleFile(std::string_view text);

}  // namespace slipway::traffic
