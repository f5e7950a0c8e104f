// SPDX-License-Identifier: Apache-2.0
// Which counts of a window belong to a part of the traffic, and their sums. Pure. Private to this
// room.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "monitoring/window_table.h"

namespace slipway::monitoring {

bool Matches(const Slice& slice, const std::pair<int64_t, std::string>& version_and_arm);
// The key of a value of a segment feature; nullopt when no row has had it.
std::optional<SegmentKey> KeyOf(const EndpointState& endpoint, size_t feature,
                                const std::string& value);

struct Totals {
  int64_t requests = 0;
  int64_t failed_requests = 0;
  int64_t rows = 0;
  int64_t labelled_rows = 0;
  base::Micros label_delay = 0;
};
// When the slice names a segment feature, `segment` is its key, and nullopt has no rows.
Totals TotalsOf(const Window& window, const Slice& slice, const std::optional<SegmentKey>& segment);
// In the bins of `profile`, the baseline of slice.version.
ProfileCounts CountsOf(const Window& window, const Slice& slice,
                       const std::optional<SegmentKey>& segment, const VersionProfile& profile);

// The version with the most answered rows; the smaller number of equal ones. nullopt when none has
// any.
std::optional<int64_t> MainVersion(const Window& window);
VersionProfile* ProfileOf(const EndpointState& endpoint, int64_t version);  // nullptr: none yet

}  // namespace slipway::monitoring
