// SPDX-License-Identifier: Apache-2.0
// Reading a golden set against what the model says of itself.
#include "lifecycle/golden.h"

#include <algorithm>

#include "inference/columns.h"

namespace slipway::lifecycle {
namespace {

using base::InvalidArgument;
using base::Json;

// Flattens [..] or [[..]] into cells and notes the width of a row (0 for plain values).
base::Status Flatten(const std::string& field, const Json& values, int64_t rows,
                     std::vector<const Json*>& cells, int64_t& width) {
  if (!values.is_array()) return InvalidArgument(field, "expected an array with one entry a row");
  if (static_cast<int64_t>(values.AsArray().size()) != rows) {
    return InvalidArgument(field, "expected " + std::to_string(rows) +
                                      " rows, as the inputs have, got " +
                                      std::to_string(values.AsArray().size()));
  }
  width = 0;
  for (const Json& row : values.AsArray()) {
    if (!row.is_array()) {
      cells.push_back(&row);
      continue;
    }
    width = static_cast<int64_t>(row.AsArray().size());
    for (const Json& cell : row.AsArray()) cells.push_back(&cell);
  }
  const int64_t expected = rows * std::max<int64_t>(width, 1);
  if (static_cast<int64_t>(cells.size()) != expected)
    return InvalidArgument(field, "rows differ in length");
  return base::Status::Ok();
}

base::Result<inference::NamedTensor> ReadOutput(const std::string& name, const Json& values,
                                                int64_t rows, const inference::TensorSpec& spec) {
  const std::string field = "outputs." + name;
  std::vector<const Json*> cells;
  int64_t width = 0;
  TRY(Flatten(field, values, rows, cells, width));
  const inference::Column column = TRY(inference::ColumnFromJson(field, cells));
  inference::ModelDescription one;
  one.inputs.push_back({field, spec.type, {-1}});
  inference::Request flat = TRY(inference::RequestFromColumns({column}, one));
  inference::Shape shape = {rows};
  if (width > 0) shape.push_back(width);
  return inference::NamedTensor{name, TRY(flat.inputs[0].tensor.Reshape(shape))};
}

}  // namespace

base::Result<GoldenSet> ParseGolden(const Json& file,
                                    const inference::ModelDescription& description) {
  GoldenSet golden;
  const Json* inputs = file.Find("inputs");
  const Json* split = inputs == nullptr ? nullptr : inputs->Find("dataframe_split");
  if (split == nullptr)
    return InvalidArgument("inputs.dataframe_split", "missing: expected {columns, data}");
  const auto columns = TRY(inference::ColumnsFromSplit(*split, "inputs.dataframe_split"));
  golden.rows = static_cast<int64_t>(columns[0].size());
  if (golden.rows == 0)
    return InvalidArgument("inputs.dataframe_split.data", "expected at least one row");
  golden.request = TRY(inference::RequestFromColumns(columns, description));

  const Json* outputs = file.Find("outputs");
  if (outputs == nullptr || !outputs->is_object() || outputs->AsObject().empty()) {
    return InvalidArgument("outputs", "expected an object with at least one output of the model");
  }
  for (const auto& [name, values] : outputs->AsObject()) {
    const auto spec = std::find_if(
        description.outputs.begin(), description.outputs.end(),
        [&name = name](const inference::TensorSpec& output) { return output.name == name; });
    if (spec == description.outputs.end())
      return InvalidArgument("outputs." + name, "the model has no such output");
    golden.request.outputs.push_back(name);
    golden.expected.outputs.push_back(TRY(ReadOutput(name, values, golden.rows, *spec)));
  }
  if (const Json* tolerance = file.Find("tolerance"); tolerance != nullptr) {
    golden.absolute = TRY(base::OptionalDouble(*tolerance, "absolute")).value_or(golden.absolute);
    golden.relative = TRY(base::OptionalDouble(*tolerance, "relative")).value_or(golden.relative);
  }
  return golden;
}

}  // namespace slipway::lifecycle
