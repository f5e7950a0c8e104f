// SPDX-License-Identifier: Apache-2.0
// The quality of a window's labelled rows, by its task. Pure: depends on the multiset of rows
// alone, to the last bit. Private to this room.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "monitoring/monitor.h"
#include "monitoring/windows/truth.h"

namespace slipway::monitoring {

// `rows` have no NaN score and get sorted. `task` kAuto: two classes when every truth is 0 or 1,
// else numbers. `class_names` by number, when rows tell classes apart. nullopt without rows.
// mean_label_delay_s is left to the caller.
std::optional<WindowQuality> MeasureWindow(std::vector<QualityRow>& rows, Task task,
                                           const std::vector<std::string>& class_names,
                                           double confidence);

}  // namespace slipway::monitoring
