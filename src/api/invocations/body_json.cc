// SPDX-License-Identifier: Apache-2.0
// A prediction by MLflow's protocol: its JSON becomes columns or tensors.
#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "api/invocations/body.h"
#include "base/json.h"
#include "inference/columns.h"

namespace slipway::api::invocations {
namespace {

using base::InvalidArgument;
using base::Json;
using base::Status;
using inference::Column;
using inference::ModelDescription;
using inference::Request;
using inference::Shape;
using inference::Tensor;

constexpr std::array<std::string_view, 4> kForms = {"dataframe_split", "dataframe_records",
                                                    "instances", "inputs"};

constexpr size_t kMaxCells = 20'000'000;

// Python writes NaN, which JSON does not have, for a missing value: null says the same.
std::string NanToNull(std::string_view json) {
  std::string out;
  out.reserve(json.size() + 16);
  bool in_string = false;
  for (size_t i = 0; i < json.size();) {
    if (!in_string && json.substr(i).starts_with("NaN")) {
      out += "null";
      i += 3;
    } else if (in_string && json[i] == '\\' && i + 1 < json.size()) {
      out.append(json.substr(i, 2));
      i += 2;
    } else {
      if (json[i] == '"') in_string = !in_string;
      out += json[i++];
    }
  }
  return out;
}

base::Result<Json> ParseBody(std::string_view body) {
  auto json = Json::Parse(body);
  if (!json.ok() && body.find("NaN") != body.npos) json = Json::Parse(NanToNull(body));
  if (!json.ok()) return InvalidArgument("body", "not JSON: " + json.status().message());
  if (!json->is_object())
    return InvalidArgument("body", "expected an object, got " + std::string(json->TypeName()));
  return json;
}

// The shape of arrays within arrays by their first items, and every scalar in row-major order; all
// must agree with that shape.
class ArrayReader {
 public:
  explicit ArrayReader(std::string field) : field_(std::move(field)) {}

  Status Read(const Json& value) {
    const Json* first = &value;
    while (first->is_array()) {
      if (shape_.size() == kMaxRank)
        return InvalidArgument(field_,
                               "more than " + std::to_string(kMaxRank) + " arrays within arrays");
      shape_.push_back(static_cast<int64_t>(first->AsArray().size()));
      if (first->AsArray().empty()) break;
      first = &first->AsArray()[0];
    }
    return ReadLevel(value, 0);
  }
  const Shape& shape() const { return shape_; }
  const std::vector<const Json*>& cells() const { return cells_; }

 private:
  Status ReadLevel(const Json& value, size_t level) {
    if (level == shape_.size()) {
      if (value.is_array() || value.is_object())
        return InvalidArgument(field_, "arrays of different depth, or an object among them");
      cells_.push_back(&value);
      return Status::Ok();
    }
    if (!value.is_array() || static_cast<int64_t>(value.AsArray().size()) != shape_[level]) {
      return InvalidArgument(field_, "expected arrays of one length in dimension " +
                                         std::to_string(level) + ": " +
                                         std::to_string(shape_[level]) + ", as the first one has");
    }
    for (const Json& item : value.AsArray()) TRY(ReadLevel(item, level + 1));
    return Status::Ok();
  }

