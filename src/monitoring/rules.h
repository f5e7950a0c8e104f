// SPDX-License-Identifier: Apache-2.0
// What every judgement of a window goes by. Private to this room.
#pragma once

namespace slipway::monitoring {

inline constexpr double kDriftAlpha = 0.05;  // false discovery rate over the features of one window
inline constexpr double kConfidence = 0.95;  // of every interval

}  // namespace slipway::monitoring
