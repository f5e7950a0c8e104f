// SPDX-License-Identifier: Apache-2.0
// RetryAfterSeconds: what HTTP's Retry-After says beside a 429 or 503.
#pragma once

#include <cstdint>

#include "base/status.h"

namespace slipway::net {

// From the end of the status' message, where a refusal that knows says "; retry in 3 s"; else 1.
int64_t RetryAfterSeconds(const base::Status& status);

}  // namespace slipway::net
