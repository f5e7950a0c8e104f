// SPDX-License-Identifier: Apache-2.0
// A tree model, ready to answer.
#pragma once

#include <memory>

#include "inference/runtime.h"
#include "inference/trees/forest.h"
#include "inference/trees/model.h"

namespace slipway::inference::trees {

// `simd`: what to evaluate with, BestSimd() or less of it.
std::unique_ptr<Session> MakeSession(Model model, Simd simd);

}  // namespace slipway::inference::trees
