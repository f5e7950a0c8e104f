// SPDX-License-Identifier: Apache-2.0
// A prediction over JSON by rows or columns: arrays and records become tensors, and tensors arrays.
#include "inference/json_tensors.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/hash.h"
#include "base/json.h"
#include "base/status.h"
#include "inference/columns.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference {
namespace {

using base::InvalidArgument;
using base::Json;
using base::Status;

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

// The shape of arrays within arrays by their first items, and every scalar in row-major order; all
// must agree with that shape.
class ArrayReader {
 public:
  explicit ArrayReader(std::string field) : field_(std::move(field)) {}

  Status Read(const Json& value) {
    const Json* first = &value;
    while (first->is_array()) {
      if (shape_.size() == kMaxJsonRank)
        return InvalidArgument(
            field_, "more than " + std::to_string(kMaxJsonRank) + " arrays within arrays");
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
      if (value.is_object()) return ReadBytes(value);
      if (value.is_array()) return InvalidArgument(field_, "arrays of different depth");
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

  // {"b64": "..."}
  Status ReadBytes(const Json& value) {
    const Json* text = value.Find("b64");
    if (text == nullptr || value.AsObject().size() != 1 || !text->is_string())
      return InvalidArgument(field_, "expected a value or {\"b64\": \"...\"}, got an object");
    auto bytes = base::Base64Decode(text->AsString());
    if (!bytes) return InvalidArgument(field_ + ".b64", "not base 64");
    cells_.push_back(&decoded_.emplace_back(std::move(*bytes)));
    return Status::Ok();
  }

  const std::string field_;
  Shape shape_;
  std::vector<const Json*> cells_;
  std::deque<Json> decoded_;
};

bool IsColumn(const Json& value) {
  return value.is_array() &&
         std::none_of(value.AsArray().begin(), value.AsArray().end(),
                      [](const Json& item) { return item.is_array() || item.is_object(); });
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
        if (columns.size() == kMaxJsonColumns)
          return InvalidArgument(place,
                                 "more than " + std::to_string(kMaxJsonColumns) + " columns");
        // Records that share no names would make a table of their product.
        if (rows * columns.size() > kMaxJsonCells)
          return InvalidArgument(
              place, "makes a table of more than " + std::to_string(kMaxJsonCells) + " cells");
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

template <typename T>
void AppendInteger(std::string& out, T value) {
  char text[24];
  out.append(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

}  // namespace

base::Result<Json> ParseJsonBody(std::string_view body) {
  auto json = Json::Parse(body);
  if (!json.ok() && body.find("NaN") != body.npos) json = Json::Parse(NanToNull(body));
  if (!json.ok()) return InvalidArgument("body", "not JSON: " + json.status().message());
  return json;
}

base::Result<Tensor> TensorFromJson(const Json& value, const std::string& field) {
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

base::Result<Request> RequestFromArray(const Json& value, const std::string& field,
                                       const ModelDescription& description) {
  if (description.inputs.size() != 1) {
    std::string names;
    for (const auto& input : description.inputs) names += (names.empty() ? "" : ", ") + input.name;
    return InvalidArgument(field, "a bare array is for models with one input; this one takes " +
                                      names + ": give an array for each name");
  }
  Tensor tensor = TRY(TensorFromJson(value, field));
  Request request;
  request.inputs.push_back({description.inputs[0].name, std::move(tensor)});
  return request;
}

base::Result<Request> RequestFromNamedArrays(const Json& object, const std::string& field,
                                             const ModelDescription& description) {
  const Json::Object& members = object.AsObject();
  if (members.empty() || members.size() > kMaxJsonColumns) {
    return InvalidArgument(field, "expected 1 to " + std::to_string(kMaxJsonColumns) + " names");
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
    request.inputs.push_back({name, TRY(TensorFromJson(value, place))});
  }
  return request;
}

base::Result<Request> RequestFromRecords(const Json& records, const std::string& field,
                                         const ModelDescription& description) {
  if (!records.is_array())
    return InvalidArgument(field,
                           "expected an array of objects, got " + std::string(records.TypeName()));
  if (records.AsArray().empty()) return InvalidArgument(field, "expected at least one row");
  const Json arrays = TRY(RecordsToArrays(records, field));
  return RequestFromNamedArrays(arrays, field, description);
}

void AppendElementJson(std::string& out, const Tensor& tensor, int64_t index, JsonStyle style) {
  const auto place = static_cast<size_t>(index);
  switch (tensor.type()) {
    case DataType::kString:
      if (!style.base64) return base::AppendJsonString(out, tensor.strings()[place]);
      out += R"({"b64":")" + base::Base64Encode(tensor.strings()[place]) + "\"}";
      return;
    case DataType::kBool:
      out += tensor.As<uint8_t>()[place] != 0 ? "true" : "false";
      return;
    case DataType::kInt64:
      return AppendInteger(out, tensor.As<int64_t>()[place]);
    case DataType::kUint64:
      return AppendInteger(out, tensor.As<uint64_t>()[place]);
    default:
      break;
  }
  const double value = tensor.NumberAt(index);
  if (!std::isfinite(value)) {
    out += "null";
  } else if (tensor.type() == DataType::kFp64) {
    base::AppendJsonNumber(out, value);
  } else {
    base::AppendJsonNumber(out, static_cast<float>(value));
  }
}

void AppendBlockJson(std::string& out, const Tensor& tensor, size_t level, int64_t begin,
                     int64_t count, JsonStyle style) {
  const inference::Shape& shape = tensor.shape();
  if (level == shape.size()) return AppendElementJson(out, tensor, begin, style);
  const int64_t items = shape[level];
  const int64_t step = items == 0 ? 0 : count / items;
  out += '[';
  for (int64_t i = 0; i < items; ++i) {
    if (i > 0) out += ',';
    AppendBlockJson(out, tensor, level + 1, begin + i * step, step, style);
  }
  out += ']';
}

void AppendTensorJson(std::string& out, const Tensor& tensor, JsonStyle style) {
  AppendBlockJson(out, tensor, 0, 0, tensor.element_count(), style);
}

void AppendRowJson(std::string& out, const Tensor& tensor, int64_t row, bool squeeze,
                   JsonStyle style) {
  const Shape& shape = tensor.shape();
  if (shape.empty()) return AppendElementJson(out, tensor, 0, style);
  const int64_t count = tensor.element_count() / std::max<int64_t>(shape[0], 1);
  const int64_t begin = row * count;
  if (squeeze && shape.size() == 2 && shape[1] == 1)
    return AppendElementJson(out, tensor, begin, style);
  AppendBlockJson(out, tensor, 1, begin, count, style);
}

void AppendRecordJson(std::string& out, const std::vector<NamedTensor>& outputs, int64_t row) {
  out += '{';
  for (const NamedTensor& output : outputs) {
    if (&output != outputs.data()) out += ',';
    base::AppendJsonString(out, output.name);
    out += ':';
    AppendRowJson(out, output.tensor, row, true);
  }
  out += '}';
}

}  // namespace slipway::inference
