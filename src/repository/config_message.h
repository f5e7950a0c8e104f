// SPDX-License-Identifier: Apache-2.0
// The message inference.ModelConfig <-> text and JSON. Private to the room; includes no generated
// header, so that it stays light.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace inference {
class ModelConfig;
}

namespace slipway::repository {

// Names of fields that were skipped go to `ignored`.
base::Status MessageFromText(std::string_view text, ::inference::ModelConfig& message,
                             std::vector<std::string>& ignored);
base::Status MessageFromJson(std::string_view json, ::inference::ModelConfig& message,
                             std::vector<std::string>& ignored);
base::Json MessageToJson(const ::inference::ModelConfig& message);

}  // namespace slipway::repository
