// SPDX-License-Identifier: Apache-2.0
// Part of a report's walk: the counters that answer it, added up.
#include "monitoring/windows/slices.h"

#include <map>

namespace slipway::monitoring {

bool Matches(const Slice& slice, const std::pair<int64_t, std::string>& version_and_arm) {
  return (!slice.version || version_and_arm.first == *slice.version) &&
         (!slice.arm || version_and_arm.second == *slice.arm);
}

std::optional<SegmentKey> KeyOf(const EndpointState& endpoint, size_t feature,
                                const std::string& value) {
  const uint8_t id = endpoint.segments.Find(feature, value);
  if (id == kOtherSegment && value != endpoint.segments.ValueOf(feature, kOtherSegment))
    return std::nullopt;
  return SegmentKey{static_cast<uint8_t>(feature), id};
}

Totals TotalsOf(const Window& window, const Slice& slice,
                const std::optional<SegmentKey>& segment) {
  Totals totals;
  for (const auto& [key, cell] : window.cells) {
    if (!Matches(slice, key)) continue;
    if (slice.segment_feature.empty()) {
      totals.requests += cell.requests;
      totals.failed_requests += cell.failed_requests;
      totals.rows += cell.rows;
      totals.labelled_rows += cell.labelled_rows;
      totals.label_delay += cell.label_delay;
      continue;
    }
    const auto found = segment ? cell.segments.find(*segment) : cell.segments.end();
    if (found == cell.segments.end()) continue;
    totals.rows += found->second.rows;
    totals.labelled_rows += found->second.labelled_rows;
    totals.label_delay += found->second.label_delay;
  }
  return totals;
}

ProfileCounts CountsOf(const Window& window, const Slice& slice,
                       const std::optional<SegmentKey>& segment, const VersionProfile& profile) {
  ProfileCounts total;
  for (const auto& [key, cell] : window.cells) {
    if (!Matches(slice, key)) continue;
    if (slice.segment_feature.empty()) {
      if (!cell.counts.features.empty()) total.Merge(cell.counts);
      continue;
    }
    const auto found = segment ? cell.segments.find(*segment) : cell.segments.end();
    if (found != cell.segments.end() && !found->second.counts.features.empty())
      total.Merge(found->second.counts);
  }
  total.Prepare(profile.baseline(), true);
  return total;
}

std::optional<int64_t> MainVersion(const Window& window) {
  std::map<int64_t, int64_t> rows;
  for (const auto& [key, cell] : window.cells) rows[key.first] += cell.rows;
  std::optional<int64_t> main;
  for (const auto& [version, count] : rows) {
    if (count > 0 && (!main || count > rows[*main])) main = version;
  }
  return main;
}

VersionProfile* ProfileOf(const EndpointState& endpoint, int64_t version) {
  const auto found = endpoint.versions.find(version);
  return found == endpoint.versions.end() ? nullptr : found->second.profile.get();
}

}  // namespace slipway::monitoring
