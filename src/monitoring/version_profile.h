// SPDX-License-Identifier: Apache-2.0
// VersionProfile: one version's baseline and the way from its logged tensors to the baseline's
// bins. Rows wait in a block of columns until it is full or somebody asks: a column is counted many
// values at a time. Private to this room.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/baseline.h"
#include "monitoring/detect/stream_detector.h"
#include "monitoring/score.h"
#include "monitoring/windows/segments.h"

namespace slipway::monitoring {

// Counts of one window in the bins of one baseline; the vector is empty until the first row.
struct ProfileCounts {
  std::vector<drift::ColumnCounts> features;
  drift::ColumnCounts score;

  void Prepare(const Baseline& baseline, bool with_fine);  // once
  void Merge(const ProfileCounts& other);                  // of the same baseline
  void DropFine();
};

// Where the rows of a record are counted besides: one a segment feature, nullptr where there is
// none.
using SegmentTargets = std::array<ProfileCounts*, kMaxSegmentFeatures>;

// Not thread-safe (it remembers how the last record was laid out).
class VersionProfile {
 public:
  explicit VersionProfile(Baseline baseline);
  const Baseline& baseline() const { return baseline_; }
  // Takes every row of a successful record. A feature is found by name; one input [N, C] may also
  // stand for C baseline columns in order. What the baseline does not know is not counted.
  // `counts` is Prepared; it and the segments' must be there until Settle. `segments`: empty, or
  // one a row.
  void Count(const PredictionView& view, const ScoreRule& rule, ProfileCounts& counts,
             std::span<const SegmentTargets> segments);
  // Counts the rows that wait.
  void Settle();

  // One a feature of the baseline; they have heard what is settled.
  const std::vector<StreamDetector>& detectors() const { return detectors_; }
  const std::optional<StreamDetector>& score_detector() const { return score_detector_; }

 private:
  static constexpr size_t kBlockRows = 256;

  struct Binding {
    std::string input;
    int64_t width = 0;
    std::vector<int64_t> features;  // one a column: index in the baseline, -1 none
  };
  // The values of a column that wait: numbers of a numeric feature, bins of a categorical one.
  struct Waiting {
    std::array<float, kBlockRows> numbers;
    std::array<uint8_t, kBlockRows> bins;
    size_t size = 0;
  };
  void BindTo(const PredictionView& view);
  void Take(const TensorView& input, const Binding& binding, int64_t first, int64_t rows);
  void SettleColumn(const FeatureProfile& profile, Waiting& waiting, drift::ColumnCounts& counts,
                    StreamDetector& detector);

  Baseline baseline_;
  std::vector<Binding> bindings_;
  std::vector<Waiting> waiting_;
  Waiting waiting_scores_;
  size_t waiting_rows_ = 0;
  ProfileCounts* target_ = nullptr;
  std::vector<SegmentTargets> segments_;  // of the waiting rows; empty: none
  base::Micros last_time_ = 0;
  std::vector<StreamDetector> detectors_;
  std::optional<StreamDetector> score_detector_;
};

// The baseline that the first rows of live traffic make. `records`: encoded, successful, of one
// version.
base::Result<Baseline> BaselineFromRecords(const std::vector<std::string>& records,
                                           const ScoreRule& rule);

}  // namespace slipway::monitoring