  const std::string field_;
  Shape shape_;
  std::vector<const Json*> cells_;
};

// Numbers as FP64 or INT64, which serving makes the model's type.
base::Result<Tensor> TensorOf(const Json& value, const std::string& field) {
  ArrayReader reader(field);
  TRY(reader.Read(value));
  const Column column = TRY(inference::ColumnFromJson(field, reader.cells()));
  return std::visit(
      [&](const auto& values) {
        using T = typename std::decay_t<decltype(values)>::value_type;
        return Tensor::Of<T>(reader.shape(), values);
      },
      column.values);
}

base::Result<Request> OnlyInput(const Json& value, const std::string& field,
                                const ModelDescription& description) {
  if (description.inputs.size() != 1) {
    std::string names;
    for (const auto& input : description.inputs) names += (names.empty() ? "" : ", ") + input.name;
    return InvalidArgument(field, "a bare array is for models with one input; this one takes " +
                                      names + ": give an array for each name");
  }
  Tensor tensor = TRY(TensorOf(value, field));
  Request request;
  request.inputs.push_back({description.inputs[0].name, std::move(tensor)});
  return request;
}

bool IsColumn(const Json& value) {
  return value.is_array() &&
         std::none_of(value.AsArray().begin(), value.AsArray().end(),
                      [](const Json& item) { return item.is_array() || item.is_object(); });
}

// {"a": [..], "b": [..]}: columns when all are flat, else a tensor for each name.
base::Result<Request> FromNamedArrays(const Json& object, const std::string& field,
                                      const ModelDescription& description) {
  const Json::Object& members = object.AsObject();
  if (members.empty() || members.size() > kMaxColumns) {
    return InvalidArgument(field, "expected 1 to " + std::to_string(kMaxColumns) + " names");
  }
  const bool columns = std::all_of(members.begin(), members.end(), [](const Json::Member& member) {
    return IsColumn(member.second);
  });
  if (columns) {
    std::vector<Column> all;
    for (const auto& [name, values] : members) {
      std::vector<const Json*> cells;
      cells.reserve(values.AsArray().size());
      for (const Json& cell : values.AsArray()) cells.push_back(&cell);
      all.push_back(TRY(inference::ColumnFromJson(name, cells)));
    }
    return inference::RequestFromColumns(all, description);
  }
  Request request;
  for (const auto& [name, value] : members) {
    const std::string place = field + "." + name;
    if (!value.is_array())
      return InvalidArgument(place, "expected an array, got " + std::string(value.TypeName()));
    request.inputs.push_back({name, TRY(TensorOf(value, place))});
  }
  return request;
}

// [{"a": 1, "b": "x"}, ...] as {"a": [1, ...], "b": ["x", ...]}; a name that a record leaves out is
// missing there.
base::Result<Json> RecordsToArrays(const Json& records, const std::string& field) {
  std::unordered_map<std::string_view, size_t> places;
  std::vector<std::pair<std::string, Json::Array>> columns;
  const size_t rows = records.AsArray().size();
  for (size_t row = 0; row < rows; ++row) {
    const Json& record = records.AsArray()[row];
    const std::string place = field + "[" + std::to_string(row) + "]";
    if (!record.is_object())
      return InvalidArgument(place, "expected an object, got " + std::string(record.TypeName()));
    for (const auto& [name, value] : record.AsObject()) {
      const auto [found, added] = places.emplace(name, columns.size());
      if (added) {
        if (columns.size() == kMaxColumns)
          return InvalidArgument(place, "more than " + std::to_string(kMaxColumns) + " columns");
        // Records that share no names would make a table of their product.
        if (rows * columns.size() > kMaxCells)
          return InvalidArgument(
              place, "makes a table of more than " + std::to_string(kMaxCells) + " cells");
        columns.emplace_back(name, Json::Array(rows));
      }
      columns[found->second].second[row] = value;
    }
  }
  Json::Object object;
  for (auto& [name, values] : columns)
    object.emplace_back(std::move(name), Json(std::move(values)));
  return Json(std::move(object));
}

base::Result<Request> FromRecords(const Json& records, const std::string& field,
                                  const ModelDescription& description) {
  if (!records.is_array())
    return InvalidArgument(field,
                           "expected an array of objects, got " + std::string(records.TypeName()));
  if (records.AsArray().empty()) return InvalidArgument(field, "expected at least one row");
  const Json arrays = TRY(RecordsToArrays(records, field));
  return FromNamedArrays(arrays, field, description);
}

base::Result<Request> FromSplit(const Json& split, const ModelDescription& description) {
  if (!split.is_object())
    return InvalidArgument("dataframe_split", "expected an object with columns and data");
  const std::vector<Column> columns = TRY(inference::ColumnsFromSplit(split, "dataframe_split"));
  if (columns[0].size() == 0)
    return InvalidArgument("dataframe_split.data", "expected at least one row");
  return inference::RequestFromColumns(columns, description);
}

base::Result<Request> FromInstances(const Json& value, const ModelDescription& description) {
  if (!value.is_array() || value.AsArray().empty())
    return InvalidArgument("instances", "expected an array of at least one row");
  if (value.AsArray()[0].is_object()) return FromRecords(value, "instances", description);
  return OnlyInput(value, "instances", description);
}

base::Result<Request> FromInputs(const Json& value, const ModelDescription& description) {
  if (value.is_object()) return FromNamedArrays(value, "inputs", description);
  if (!value.is_array())
    return InvalidArgument("inputs", "expected an array, or an object of arrays, got " +
                                         std::string(value.TypeName()));
  return OnlyInput(value, "inputs", description);
}

bool IsEmpty(const Json& value) {
  return value.is_null() || (value.is_object() && value.AsObject().empty());
}

}  // namespace

base::Result<Request> DecodeJson(std::string_view body, const ModelDescription& description) {
  const Json json = TRY(ParseBody(body));
  std::string_view form;
  for (const auto& [key, value] : json.AsObject()) {
    if (key == "params") {
      if (!IsEmpty(value)) return InvalidArgument("params", "this model takes no parameters");
    } else if (std::find(kForms.begin(), kForms.end(), key) == kForms.end()) {
      return InvalidArgument(
          key,
          "is not known; expected one of dataframe_split, dataframe_records, instances, inputs");
    } else if (!form.empty()) {
      return InvalidArgument(
          key, "stands beside " + std::string(form) + "; expected exactly one of the two");
    } else {
      form = key;
    }
  }
  if (form.empty()) {
    return InvalidArgument("body",
                           "expected one of dataframe_split, dataframe_records, instances, inputs");
  }
  const Json& value = *json.Find(form);
  if (form == "dataframe_split") return FromSplit(value, description);
  if (form == "dataframe_records") return FromRecords(value, "dataframe_records", description);
  return form == "instances" ? FromInstances(value, description) : FromInputs(value, description);
}

}  // namespace slipway::api::invocations
