// SPDX-License-Identifier: Apache-2.0
// TableBuilder: rows of logged inputs become columns by signature name. Private to this room.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "inference/columns.h"
#include "monitoring/record_codec.h"

namespace slipway::monitoring {

// The name of a feature: the input's own, or "input.column" when one input has several columns.
std::string FeatureName(std::string_view input, int64_t width, int64_t column);

// Whether a row has few enough columns to be told apart (kMaxFeatures): an image's pixels are no
// features.
bool IsTabular(const PredictionView& view);

// The first row decides what the columns are; a row with other inputs is left out.
class TableBuilder {
 public:
  bool Fits(const PredictionView& view);
  void AddRows(const PredictionView& view,
               std::span<const int64_t> rows);  // the view fits; rows rising
  std::vector<inference::Column> Take() { return std::move(columns_); }

 private:
  struct Input {
    std::string name;
    inference::DataType type;
    int64_t width;
  };
  void Begin(const PredictionView& view);
  std::vector<Input> inputs_;
  std::vector<inference::Column> columns_;
};

}  // namespace slipway::monitoring
