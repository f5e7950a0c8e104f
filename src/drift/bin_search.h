// SPDX-License-Identifier: Apache-2.0
// Finding bins of many values without a branch. Pure functions; AVX2 where the machine has it, and
// then bit for bit what the scalar code gives. Private to this room.
#pragma once

#include <cstdint>
#include <span>

#include "drift/bins.h"

namespace slipway::drift {

// The frozen numbers of a numeric feature as the search wants them.
struct BinEdges {
  explicit BinEdges(const FeatureBins& frozen);

  std::array<float, kMaxNumericBins> above;  // a value greater than above[i] is one bin farther
  size_t above_count = 0;
  float least = 0;  // a value not less than this is one bin farther
  float center = 0;
  float inverse_scale = 1;
};

// bins[i] as FeatureBins::BinOfNumber; buckets[i] as FineGrid::BucketOf (of a NaN: any bucket).
// All three of one length.
void FindBins(const BinEdges& edges, std::span<const float> values, std::span<uint8_t> bins,
              std::span<uint16_t> buckets);
void FindBinsScalar(const BinEdges& edges, std::span<const float> values, std::span<uint8_t> bins,
                    std::span<uint16_t> buckets);

}  // namespace slipway::drift
