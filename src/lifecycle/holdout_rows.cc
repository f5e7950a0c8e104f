// SPDX-License-Identifier: Apache-2.0
// From a holdout's file to what models are asked and what they should have said.
#include "lifecycle/holdout_rows.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>
#include <variant>

#include "base/json.h"
#include "inference/csv.h"
#include "inference/npz.h"

namespace slipway::lifecycle {
namespace {

using base::InvalidArgument;
using inference::Column;
using inference::NamedTensor;
using inference::TensorSpec;

std::string FormatOf(std::string_view bytes) {
  if (bytes.starts_with("PK")) return "npz";
  const size_t first = bytes.find_first_not_of(" \t\r\n");
  return first != bytes.npos && bytes[first] == '{' ? "json" : "csv";
}

Column ColumnOf(const std::string& name, const inference::Tensor& tensor) {
  using inference::DataType;
  if (tensor.type() == DataType::kString) return {name, tensor.strings()};
  const bool floating = tensor.type() == DataType::kFp16 || tensor.type() == DataType::kBf16 ||
                        tensor.type() == DataType::kFp32 || tensor.type() == DataType::kFp64;
  std::vector<double> numbers;
  std::vector<int64_t> integers;
  for (int64_t i = 0; i < tensor.element_count(); ++i) {
    const double value = tensor.NumberAt(i);
    floating ? numbers.push_back(value) : integers.push_back(static_cast<int64_t>(value));
  }
  return floating ? Column{name, std::move(numbers)} : Column{name, std::move(integers)};
}

base::Status ReadArrays(std::string_view bytes, HoldoutRows& rows) {
  for (NamedTensor& array : TRY(inference::ReadNpz(bytes))) {
    const bool column = array.tensor.shape().size() == 1 ||
                        (array.tensor.shape().size() == 2 && array.tensor.shape()[1] == 1);
    if (column) {
      rows.columns.push_back(ColumnOf(array.name, array.tensor));
    } else if (array.tensor.shape().empty()) {
      return InvalidArgument(array.name, "expected one entry a row, got a single value");
    } else {
      rows.tensors.push_back(std::move(array));
    }
  }
  return {};
}

std::string TextAt(const Column& column, size_t row) {
  if (const auto* texts = std::get_if<std::vector<std::string>>(&column.values))
    return (*texts)[row];
  if (const auto* numbers = std::get_if<std::vector<int64_t>>(&column.values))
    return std::to_string((*numbers)[row]);
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", std::get<std::vector<double>>(column.values)[row]);
  return text;
}

std::string NamesOf(const std::vector<Column>& columns) {
  std::string names;
  for (size_t i = 0; i < columns.size() && i < 20; ++i)
    names += (i == 0 ? "" : ", ") + columns[i].name;
  return names;
}

base::Result<std::vector<double>> LabelsOf(const Column& column) {
  if (const auto* numbers = std::get_if<std::vector<int64_t>>(&column.values))
    return std::vector<double>(numbers->begin(), numbers->end());
  const auto* numbers = std::get_if<std::vector<double>>(&column.values);
  if (numbers == nullptr)
    return InvalidArgument("label", "column '" + column.name + "' holds text; expected numbers");
  const auto missing = std::ranges::find_if(*numbers, [](double v) { return !std::isfinite(v); });
  if (missing != numbers->end())
    return InvalidArgument("label", "row " + std::to_string(missing - numbers->begin()) +
                                        " has no finite number in column '" + column.name + "'");
  return *numbers;
}

base::Status CheckSizes(const HoldoutRows& rows) {
  const size_t size = rows.labels.size();
  if (size == 0 || size > static_cast<size_t>(kMostHoldoutRows))
    return InvalidArgument("rows", "expected 1 to " + std::to_string(kMostHoldoutRows) +
                                       " rows, got " + std::to_string(size));
  if (rows.columns.empty() && rows.tensors.empty())
    return InvalidArgument("rows", "expected a column beside the label");
  const auto differs = [size](const std::string& name, size_t has) {
    return InvalidArgument(
        name, "has " + std::to_string(has) + " rows, the label has " + std::to_string(size));
  };
  for (const Column& column : rows.columns) {
    if (column.size() != size) return differs(column.name, column.size());
  }
  for (const NamedTensor& array : rows.tensors) {
    if (array.tensor.rows() != static_cast<int64_t>(size))
      return differs(array.name, static_cast<size_t>(array.tensor.rows()));
  }
  return {};
}

bool IsInput(const std::string& name, const inference::ModelDescription& description) {
  return std::ranges::any_of(description.inputs, [&](const TensorSpec& input) {
    return input.name == name || std::ranges::find(input.columns, name) != input.columns.end();
  });
}

}  // namespace

base::Result<HoldoutRows> ReadHoldout(std::string_view bytes, const HoldoutShape& shape) {
  HoldoutRows rows;
  rows.format = shape.format.empty() ? FormatOf(bytes) : shape.format;
  if (rows.format == "npz") {
    TRY(ReadArrays(bytes, rows));
  } else if (rows.format == "json") {
    const base::Json split = TRY(base::Json::Parse(std::string(bytes)));
    rows.columns = TRY(inference::ColumnsFromSplit(split, "rows"));
  } else {
    rows.columns = TRY(inference::ColumnsFromCsv(
        bytes, [](const std::string&) { return inference::CsvKind::kAsItLooks; }));
  }
  const auto label = std::ranges::find(rows.columns, shape.label, &Column::name);
  if (label == rows.columns.end())
    return InvalidArgument(
        "label", "there is no column '" + shape.label + "'; there are " + NamesOf(rows.columns));
  rows.labels = TRY(LabelsOf(*label));
  rows.columns.erase(label);
  TRY(CheckSizes(rows));
  if (shape.segments.size() > kMostHoldoutSegments)
    return InvalidArgument("segments", "expected at most 20 columns");
  for (const std::string& segment : shape.segments) {
    const auto by = std::ranges::find(rows.columns, segment, &Column::name);
    if (by == rows.columns.end())
      return InvalidArgument(
          "segments", "there is no column '" + segment + "'; there are " + NamesOf(rows.columns));
    std::vector<std::string>& texts = rows.segments.emplace_back();
    for (size_t row = 0; row < rows.labels.size(); ++row) texts.push_back(TextAt(*by, row));
  }
  return rows;
}

base::Result<inference::Request> RequestOf(const HoldoutRows& rows, const HoldoutShape& shape,
                                           const inference::ModelDescription& description) {
  std::vector<Column> columns;
  for (const Column& column : rows.columns) {
    const bool tells = std::ranges::find(shape.segments, column.name) != shape.segments.end();
    if (!tells || IsInput(column.name, description)) columns.push_back(column);
  }
  if (rows.tensors.empty()) return inference::RequestFromColumns(columns, description);
  inference::Request request;
  for (const NamedTensor& array : rows.tensors) {
    if (!IsInput(array.name, description))
      return InvalidArgument(array.name, "the model has no such input", "unknown_column");
    request.inputs.push_back(array);
  }
  inference::ModelDescription rest = description;
  std::erase_if(rest.inputs, [&](const TensorSpec& input) {
    return std::ranges::find(rows.tensors, input.name, &NamedTensor::name) != rows.tensors.end();
  });
  if (rest.inputs.empty() && columns.empty()) return request;
  for (NamedTensor& input : TRY(inference::RequestFromColumns(columns, rest)).inputs)
    request.inputs.push_back(std::move(input));
  return request;
}

}  // namespace slipway::lifecycle
