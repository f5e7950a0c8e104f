// SPDX-License-Identifier: Apache-2.0
// Segments: the values of a few named inputs by which a window's rows are told apart (setting
// monitoring.endpoints.<e>.segments). Private to this room.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_codec.h"
#include "monitoring/record_codec.h"

namespace slipway::monitoring {

inline constexpr size_t kMaxSegmentFeatures = 4;  // of an endpoint
inline constexpr size_t kMaxSegmentValues = 30;   // of a feature; the rest share "other"
inline constexpr uint8_t kOtherSegment = 0;

// One id a segment feature.
using SegmentIds = std::array<uint8_t, kMaxSegmentFeatures>;

// Reads the values of one feature row by row; "" where the record has no such input, "missing" for
// NaN. Points into the view.
class SegmentReader {
 public:
  SegmentReader(const PredictionView& view, std::string_view feature);
  std::string Next();
  void Skip(int64_t rows);

 private:
  const TensorView* input_ = nullptr;
  int64_t width_ = 0;
  int64_t column_ = 0;
  int64_t row_ = 0;
  base::ByteReader texts_;
};

// The first kMaxSegmentValues values that were seen have an id of their own. Which ones they are
// follows from the order of the predictions alone, not of the labels. Not thread-safe.
class SegmentIndex {
 public:
  uint8_t IdOf(size_t feature, std::string_view value);        // makes one
  uint8_t Find(size_t feature, std::string_view value) const;  // kOtherSegment: none
  std::string_view ValueOf(size_t feature, uint8_t id) const;  // "other" for kOtherSegment
 private:
  std::array<std::vector<std::string>, kMaxSegmentFeatures> values_;  // id - 1
};

}  // namespace slipway::monitoring
