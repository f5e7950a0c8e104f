// SPDX-License-Identifier: Apache-2.0
// config.pbtxt in the folder of a registered version.
#pragma once

#include <string>

#include "base/status.h"
#include "repository/triton_config.h"
#include "traffic/version_loader.h"

namespace slipway::repository {

// For traffic::MakeRegistryLoader: the version's config.pbtxt as docs/repository.md describes it,
// or nothing when there is none. kInvalidArgument (reason "bad_config"): unreadable; a name that is
// not the model's; an ensemble (a registered one is written as ensemble.yaml); tensors with a
// reshape; declared tensors that the model does not have.
traffic::VersionConfigs ConfigsOfVersions();

// Reads the files of labels that `config` names, beside it in `folder`. kInvalidArgument (reason
// "bad_config") with field "config.output.<name>.label_filename".
base::Status AddLabels(const std::string& folder, TritonConfig& config);

}  // namespace slipway::repository
