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
#include "drift/profile.h"
#include "inference/columns.h"

namespace slipway::monitoring {

using drift::FeatureBins;
using drift::FeatureKind;
using drift::FeatureKindName;

inline constexpr size_t kMaxFeatures = 2000;  // of a baseline; more is refused
inline constexpr int64_t kMaxBaselineBytes = 256LL * 1024 * 1024;

inline constexpr size_t kMaxFineFeatures = 200;  // more: no fine histograms (32 KiB a feature)

using FeatureProfile = drift::ColumnProfile;

struct Baseline {
  std::string source;  // "training sample", "first 1000 predictions"
  int64_t rows = 0;
  std::vector<FeatureProfile> features;
  std::optional<FeatureProfile> score;
  // [feature][bin]: mean score of the reference rows in it, NaN without any. Empty without scores.
  std::vector<std::vector<double>> mean_scores;
};

// kInvalidArgument naming the column when lengths differ, nothing is there or kMaxFeatures is
// passed.
base::Result<Baseline> MakeBaseline(const std::vector<inference::Column>& columns,
                                    const std::vector<double>& scores, std::string source);
// {"columns": {"name": [values]}, "scores": [numbers]}: the file `monitoring/baseline.json` of a
// version (docs/monitoring.md).
base::Result<Baseline> ParseBaseline(std::string_view json);

}  // namespace slipway::monitoring
