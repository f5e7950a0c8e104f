// SPDX-License-Identifier: Apache-2.0
// REST bodies that are wrong, and the field that the refusal must name. For tests.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace slipway::api::oip {

struct BadRequest {
  std::string name;
  std::string body;
  std::string field;
  std::optional<size_t> json_bytes;  // the header's value
};

// None of them depends on a model.
std::vector<BadRequest> BadRequests();

}  // namespace slipway::api::oip
