// SPDX-License-Identifier: Apache-2.0
// Logged inputs as a table: for baselines from live traffic, and for the competition of versions on
// a labelled window.
#include "monitoring/table_builder.h"

#include "base/byte_codec.h"
#include "monitoring/baseline.h"

namespace slipway::monitoring {
namespace {

using base::ByteReader;

using inference::DataType;

bool IsInteger(DataType type) {
  return type != DataType::kString && type != DataType::kFp16 && type != DataType::kBf16 &&
         type != DataType::kFp32 && type != DataType::kFp64 && type != DataType::kUint64;
}

inference::Column EmptyColumn(std::string name, DataType type) {
  if (type == DataType::kString) return {std::move(name), std::vector<std::string>()};
  if (IsInteger(type)) return {std::move(name), std::vector<int64_t>()};
  return {std::move(name), std::vector<double>()};
}

}  // namespace

std::string FeatureName(std::string_view input, int64_t width, int64_t column) {
  return width == 1 ? std::string(input) : std::string(input) + "." + std::to_string(column);
}

bool IsTabular(const PredictionView& view) {
  int64_t columns = 0;
  for (const TensorView& input : view.inputs) columns += input.RowWidth(view.rows);
  return columns <= static_cast<int64_t>(kMaxFeatures);
}

void TableBuilder::Begin(const PredictionView& view) {
  for (const TensorView& input : view.inputs) {
    const int64_t width = input.RowWidth(view.rows);
    inputs_.push_back({std::string(input.name), input.type, width});
    for (int64_t column = 0; column < width; ++column) {
      columns_.push_back(EmptyColumn(FeatureName(input.name, width, column), input.type));
    }
  }
}

bool TableBuilder::Fits(const PredictionView& view) {
  if (!IsTabular(view)) return false;
  if (inputs_.empty()) Begin(view);
  if (inputs_.size() != view.inputs.size() || columns_.empty()) return false;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const TensorView& input = view.inputs[i];
    if (input.name != inputs_[i].name || input.type != inputs_[i].type ||
        input.RowWidth(view.rows) != inputs_[i].width) {
      return false;
    }
  }
  return true;
}

void TableBuilder::AddRows(const PredictionView& view, std::span<const int64_t> rows) {
  size_t first = 0;
  for (const TensorView& input : view.inputs) {
    const int64_t width = input.RowWidth(view.rows);
    ByteReader texts(input.bytes);
    int64_t texts_read = 0;
    for (const int64_t row : rows) {
      for (; input.type == DataType::kString && texts_read < row * width; ++texts_read)
        texts.Text();
      for (int64_t column = 0; column < width; ++column) {
        auto& values = columns_[first + static_cast<size_t>(column)].values;
        if (auto* text_values = std::get_if<std::vector<std::string>>(&values)) {
          text_values->emplace_back(texts.Text());
          ++texts_read;
        } else if (auto* integers = std::get_if<std::vector<int64_t>>(&values)) {
          integers->push_back(static_cast<int64_t>(input.NumberAt(row * width + column)));
        } else {
          std::get<std::vector<double>>(values).push_back(input.NumberAt(row * width + column));
        }
      }
    }
    first += static_cast<size_t>(width);
  }
}

}  // namespace slipway::monitoring
