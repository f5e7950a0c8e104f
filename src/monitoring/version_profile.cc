// SPDX-License-Identifier: Apache-2.0
// Counting a prediction: each feature of each row finds its frozen bin.
#include "monitoring/version_profile.h"

#include <algorithm>
#include <numeric>

#include "monitoring/byte_codec.h"
#include "monitoring/table_builder.h"

namespace slipway::monitoring {

void VersionProfile::BindTo(const PredictionView& view) {
  bool bound = bindings_.size() == view.inputs.size();
  for (size_t i = 0; bound && i < bindings_.size(); ++i) {
    bound = bindings_[i].input == view.inputs[i].name &&
            bindings_[i].width == view.inputs[i].RowWidth(view.rows);
  }
  if (bound) return;
  bindings_.clear();
  const std::vector<FeatureProfile>& features = baseline_.features;
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
      binding.features.push_back(found == features.end() ? missing : found - features.begin());
    }
    bindings_.push_back(std::move(binding));
  }
}

void VersionProfile::CountInput(const TensorView& input, const Binding& binding, int64_t rows,
                                BinCounts& counts) const {
  if (binding.features.empty()) return;
  const bool is_text = input.type == inference::DataType::kString;
  ByteReader texts(input.bytes);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < binding.width; ++column) {
      const std::string_view text = is_text ? texts.Text() : std::string_view();
      const int64_t feature = binding.features[static_cast<size_t>(column)];
      if (feature < 0) continue;
      const FeatureBins& bins = baseline_.features[static_cast<size_t>(feature)].bins;
      const size_t bin = is_text ? bins.BinOfText(text)
                                 : bins.BinOfNumber(input.NumberAt(row * binding.width + column));
      ++counts.features[static_cast<size_t>(feature)][bin];
    }
  }
}

void VersionProfile::Count(const PredictionView& view, const ScoreRule& rule, BinCounts& counts) {
  if (counts.features.empty()) {
    for (const FeatureProfile& profile : baseline_.features)
      counts.features.emplace_back(profile.bins.bin_count());
    if (baseline_.score) counts.score.resize(baseline_.score->bins.bin_count());
  }
  BindTo(view);
  for (size_t i = 0; i < bindings_.size(); ++i)
    CountInput(view.inputs[i], bindings_[i], view.rows, counts);
  if (!baseline_.score) return;
  const auto score = FindScore(view, rule);
  if (!score) return;
  for (int64_t row = 0; row < view.rows; ++row)
    ++counts.score[baseline_.score->bins.BinOfNumber(score->At(row))];
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
