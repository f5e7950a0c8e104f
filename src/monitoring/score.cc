// SPDX-License-Identifier: Apache-2.0
// From a logged answer to the one number per row that is monitored.
#include "monitoring/score.h"

namespace slipway::monitoring {
namespace {

using inference::DataType;

bool IsFloating(DataType type) {
  return type == DataType::kFp16 || type == DataType::kBf16 || type == DataType::kFp32 ||
         type == DataType::kFp64;
}

// Which column has this label; nullopt when the labels do not say.
std::optional<int64_t> ColumnOf(const TensorView& output, const std::string& positive_label) {
  const auto labels = CopyColumnLabels(output);
  if (!labels.ok() || !labels->has_value()) return std::nullopt;
  const inference::Tensor& names = **labels;
  for (int64_t i = 0; i < names.element_count(); ++i) {
    const bool is_text = names.type() == DataType::kString;
    const std::string name = is_text ? names.strings()[static_cast<size_t>(i)]
                                     : std::to_string(static_cast<int64_t>(names.NumberAt(i)));
    if (name == positive_label) return i;
  }
  return std::nullopt;
}

}  // namespace

std::optional<ScoreColumn> FindScore(const PredictionView& view, const ScoreRule& rule) {
  const TensorView* chosen = nullptr;
  for (const TensorView& output : view.outputs) {
    if (output.RowWidth(view.rows) == 0 || output.type == DataType::kString) continue;
    if (rule.score_output.empty() ? !IsFloating(output.type) : output.name != rule.score_output)
      continue;
    chosen = &output;
    if (output.name == "probabilities") break;
  }
  if (chosen == nullptr) return std::nullopt;
  ScoreColumn score{chosen, chosen->RowWidth(view.rows), chosen->RowWidth(view.rows) - 1};
  if (!rule.positive_label.empty() && !chosen->label_bytes.empty()) {
    score.column = ColumnOf(*chosen, rule.positive_label).value_or(score.column);
  }
  return score;
}

}  // namespace slipway::monitoring
