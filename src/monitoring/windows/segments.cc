// SPDX-License-Identifier: Apache-2.0
// Part of a prediction's walk after its answer: which segment each of its rows belongs to.
#include "monitoring/windows/segments.h"

#include <algorithm>
#include <cmath>

#include "monitoring/labels.h"
#include "monitoring/table_builder.h"

namespace slipway::monitoring {

SegmentReader::SegmentReader(const PredictionView& view, std::string_view feature) : texts_("") {
  for (const TensorView& input : view.inputs) {
    const int64_t width = input.RowWidth(view.rows);
    const bool by_column = width > 1 && feature.size() > input.name.size() &&
                           feature.substr(0, input.name.size()) == input.name;
    if (width == 1 ? input.name != feature : !by_column) continue;
    for (int64_t column = 0; column < width; ++column) {
      if (FeatureName(input.name, width, column) != feature) continue;
      input_ = &input;
      width_ = width;
      column_ = column;
      if (input.type == inference::DataType::kString) texts_ = base::ByteReader(input.bytes);
      return;
    }
  }
}

void SegmentReader::Skip(int64_t rows) {
  row_ += rows;
  if (input_ == nullptr || input_->type != inference::DataType::kString) return;
  for (int64_t i = 0; i < rows * width_; ++i) texts_.Text();
}

std::string SegmentReader::Next() {
  if (input_ == nullptr) return "";
  const int64_t row = row_++;
  if (input_->type == inference::DataType::kString) {
    std::string value;
    for (int64_t column = 0; column < width_; ++column) {
      const std::string_view text = texts_.Text();
      if (column == column_) value = text;
    }
    return value.empty() ? "missing" : value;
  }
  const double number = input_->NumberAt(row * width_ + column_);
  return std::isnan(number) ? "missing" : LabelText(LabelValue(number));
}

uint8_t SegmentIndex::Find(size_t feature, std::string_view value) const {
  const std::vector<std::string>& values = values_[feature];
  const auto found = std::find(values.begin(), values.end(), value);
  return found == values.end() ? kOtherSegment : static_cast<uint8_t>(found - values.begin() + 1);
}

uint8_t SegmentIndex::IdOf(size_t feature, std::string_view value) {
  const uint8_t known = Find(feature, value);
  std::vector<std::string>& values = values_[feature];
  if (known != kOtherSegment || values.size() >= kMaxSegmentValues || value.empty()) return known;
  values.emplace_back(value);
  return static_cast<uint8_t>(values.size());
}

std::string_view SegmentIndex::ValueOf(size_t feature, uint8_t id) const {
  if (id == kOtherSegment) return "other";
  return values_[feature][static_cast<size_t>(id) - 1];
}

}  // namespace slipway::monitoring
