// SPDX-License-Identifier: Apache-2.0
// What LightGBM's objectives make of the trees' sums, in the same double operations. Pure
// functions.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/status.h"
#include "inference/tensor.h"
#include "inference/trees/model.h"

namespace slipway::inference::trees {

struct LightgbmLink {
  enum Kind : uint8_t {
    kIdentity,
    kSignedSquare,
    kLogistic,
    kSoftmax,
    kExponential,
    kLogOnePlusExp
  };
  Kind kind = kIdentity;
  double sigmoid = 1;
  double iterations = 0;  // > 0: a random forest, whose sums are divided by it first
};

// "binary sigmoid:1", as the model's line `objective=` has it.
base::Result<LightgbmLink> LightgbmLinkOf(std::string_view objective);
// `predictions` FP64, [N] or [N, K].
NamedTensor FinishLightgbm(const LightgbmLink& link, const Sums& sums);

}  // namespace slipway::inference::trees
