// SPDX-License-Identifier: Apache-2.0
// VersionProfile: one version's baseline and the way from its logged tensors to the baseline's
// bins. Private to this room.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/baseline.h"
#include "monitoring/score.h"

namespace slipway::monitoring {

// Counts of one window in the bins of one baseline; the vectors are empty until the first row.
struct BinCounts {
  std::vector<std::vector<int64_t>> features;
  std::vector<int64_t> score;
};

// Not thread-safe (it remembers how the last record was laid out).
class VersionProfile {
 public:
  explicit VersionProfile(Baseline baseline) : baseline_(std::move(baseline)) {}
  const Baseline& baseline() const { return baseline_; }
  // Adds every row of a successful record. A feature is found by name; one input [N, C] may also
  // stand for C baseline columns in order. What the baseline does not know is not counted.
  void Count(const PredictionView& view, const ScoreRule& rule, BinCounts& counts);

 private:
  struct Binding {
    std::string input;
    int64_t width = 0;
    std::vector<int64_t> features;  // one a column: index in the baseline, -1 none
  };
  void BindTo(const PredictionView& view);
  void CountInput(const TensorView& input, const Binding& binding, int64_t rows,
                  BinCounts& counts) const;

  Baseline baseline_;
  std::vector<Binding> bindings_;
};

// The baseline that the first rows of live traffic make. `records`: encoded, successful, of one
// version.
base::Result<Baseline> BaselineFromRecords(const std::vector<std::string>& records,
                                           const ScoreRule& rule);

}  // namespace slipway::monitoring
