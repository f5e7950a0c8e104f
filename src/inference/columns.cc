// SPDX-License-Identifier: Apache-2.0
// From a table by feature name to the tensors of a request.
#include "inference/columns.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference {
namespace {

using base::InvalidArgument;

constexpr size_t kMostColumns = 10000;

base::Status WrongCell(const std::string& column, size_t row, const std::string& expected) {
  return InvalidArgument(column, "row " + std::to_string(row) + ": expected " + expected,
                         "bad_cell");
}

template <typename To, typename From>
bool Fits(From value) {
  if constexpr (std::is_floating_point_v<To>) {
    return true;
  } else if constexpr (std::is_floating_point_v<From>) {
    // 2^digits is exact in double, the largest integer may not be.
    const double limit = std::ldexp(1.0, std::numeric_limits<To>::digits);
    const double least = std::is_signed_v<To> ? -limit : 0.0;
    return value == std::floor(value) && value >= least && value < limit;
  } else {
    return std::in_range<To>(value);
  }
}

template <typename To, typename From>
base::Result<Tensor> Convert(const Column& column, const std::vector<From>& values,
                             const TensorSpec& spec, Shape shape) {
  Tensor tensor(spec.type, std::move(shape));
  auto* out = reinterpret_cast<To*>(tensor.mutable_bytes().data());
  for (size_t i = 0; i < values.size(); ++i) {
    if (!Fits<To>(values[i])) {
      return WrongCell(column.name, i, "a value of type " + std::string(DataTypeName(spec.type)));
    }
    out[i] = static_cast<To>(values[i]);
  }
  return tensor;
}

template <typename From>
base::Result<Tensor> ConvertNumbers(const Column& column, const std::vector<From>& values,
                                    const TensorSpec& spec, Shape shape) {
  switch (spec.type) {
    case DataType::kFp32:
      return Convert<float>(column, values, spec, std::move(shape));
    case DataType::kFp64:
      return Convert<double>(column, values, spec, std::move(shape));
    case DataType::kInt64:
      return Convert<int64_t>(column, values, spec, std::move(shape));
    case DataType::kInt32:
      return Convert<int32_t>(column, values, spec, std::move(shape));
    case DataType::kInt16:
      return Convert<int16_t>(column, values, spec, std::move(shape));
    case DataType::kInt8:
      return Convert<int8_t>(column, values, spec, std::move(shape));
    case DataType::kUint64:
      return Convert<uint64_t>(column, values, spec, std::move(shape));
    case DataType::kUint32:
      return Convert<uint32_t>(column, values, spec, std::move(shape));
    case DataType::kUint16:
      return Convert<uint16_t>(column, values, spec, std::move(shape));
    case DataType::kUint8:
      return Convert<uint8_t>(column, values, spec, std::move(shape));
    case DataType::kBool: {
      for (size_t i = 0; i < values.size(); ++i) {
        if (values[i] != From{0} && values[i] != From{1})
          return WrongCell(column.name, i, "true or false");
      }
      return Convert<uint8_t>(column, values, spec, std::move(shape));
    }
    default:
      return InvalidArgument(column.name, "numbers cannot be given for a model input of type " +
                                              std::string(DataTypeName(spec.type)));
  }
}

base::Result<Tensor> ColumnTensor(const Column& column, const TensorSpec& spec) {
  Shape shape = {static_cast<int64_t>(column.size())};
  if (spec.shape.size() == 2 && (spec.shape[1] == 1 || spec.shape[1] == -1)) {
    shape.push_back(1);
  } else if (spec.shape.size() != 1) {
    return InvalidArgument(column.name,
                           "the model's input has more than one value a row; send it as a tensor");
  }
  if (const auto* texts = std::get_if<std::vector<std::string>>(&column.values)) {
    if (spec.type != DataType::kString) {
      return InvalidArgument(
          column.name,
          "expected numbers (" + std::string(DataTypeName(spec.type)) + "), got strings",
          "bad_cell");
    }
    return Tensor::Strings(std::move(shape), *texts);
  }
  if (spec.type == DataType::kString) {
    return InvalidArgument(column.name, "expected strings, got numbers", "bad_cell");
  }
  if (const auto* integers = std::get_if<std::vector<int64_t>>(&column.values)) {
    return ConvertNumbers(column, *integers, spec, std::move(shape));
  }
  return ConvertNumbers(column, std::get<std::vector<double>>(column.values), spec,
                        std::move(shape));
}

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// In the input's order, where it names its columns; each of them once.
base::Result<std::vector<Column>> InOrder(const std::vector<Column>& columns,
                                          const std::vector<std::string>& names) {
  std::vector<Column> ordered;
  for (const Column& column : columns) {
    if (std::find(names.begin(), names.end(), column.name) == names.end())
      return InvalidArgument(column.name, "the model has no such input; it takes " + Joined(names),
                             "unknown_column");
  }
  for (const std::string& name : names) {
    const auto found = std::find_if(columns.begin(), columns.end(),
                                    [&](const Column& column) { return column.name == name; });
    if (found == columns.end())
      return InvalidArgument(name, "missing; the model takes " + Joined(names), "missing_column");
    ordered.push_back(*found);
  }
  return ordered;
}

// A model that does not say what it takes gets what there is.
base::Result<Request> OpenRequest(const std::vector<Column>& columns) {
  Request request;
  for (const Column& column : columns) {
    constexpr DataType kOfForms[] = {DataType::kFp64, DataType::kInt64, DataType::kString};
    const TensorSpec spec{column.name, kOfForms[column.values.index()], {-1, 1}};
    request.inputs.push_back({column.name, TRY(ColumnTensor(column, spec))});
  }
  return request;
}

// All columns side by side as one [N,C] input.
base::Result<Request> MatrixRequest(const std::vector<Column>& given, const TensorSpec& spec) {
  const std::vector<Column> columns =
      spec.columns.empty() ? given : TRY(InOrder(given, spec.columns));
  const size_t rows = columns.empty() ? 0 : columns[0].size();
  const size_t width = columns.size();
  Tensor matrix(spec.type, {static_cast<int64_t>(rows), static_cast<int64_t>(width)});
  const size_t element = SizeOf(spec.type);
  for (size_t c = 0; c < width; ++c) {
    TensorSpec one{columns[c].name, spec.type, {-1}};
    const Tensor column = TRY(ColumnTensor(columns[c], one));
    for (size_t r = 0; r < rows; ++r) {
      std::memcpy(matrix.mutable_bytes().data() + (r * width + c) * element,
                  column.bytes().data() + r * element, element);
    }
  }
  Request request;
  request.inputs.push_back({spec.name, std::move(matrix)});
  return request;
}

std::string Names(const std::vector<TensorSpec>& inputs) {
  std::string names;
  for (const TensorSpec& input : inputs) names += (names.empty() ? "" : ", ") + input.name;
  return names;
}

bool TakesMatrix(const std::vector<Column>& columns, const ModelDescription& description) {
  if (description.inputs.size() != 1) return false;
  const TensorSpec& only = description.inputs[0];
  if (only.shape.size() != 2 || only.type == DataType::kString) return false;
  if (columns.size() == 1 && columns[0].name == only.name && only.shape[1] == 1) return false;
  if (!only.columns.empty()) return true;
  return only.shape[1] == -1 || only.shape[1] == static_cast<int64_t>(columns.size());
}

base::Result<Column> TextColumn(const std::string& name,
                                const std::vector<const base::Json*>& cells) {
  std::vector<std::string> values;
  values.reserve(cells.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    if (!cells[i]->is_string() && !cells[i]->is_null())
      return WrongCell(name, i, "a string, as in the rows before");
    values.push_back(cells[i]->is_null() ? std::string() : cells[i]->AsString());
  }
  return Column{name, std::move(values)};
}

// Every cell is an integer or a boolean.
Column IntegerColumn(const std::string& name, const std::vector<const base::Json*>& cells) {
  std::vector<int64_t> values;
  values.reserve(cells.size());
  for (const base::Json* cell : cells)
    values.push_back(cell->is_bool() ? (cell->AsBool() ? 1 : 0) : cell->AsInt());
  return Column{name, std::move(values)};
}

base::Result<Column> NumberColumn(const std::string& name,
                                  const std::vector<const base::Json*>& cells) {
  std::vector<double> values;
  values.reserve(cells.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    const base::Json& cell = *cells[i];
    if (cell.is_null()) {
      values.push_back(std::numeric_limits<double>::quiet_NaN());
    } else if (cell.is_bool()) {
      values.push_back(cell.AsBool() ? 1 : 0);
    } else if (cell.is_number()) {
      values.push_back(cell.AsDouble());
    } else {
      return WrongCell(
          name, i, "a number, a string, true, false or null, got " + std::string(cell.TypeName()));
    }
  }
  return Column{name, std::move(values)};
}

}  // namespace

