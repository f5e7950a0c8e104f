// SPDX-License-Identifier: Apache-2.0
// Baseline: the reference that live traffic is compared with. For each feature and for the score,
// bins frozen when the baseline is made and the counts of the reference rows in them. Value types;
// reading is thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "drift/bins.h"
#include "inference/columns.h"

namespace slipway::monitoring {

using drift::FeatureBins;
using drift::FeatureKind;
using drift::FeatureKindName;

inline constexpr size_t kMaxFeatures = 2000;  // of a baseline; more is refused
inline constexpr int64_t kMaxBaselineBytes = 256LL * 1024 * 1024;

struct FeatureProfile {
  FeatureBins bins;
  std::vector<int64_t> counts;  // one a bin
};

struct Baseline {
  std::string source;  // "training sample", "first 1000 predictions"
  int64_t rows = 0;
  std::vector<FeatureProfile> features;
  std::optional<FeatureProfile> score;
};

// kInvalidArgument naming the column when lengths differ, nothing is there or kMaxFeatures is
// passed.
base::Result<Baseline> MakeBaseline(const std::vector<inference::Column>& columns,
                                    const std::vector<double>& scores, std::string source);
// {"columns": {"name": [values]}, "scores": [numbers]}: the file `monitoring/baseline.json` of a
// version (docs/monitoring.md).
base::Result<Baseline> ParseBaseline(std::string_view json);

}  // namespace slipway::monitoring
