// SPDX-License-Identifier: Apache-2.0
// The walk of a label: what it means for the answer that it belongs to.
#include "monitoring/windows/truth.h"

#include <cmath>

namespace slipway::monitoring {
namespace {

using inference::DataType;

std::string ColumnName(const TensorView& output, int64_t column) {
  const auto labels = CopyColumnLabels(output);
  if (!labels.ok() || !labels->has_value() || (*labels)->element_count() <= column)
    return std::to_string(column);
  const inference::Tensor& names = **labels;
  if (names.type() == DataType::kString) return names.strings()[static_cast<size_t>(column)];
  return LabelText(LabelValue(names.NumberAt(column)));
}

std::string LargestColumn(const ScoreColumn& score, int64_t row) {
  int64_t most = 0;
  for (int64_t column = 1; column < score.width; ++column) {
    if (score.tensor->NumberAt(row * score.width + column) >
        score.tensor->NumberAt(row * score.width + most))
      most = column;
  }
  return ColumnName(*score.tensor, most);
}

// Of a model that answers with classes: the first output that is text or whole numbers.
std::string AnsweredClass(const PredictionView& view, int64_t row) {
  for (const TensorView& output : view.outputs) {
    const bool floating = output.type == DataType::kFp16 || output.type == DataType::kBf16 ||
                          output.type == DataType::kFp32 || output.type == DataType::kFp64;
    if (output.RowWidth(view.rows) != 1 || floating) continue;
    if (output.type != DataType::kString) return LabelText(LabelValue(output.NumberAt(row)));
    base::ByteReader texts(output.bytes);
    for (int64_t i = 0; i < row; ++i) texts.Text();
    return std::string(texts.Text());
  }
  return "";
}

}  // namespace

std::optional<double> ClassIndex::IdOf(const std::string& name) {
  const auto found = ids_.find(name);
  if (found != ids_.end()) return static_cast<double>(found->second);
  if (ids_.size() >= kMaxClasses) return std::nullopt;
  const size_t id = ids_.size();
  ids_.emplace(name, id);
  return static_cast<double>(id);
}

std::vector<std::string> ClassIndex::Names() const {
  std::vector<std::string> names(ids_.size());
  for (const auto& [name, id] : ids_) names[id] = name;
  return names;
}

bool TellsClassesApart(const ScoreRule& rule, int64_t score_width) {
  if (rule.task != Task::kAuto) return rule.task == Task::kMulticlass;
  return rule.positive_label.empty() && rule.score_output.empty() && score_width > 2;
}

Answer AnswerOf(const PredictionView& view, int64_t row, const ScoreRule& rule) {
  Answer answer;
  const auto score = FindScore(view, rule);
  if (score) {
    answer.score_width = score->width;
    const double value = score->At(row);
    if (!std::isnan(value)) answer.score = value;
  }
  if (!TellsClassesApart(rule, answer.score_width)) return answer;
  answer.class_name =
      score && score->width > 1 ? LargestColumn(*score, row) : AnsweredClass(view, row);
  return answer;
}

std::optional<QualityRow> Pair(const Answer& answer, const LabelValue& label, const ScoreRule& rule,
                               ClassIndex& classes) {
  if (TellsClassesApart(rule, answer.score_width)) {
    if (answer.class_name.empty()) return std::nullopt;
    const auto said = classes.IdOf(answer.class_name);
    const auto truth = classes.IdOf(LabelText(label));
    if (!said || !truth) return std::nullopt;
    return QualityRow{*said, *truth, {}};
  }
  if (!answer.score) return std::nullopt;
  if (rule.task != Task::kRegression) {
    if (const auto binary = BinaryLabel(label, rule.positive_label))
      return QualityRow{*answer.score, *binary ? 1.0 : 0.0, {}};
  }
  const double* number = std::get_if<double>(&label);
  const bool may_be_number =
      rule.task == Task::kRegression ||
      (rule.task == Task::kAuto && rule.positive_label.empty() && answer.score_width == 1);
  if (number == nullptr || !may_be_number) return std::nullopt;
  return QualityRow{*answer.score, *number, {}};
}

}  // namespace slipway::monitoring
