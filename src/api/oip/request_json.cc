// SPDX-License-Identifier: Apache-2.0
// A prediction over REST: its body is decoded straight into tensors. The only file of the room that
// includes simdjson.
#include "api/oip/request_json.h"

#include <simdjson.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>
#include <type_traits>
#include <utility>

namespace slipway::api::oip {
namespace {

using base::InvalidArgument;
using base::Status;
using inference::DataType;
using inference::Shape;
using inference::Tensor;
using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

// A parser that has grown past it is not kept for the thread's next request.
constexpr size_t kKeptParserBytes = 1 << 20;

std::string_view TypeText(element value) {
  switch (value.type()) {
    case element_type::ARRAY:
      return "an array";
    case element_type::OBJECT:
      return "an object";
    case element_type::STRING:
      return "a string";
    case element_type::BOOL:
      return "true or false";
    case element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

Status WrongType(std::string field, std::string_view expected, element got) {
  return InvalidArgument(std::move(field), "expected " + std::string(expected) + ", got " +
                                               std::string(TypeText(got)));
}

// Only reads what simdjson said has that type.
template <typename T>
T Get(element value) {
  T out{};
  CHECK(value.get(out) == simdjson::SUCCESS, "read as another type than it has");
  return out;
}

double NumberOf(element value) {
  switch (value.type()) {
    case element_type::INT64:
      return static_cast<double>(Get<int64_t>(value));
    case element_type::UINT64:
      return static_cast<double>(Get<uint64_t>(value));
    default:
      return Get<double>(value);
  }
}

bool IsNumber(element value) {
  return value.is<int64_t>() || value.is<uint64_t>() || value.is<double>();
}

// JSON has no word for them, so they come as null or as these strings.
bool NonFinite(element value, double& out) {
  if (value.is_null()) {
    out = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return false;
  if (text == "NaN") {
    out = std::numeric_limits<double>::quiet_NaN();
  } else if (text == "Infinity") {
    out = std::numeric_limits<double>::infinity();
  } else if (text == "-Infinity") {
    out = -std::numeric_limits<double>::infinity();
  } else {
    return false;
  }
  return true;
}

// ReadElement: false when `value` is not one that T can hold.
bool ReadElement(element value, std::string& out) {
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return false;
  out = text;
  return true;
}

template <typename T>
bool ReadFloating(element value, T& out) {
  double number = 0;
  if (value.type() == element_type::DOUBLE) {
    number = Get<double>(value);
  } else if (IsNumber(value)) {
    number = NumberOf(value);
  } else if (NonFinite(value, number)) {
    out = static_cast<T>(number);
    return true;
  } else {
    return false;
  }
  out = static_cast<T>(number);
  return std::isfinite(out);
}

template <typename T>
bool ReadInteger(element value, T& out) {
  switch (value.type()) {
    case element_type::INT64: {
      const int64_t number = Get<int64_t>(value);
      out = static_cast<T>(number);
      return std::in_range<T>(number);
    }
    case element_type::UINT64: {
      const uint64_t number = Get<uint64_t>(value);
      out = static_cast<T>(number);
      return std::in_range<T>(number);
    }
    case element_type::DOUBLE: {  // 3.0 is a whole number too
      const double number = Get<double>(value);
      const double limit = std::ldexp(1.0, std::numeric_limits<T>::digits);
      if (number != std::floor(number) || number >= limit ||
          number < (std::is_signed_v<T> ? -limit : 0.0))
        return false;
      out = static_cast<T>(number);
      return true;
    }
    default:
      return false;
  }
}

template <typename T>
bool ReadElement(element value, T& out) {
  if constexpr (std::is_same_v<T, bool>) {
    return value.get(out) == simdjson::SUCCESS;
  } else if constexpr (std::is_floating_point_v<T>) {
    return ReadFloating(value, out);
  } else {
    return ReadInteger(value, out);
  }
}

// Fills a tensor's elements from its "data".
template <typename T>
class DataReader {
 public:
  DataReader(T* out, const Shape& shape, DataType type, const std::string& field)
      : out_(out), shape_(shape), type_(type), field_(field) {}

  Status Read(array data, size_t count) {
    const bool nested = data.size() > 0 && (*data.begin()).is_array();
    return nested && !shape_.empty() ? ReadLevel(data, 0) : ReadFlat(data, count);
  }

 private:
  Status ReadFlat(array data, size_t count) {
    for (element value : data) {
      if (next_ == count) break;
      if (!ReadElement(value, out_[next_])) return BadElement(value);
      ++next_;
    }
    size_t given = data.size();
    // simdjson stops counting there.
    if (given >= 0xFFFFFF) given = Count(data);
    if (given == count) return Status::Ok();
    return InvalidArgument(field_ + ".data", "expected " + std::to_string(count) +
                                                 " elements, as the shape says, got " +
                                                 std::to_string(given));
  }

  // The array of dimension `level`, with as many items as the shape says there.
  Status ReadLevel(array data, size_t level) {
    const auto wanted = static_cast<size_t>(shape_[level]);
    const bool last = level + 1 == shape_.size();
    size_t given = 0;
    for (element value : data) {
      if (++given > wanted) break;
      if (last) {
        if (!ReadElement(value, out_[next_])) return BadElement(value);
        ++next_;
        continue;
      }
      array inner;
      if (value.get(inner) != simdjson::SUCCESS) {
        return WrongType(field_ + ".data", "arrays nested as the shape says, or one flat array",
                         value);
      }
      if (Status status = ReadLevel(inner, level + 1); !status.ok()) return status;
    }
    if (given == wanted) return Status::Ok();
    return InvalidArgument(field_ + ".data", "an array of dimension " + std::to_string(level) +
                                                 " has not the " + std::to_string(wanted) +
                                                 " items that the shape says");
  }

  static size_t Count(array data) {
    size_t count = 0;
    for ([[maybe_unused]] element value : data) ++count;
    return count;
  }

  Status BadElement(element value) const {
    std::string got(TypeText(value));
    if (IsNumber(value)) got = simdjson::minify(value);
    return InvalidArgument(field_ + ".data",
                           "element " + std::to_string(next_) + " is not " + Wanted() + ": " + got);
  }

  std::string Wanted() const {
    if (type_ == DataType::kString) return "a string (BYTES)";
    if (type_ == DataType::kBool) return "true or false (BOOL)";
    return "a number that " + std::string(DataTypeName(type_)) + " can hold";
  }

  T* out_;
  const Shape& shape_;
  DataType type_;
  const std::string& field_;
  size_t next_ = 0;
};

template <typename T>
base::Result<Tensor> ReadNumbers(DataType type, Shape shape, array data, const std::string& field) {
  Tensor tensor(type, std::move(shape));
  auto* out = reinterpret_cast<T*>(tensor.mutable_bytes().data());
  DataReader<T> reader(out, tensor.shape(), type, field);
  TRY(reader.Read(data, static_cast<size_t>(tensor.element_count())));
  return tensor;
}

base::Result<Tensor> ReadStrings(Shape shape, array data, const std::string& field) {
  Tensor tensor(DataType::kString, std::move(shape));
  DataReader<std::string> reader(tensor.mutable_strings().data(), tensor.shape(), DataType::kString,
                                 field);
  TRY(reader.Read(data, static_cast<size_t>(tensor.element_count())));
  return tensor;
}

base::Result<Tensor> TensorFromJson(DataType type, Shape shape, element data,
                                    const std::string& field, size_t json_bytes) {
  array values;
  if (data.get(values) != simdjson::SUCCESS) return WrongType(field + ".data", "an array", data);
  const int64_t count = TRY(inference::ElementCount(shape));
  // An element takes a character and a comma, so more cannot be there: nothing is allocated for a
  // shape that lies.
  if (static_cast<uint64_t>(count) > json_bytes) {
    return InvalidArgument(field + ".data", "expected " + std::to_string(count) +
                                                " elements, as the shape says, got fewer");
  }
  switch (type) {
    case DataType::kBool:
      return ReadNumbers<bool>(type, std::move(shape), values, field);
    case DataType::kUint8:
      return ReadNumbers<uint8_t>(type, std::move(shape), values, field);
    case DataType::kUint16:
      return ReadNumbers<uint16_t>(type, std::move(shape), values, field);
    case DataType::kUint32:
      return ReadNumbers<uint32_t>(type, std::move(shape), values, field);
    case DataType::kUint64:
      return ReadNumbers<uint64_t>(type, std::move(shape), values, field);
    case DataType::kInt8:
      return ReadNumbers<int8_t>(type, std::move(shape), values, field);
    case DataType::kInt16:
      return ReadNumbers<int16_t>(type, std::move(shape), values, field);
    case DataType::kInt32:
      return ReadNumbers<int32_t>(type, std::move(shape), values, field);
    case DataType::kInt64:
      return ReadNumbers<int64_t>(type, std::move(shape), values, field);
    case DataType::kFp32:
      return ReadNumbers<float>(type, std::move(shape), values, field);
    case DataType::kFp64:
      return ReadNumbers<double>(type, std::move(shape), values, field);
    case DataType::kString:
      return ReadStrings(std::move(shape), values, field);
    case DataType::kFp16:
    case DataType::kBf16:
      break;
  }
  return InvalidArgument(
      field + ".data",
      std::string(DataTypeName(type)) + " goes as binary data only (parameters.binary_data_size)");
}

// What a tensor object of the request holds; order of the keys does not matter.
struct TensorParts {
  std::string_view name;
  std::string_view datatype;
  std::optional<element> shape;
  std::optional<element> data;
  std::optional<object> parameters;
};

Status ReadParts(element item, const std::string& field, TensorParts& parts) {
  object members;
  if (item.get(members) != simdjson::SUCCESS)
    return WrongType(field, "an object with name, datatype, shape and data", item);
  for (const auto member : members) {
    if (member.key == "name") {
      if (member.value.get(parts.name) != simdjson::SUCCESS)
        return WrongType(field + ".name", "a string", member.value);
    } else if (member.key == "datatype") {
      if (member.value.get(parts.datatype) != simdjson::SUCCESS)
        return WrongType(field + ".datatype", "a string", member.value);
    } else if (member.key == "shape") {
      parts.shape = member.value;
    } else if (member.key == "data") {
      parts.data = member.value;
    } else if (member.key == "parameters") {
      object parameters;
      if (member.value.get(parameters) != simdjson::SUCCESS)
        return WrongType(field + ".parameters", "an object", member.value);
      parts.parameters = parameters;
    }
  }
  if (parts.name.empty()) return InvalidArgument(field + ".name", "missing or empty");
  if (parts.name.size() > kMaxNameBytes) {
    return InvalidArgument(field + ".name",
                           "longer than " + std::to_string(kMaxNameBytes) + " bytes");
  }
  return Status::Ok();
}

base::Result<Shape> ReadShape(const std::optional<element>& value, const std::string& field) {
  if (!value) return InvalidArgument(field, "missing");
  array items;
  if (value->get(items) != simdjson::SUCCESS)
    return WrongType(field, "an array of numbers", *value);
  Shape shape;
  shape.reserve(std::min(items.size(), kMaxRank));
  for (element item : items) {
    if (shape.size() == kMaxRank)
      return InvalidArgument(field, "more than " + std::to_string(kMaxRank) + " dimensions");
    int64_t dimension = 0;
    if (!ReadInteger(item, dimension)) {
      return WrongType(field + "[" + std::to_string(shape.size()) + "]",
                       "a whole number, 0 or more", item);
    }
    shape.push_back(dimension);
  }
  TRY(CheckShape(shape, field));
  return shape;
}

// The tensors' bytes behind the JSON, taken in the order of the inputs.
struct BinaryData {
  std::string_view rest;
  const std::shared_ptr<const std::string>& owner;
};

constexpr std::string_view kNotServed[] = {"shared_memory_region", "classification"};

base::Result<std::optional<size_t>> BinarySize(const TensorParts& parts, const std::string& field) {
  std::optional<size_t> size;
  if (!parts.parameters) return size;
  for (const auto member : *parts.parameters) {
    if (member.key == "binary_data_size") {
      uint64_t value = 0;
      if (!ReadInteger(member.value, value)) {
        return WrongType(field + ".parameters.binary_data_size", "a number of bytes", member.value);
      }
      size = value;
    }
    for (const std::string_view name : kNotServed) {
      if (member.key == name)
        return InvalidArgument(field + ".parameters." + std::string(name), "is not served here");
    }
  }
  return size;
}

Status ReadInput(element item, size_t index, size_t json_bytes, BinaryData& binary,
                 InferCall& out) {
  TensorParts parts;
  const std::string field = InputField(index, "");
  TRY(ReadParts(item, field, parts));
  if (parts.datatype.empty()) return InvalidArgument(field + ".datatype", "missing or empty");
  const auto type = inference::ParseDataType(parts.datatype);
  if (!type.ok())
    return InvalidArgument(field + ".datatype", type.status().message(), type.status().reason());
  Shape shape = TRY(ReadShape(parts.shape, field + ".shape"));
  const std::optional<size_t> size = TRY(BinarySize(parts, field));
  if (size && parts.data)
    return InvalidArgument(field, "has both data and parameters.binary_data_size");
  if (!size && !parts.data) return InvalidArgument(field + ".data", "missing");
  if (!size) {
    Tensor tensor = TRY(TensorFromJson(*type, std::move(shape), *parts.data, field, json_bytes));
    out.call.request.inputs.push_back({std::string(parts.name), std::move(tensor)});
    return Status::Ok();
  }
  const std::string size_field = field + ".parameters.binary_data_size";
  if (*size > binary.rest.size()) {
    return InvalidArgument(size_field, "says " + std::to_string(*size) + " bytes, but only " +
                                           std::to_string(binary.rest.size()) +
                                           " are left in the body");
  }
  Tensor tensor = TRY(TensorFromRaw(*type, std::move(shape), binary.rest.substr(0, *size),
                                    binary.owner, size_field));
  binary.rest.remove_prefix(*size);
  out.call.request.inputs.push_back({std::string(parts.name), std::move(tensor)});
  return Status::Ok();
}

Status ReadInputs(element value, size_t json_bytes, BinaryData& binary, InferCall& out) {
  array items;
  if (value.get(items) != simdjson::SUCCESS)
    return WrongType("inputs", "an array of tensors", value);
  out.call.request.inputs.reserve(std::min(items.size(), kMaxTensors));
  size_t index = 0;
  for (element item : items) {
    if (index == kMaxTensors)
      return InvalidArgument("inputs", "more than " + std::to_string(kMaxTensors) + " tensors");
    TRY(ReadInput(item, index, json_bytes, binary, out));
    ++index;
  }
  if (index == 0) return InvalidArgument("inputs", "expected at least one tensor");
  return Status::Ok();
}

Status ReadOutputs(element value, InferCall& out) {
  array items;
  if (value.get(items) != simdjson::SUCCESS)
    return WrongType("outputs", "an array of objects with a name", value);
  for (element item : items) {
    const size_t index = out.call.request.outputs.size();
    const std::string field = "outputs[" + std::to_string(index) + "]";
    if (index == kMaxTensors)
      return InvalidArgument("outputs", "more than " + std::to_string(kMaxTensors) + " outputs");
    TensorParts parts;
    TRY(ReadParts(item, field, parts));
    TRY(BinarySize(parts, field));
    std::optional<bool> binary;
    element wanted;
    if (parts.parameters &&
        parts.parameters->at_key("binary_data").get(wanted) == simdjson::SUCCESS) {
      bool yes = false;
      if (wanted.get(yes) != simdjson::SUCCESS)
        return WrongType(field + ".parameters.binary_data", "true or false", wanted);
      binary = yes;
    }
    out.call.request.outputs.emplace_back(parts.name);
    out.output_binary.push_back(binary);
  }
  return Status::Ok();
}

Status ReadParameters(element value, InferCall& out) {
  object members;
  if (value.get(members) != simdjson::SUCCESS) return WrongType("parameters", "an object", value);
  for (const auto member : members) {
    if (member.key == kKeyName) {
      std::string_view key;
      if (member.value.get(key) != simdjson::SUCCESS)
        return WrongType("parameters.slipway-key", "a string", member.value);
      out.call.key = key;
    } else if (member.key == "timeout") {
      if (!ReadInteger(member.value, out.call.timeout_us) || out.call.timeout_us < 0) {
        return WrongType("parameters.timeout", "microseconds, 0 or more", member.value);
      }
    } else if (member.key == "binary_data_output") {
      if (member.value.get(out.binary_outputs) != simdjson::SUCCESS) {
        return WrongType("parameters.binary_data_output", "true or false", member.value);
      }
    }
  }
  return Status::Ok();
}

Status ReadRequest(element root, size_t json_bytes, BinaryData binary, InferCall& out) {
  object members;
  if (root.get(members) != simdjson::SUCCESS) return WrongType("body", "an object", root);
  bool inputs = false;
  for (const auto member : members) {
    if (member.key == "inputs") {
      if (std::exchange(inputs, true)) return InvalidArgument("inputs", "stands twice");
      TRY(ReadInputs(member.value, json_bytes, binary, out));
    } else if (member.key == "outputs") {
      TRY(ReadOutputs(member.value, out));
    } else if (member.key == "parameters") {
      TRY(ReadParameters(member.value, out));
    } else if (member.key == "id") {
      std::string_view id;
      if (member.value.get(id) != simdjson::SUCCESS)
        return WrongType("id", "a string", member.value);
      out.call.request_id = id;
    }
  }
  if (!inputs) return InvalidArgument("inputs", "missing");
  if (!binary.rest.empty()) {
    return InvalidArgument("body", std::to_string(binary.rest.size()) +
                                       " bytes are left after the tensors that the JSON names");
  }
  return Status::Ok();
}

// Python's and RapidJSON's clients write NaN, Infinity and -Infinity, which JSON does not have: as
// strings, ReadFloating takes them.
std::string QuoteNonFinite(std::string_view json) {
  std::string out;
  out.reserve(json.size() + 64);
  bool in_string = false;
  for (size_t i = 0; i < json.size();) {
    const std::string_view rest = json.substr(i);
    if (!in_string) {
      for (const std::string_view word : {"NaN", "Infinity", "-Infinity"}) {
        if (!rest.starts_with(word)) continue;
        out.append("\"").append(word).append("\"");
        i += word.size();
        break;
      }
      if (i != json.size() - rest.size()) continue;
    }
    if (in_string && rest[0] == '\\' && rest.size() > 1) {
      out.append(rest.substr(0, 2));
      i += 2;
      continue;
    }
    if (rest[0] == '"') in_string = !in_string;
    out += rest[0];
    ++i;
  }
  return out;
}

base::Result<element> Parse(simdjson::dom::parser& parser, std::string_view json) {
  element root;
  // simdjson asks for room behind the text, so the text is copied into the parser's own buffer.
  auto error = parser.parse(json.data(), json.size()).get(root);
  if (error != simdjson::SUCCESS &&
      (json.find("NaN") != json.npos || json.find("Infinity") != json.npos)) {
    const std::string quoted = QuoteNonFinite(json);
    error = parser.parse(quoted).get(root);
  }
  if (error == simdjson::SUCCESS) return root;
  return InvalidArgument("body", "not JSON: " + std::string(simdjson::error_message(error)));
}

}  // namespace

base::Result<InferCall> DecodeInfer(const std::shared_ptr<const std::string>& body,
                                    std::optional<size_t> json_bytes) {
  if (json_bytes && *json_bytes > body->size()) {
    return InvalidArgument("Inference-Header-Content-Length",
                           "says " + std::to_string(*json_bytes) +
                               " bytes of JSON, but the body has " + std::to_string(body->size()));
  }
  const std::string_view json =
      std::string_view(*body).substr(0, json_bytes.value_or(body->size()));
  if (json.size() > kMaxJsonBytes) {
    return InvalidArgument("body",
                           "more than " + std::to_string(kMaxJsonBytes) +
                               " bytes of JSON; send large tensors as binary data",
                           "json_too_large");
  }
  thread_local simdjson::dom::parser parser;
  InferCall out;
  const auto root = Parse(parser, json);
  Status status = root.ok() ? ReadRequest(*root, json.size(),
                                          {std::string_view(*body).substr(json.size()), body}, out)
                            : root.status();
  if (parser.capacity() > kKeptParserBytes) parser = simdjson::dom::parser();
  TRY(std::move(status));
  return out;
}

base::Result<InferCall> DecodeRawInfer(const std::shared_ptr<const std::string>& body,
                                       const inference::ModelDescription& description) {
  if (description.inputs.size() != 1) {
    return InvalidArgument("inputs",
                           "a request without JSON is for models with one input; this one has " +
                               std::to_string(description.inputs.size()));
  }
  const inference::TensorSpec& spec = description.inputs[0];
  InferCall out;
  out.binary_outputs = true;
  if (spec.type == DataType::kString) {
    Tensor tensor = Tensor::Strings(Shape(spec.shape.size(), 1), {*body});
    out.call.request.inputs.push_back({spec.name, std::move(tensor)});
    return out;
  }
  Shape shape = spec.shape;
  int64_t known = 1;
  size_t unknown =
      shape.size();  // the last free dimension after the rows, or the rows when they alone are free
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] >= 0) {
      known *= shape[i];
      continue;
    }
    if (i > 0 && unknown != shape.size() && unknown != 0) {
      return InvalidArgument("inputs[0].shape",
                             "a request without JSON cannot say the model's free dimensions");
    }
    if (unknown == 0) shape[0] = 1;
    unknown = i;
  }
  if (unknown != shape.size()) {
    const auto elements = static_cast<int64_t>(body->size() / SizeOf(spec.type));
    shape[unknown] = known > 0 ? elements / known : 0;
  }
  Tensor tensor =
      TRY(TensorFromRaw(spec.type, std::move(shape), *body, body, InputField(0, ".data")));
  out.call.request.inputs.push_back({spec.name, std::move(tensor)});
  return out;
}

}  // namespace slipway::api::oip
