// SPDX-License-Identifier: Apache-2.0
// Counting a prediction: each feature of each row finds its frozen bin.
#include "monitoring/version_profile.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/byte_codec.h"
#include "monitoring/table_builder.h"

namespace slipway::monitoring {

namespace {

constexpr float kMissingNumber = std::numeric_limits<float>::quiet_NaN();

float NarrowAt(const TensorView& input, int64_t index) {
  if (input.type != inference::DataType::kFp32) return static_cast<float>(input.NumberAt(index));
  float value = 0;
  std::memcpy(&value, input.bytes.data() + static_cast<size_t>(index) * sizeof(float),
              sizeof(float));
  return value;
}

DetectorPlan PlanOf(const FeatureProfile& profile) {
  return profile.bins.kind() == FeatureKind::kNumeric
             ? DetectorPlan::Numeric(profile.counts.bins)
             : DetectorPlan::Categorical(profile.counts.bins, profile.bins.labels());
}

}  // namespace

void ProfileCounts::Prepare(const Baseline& baseline, bool with_fine) {
  if (!features.empty()) return;
  with_fine = with_fine && baseline.features.size() <= kMaxFineFeatures;
  for (const FeatureProfile& profile : baseline.features)
    features.emplace_back(profile.bins, with_fine);
  if (baseline.score) score = drift::ColumnCounts(baseline.score->bins, with_fine);
}

void ProfileCounts::Merge(const ProfileCounts& other) {
  if (features.empty()) {
    *this = other;
    return;
  }
  for (size_t i = 0; i < other.features.size(); ++i) features[i].Merge(other.features[i]);
  score.Merge(other.score);
}

void ProfileCounts::DropFine() {
  for (drift::ColumnCounts& column : features) column.fine = {};
  score.fine = {};
}

VersionProfile::VersionProfile(Baseline baseline)
    : baseline_(std::move(baseline)), waiting_(baseline_.features.size()) {
  for (const FeatureProfile& profile : baseline_.features) detectors_.emplace_back(PlanOf(profile));
  if (baseline_.score) score_detector_.emplace(PlanOf(*baseline_.score));
}

void VersionProfile::BindTo(const PredictionView& view) {
  bool bound = bindings_.size() == view.inputs.size();
  for (size_t i = 0; bound && i < bindings_.size(); ++i) {
    bound = bindings_[i].input == view.inputs[i].name &&
            bindings_[i].width == view.inputs[i].RowWidth(view.rows);
  }
  if (bound) return;
  Settle();
  bindings_.clear();
  const std::vector<FeatureProfile>& features = baseline_.features;
  std::vector<bool> bound_features(features.size(), false);
  for (const TensorView& input : view.inputs) {
    Binding binding{std::string(input.name), input.RowWidth(view.rows), {}};
    if (binding.width > static_cast<int64_t>(kMaxFeatures)) {
      bindings_.push_back(std::move(binding));
      continue;
    }
    const bool in_order = view.inputs.size() == 1 && binding.width > 1 &&
                          static_cast<size_t>(binding.width) == features.size();
    for (int64_t column = 0; column < binding.width; ++column) {
      const std::string name = FeatureName(input.name, binding.width, column);
      const auto found =
          std::find_if(features.begin(), features.end(),
                       [&](const FeatureProfile& profile) { return profile.bins.name() == name; });
      const int64_t missing = in_order ? column : -1;
      const int64_t feature = found == features.end() ? missing : found - features.begin();
      // A feature takes one column: its block has one value a row.
      const bool is_free = feature < 0 || !bound_features[static_cast<size_t>(feature)];
      binding.features.push_back(is_free ? feature : -1);
      if (feature >= 0) bound_features[static_cast<size_t>(feature)] = true;
    }
    bindings_.push_back(std::move(binding));
  }
}

void VersionProfile::Take(const TensorView& input, const Binding& binding, int64_t first,
                          int64_t rows) {
  if (binding.features.empty()) return;
  const bool is_text = input.type == inference::DataType::kString;
  base::ByteReader texts(is_text ? input.bytes : std::string_view());
  for (int64_t i = 0; is_text && i < first * binding.width; ++i) texts.Text();
  for (int64_t row = first; row < first + rows; ++row) {
    for (int64_t column = 0; column < binding.width; ++column) {
      const std::string_view text = is_text ? texts.Text() : std::string_view();
      const int64_t feature = binding.features[static_cast<size_t>(column)];
      if (feature < 0) continue;
      Waiting& waiting = waiting_[static_cast<size_t>(feature)];
      const FeatureBins& bins = baseline_.features[static_cast<size_t>(feature)].bins;
      if (bins.kind() == FeatureKind::kNumeric) {
        waiting.numbers[waiting.size++] =
            is_text ? kMissingNumber : NarrowAt(input, row * binding.width + column);
      } else {
        const size_t bin = is_text ? bins.BinOfText(text)
                                   : bins.BinOfNumber(input.NumberAt(row * binding.width + column));
        waiting.bins[waiting.size++] = static_cast<uint8_t>(bin);
      }
    }
  }
}

void VersionProfile::Count(const PredictionView& view, const ScoreRule& rule, ProfileCounts& counts,
                           std::span<const SegmentTargets> segments) {
  const auto score = baseline_.score ? FindScore(view, rule) : std::nullopt;
  // The rows that wait together have the same columns.
  if (target_ != &counts || (waiting_scores_.size > 0) != score.has_value()) Settle();
  BindTo(view);
  target_ = &counts;
  for (int64_t row = 0; row < view.rows;) {
    if (waiting_rows_ == kBlockRows) Settle();
    const int64_t rows =
        std::min(view.rows - row, static_cast<int64_t>(kBlockRows - waiting_rows_));
    for (size_t i = 0; i < bindings_.size(); ++i) Take(view.inputs[i], bindings_[i], row, rows);
    for (int64_t i = row; i < row + rows; ++i) {
      if (score) waiting_scores_.numbers[waiting_scores_.size++] = static_cast<float>(score->At(i));
      if (!segments.empty()) segments_.push_back(segments[static_cast<size_t>(i)]);
    }
    waiting_rows_ += static_cast<size_t>(rows);
    last_time_ = view.time;
    row += rows;
  }
}

void VersionProfile::SettleColumn(const FeatureProfile& profile, Waiting& waiting,
                                  drift::ColumnCounts& counts, StreamDetector& detector) {
  const std::span<uint8_t> bins = std::span(waiting.bins).first(waiting.size);
  if (profile.bins.kind() == FeatureKind::kNumeric) {
    drift::CountNumbers(profile.bins, std::span<const float>(waiting.numbers).first(waiting.size),
                        counts, bins);
  } else {
    for (const uint8_t bin : bins) ++counts.bins[bin];
  }
  detector.Add(bins, last_time_);
}

void VersionProfile::Settle() {
  if (waiting_rows_ == 0) return;
  for (size_t i = 0; i < waiting_.size(); ++i) {
    Waiting& waiting = waiting_[i];
    if (waiting.size == 0) continue;
    SettleColumn(baseline_.features[i], waiting, target_->features[i], detectors_[i]);
    // Every waiting row has a value of this column, or none has.
    for (size_t row = 0; row < segments_.size(); ++row) {
      for (ProfileCounts* segment : segments_[row]) {
        if (segment != nullptr) ++segment->features[i].bins[waiting.bins[row]];
      }
    }
    waiting.size = 0;
  }
  if (waiting_scores_.size > 0) {
    SettleColumn(*baseline_.score, waiting_scores_, target_->score, *score_detector_);
    for (size_t row = 0; row < segments_.size(); ++row) {
      for (ProfileCounts* segment : segments_[row]) {
        if (segment != nullptr) ++segment->score.bins[waiting_scores_.bins[row]];
      }
    }
    waiting_scores_.size = 0;
  }
  waiting_rows_ = 0;
  segments_.clear();
}

base::Result<Baseline> BaselineFromRecords(const std::vector<std::string>& records,
                                           const ScoreRule& rule) {
  TableBuilder table;
  std::vector<double> scores;
  PredictionView view;
  int64_t rows = 0;
  std::vector<int64_t> all;
  for (const std::string& bytes : records) {
    TRY(ReadPrediction(bytes, view));
    if (!table.Fits(view)) continue;
    all.resize(static_cast<size_t>(view.rows));
    std::iota(all.begin(), all.end(), int64_t{0});
    table.AddRows(view, all);
    rows += view.rows;
    const auto score = FindScore(view, rule);
    for (int64_t row = 0; score && row < view.rows; ++row) scores.push_back(score->At(row));
  }
  if (static_cast<int64_t>(scores.size()) != rows) scores.clear();
  return MakeBaseline(table.Take(), scores, "first " + std::to_string(rows) + " predictions");
}

}  // namespace slipway::monitoring