size_t Column::size() const {
  return std::visit([](const auto& v) { return v.size(); }, values);
}

base::Result<Column> ColumnFromJson(const std::string& name,
                                    const std::vector<const base::Json*>& cells) {
  const auto is_text = [](const base::Json* cell) { return cell->is_string(); };
  const auto is_integer = [](const base::Json* cell) { return cell->is_int() || cell->is_bool(); };
  if (std::any_of(cells.begin(), cells.end(), is_text)) return TextColumn(name, cells);
  if (!cells.empty() && std::all_of(cells.begin(), cells.end(), is_integer))
    return IntegerColumn(name, cells);
  return NumberColumn(name, cells);
}

base::Result<Request> RequestFromColumns(const std::vector<Column>& columns,
                                         const ModelDescription& description) {
  for (const Column& column : columns) {
    if (column.size() != columns[0].size()) {
      return InvalidArgument(column.name, "expected " + std::to_string(columns[0].size()) +
                                              " rows, as in " + columns[0].name + ", got " +
                                              std::to_string(column.size()));
    }
  }
  if (description.open) return OpenRequest(columns);
  if (TakesMatrix(columns, description)) return MatrixRequest(columns, description.inputs[0]);
  for (const Column& column : columns) {
    const bool known =
        std::any_of(description.inputs.begin(), description.inputs.end(),
                    [&](const TensorSpec& input) { return input.name == column.name; });
    if (!known) {
      return InvalidArgument(column.name,
                             "the model has no such input; it takes " + Names(description.inputs),
                             "unknown_column");
    }
  }
  Request request;
  for (const TensorSpec& input : description.inputs) {
    const auto found = std::find_if(columns.begin(), columns.end(), [&](const Column& column) {
      return column.name == input.name;
    });
    if (found == columns.end()) {
      return InvalidArgument(input.name, "missing; the model takes " + Names(description.inputs),
                             "missing_column");
    }
    request.inputs.push_back({input.name, TRY(ColumnTensor(*found, input))});
  }
  return request;
}

base::Result<std::vector<Column>> ColumnsFromSplit(const base::Json& split,
                                                   const std::string& field) {
  const base::Json* names = split.Find("columns");
  const base::Json* data = split.Find("data");
  if (names == nullptr || !names->is_array())
    return InvalidArgument(field + ".columns", "expected an array of names");
  if (data == nullptr || !data->is_array())
    return InvalidArgument(field + ".data", "expected an array of rows");
  const size_t width = names->AsArray().size();
  if (width == 0 || width > kMostColumns) {
    return InvalidArgument(field + ".columns",
                           "expected 1 to " + std::to_string(kMostColumns) + " names");
  }
  for (size_t r = 0; r < data->AsArray().size(); ++r) {
    const base::Json& row = data->AsArray()[r];
    if (!row.is_array() || row.AsArray().size() != width) {
      return InvalidArgument(
          field + ".data[" + std::to_string(r) + "]",
          "expected an array of " + std::to_string(width) + " values, one a column");
    }
  }
  std::vector<Column> columns;
  for (size_t c = 0; c < width; ++c) {
    const base::Json& name = names->AsArray()[c];
    if (!name.is_string())
      return InvalidArgument(field + ".columns[" + std::to_string(c) + "]", "expected a string");
    std::vector<const base::Json*> cells;
    cells.reserve(data->AsArray().size());
    for (const base::Json& row : data->AsArray()) cells.push_back(&row.AsArray()[c]);
    columns.push_back(TRY(ColumnFromJson(name.AsString(), cells)));
  }
  return columns;
}

}  // namespace slipway::inference
