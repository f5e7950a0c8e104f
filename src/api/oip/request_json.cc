// SPDX-License-Identifier: Apache-2.0
// A prediction over REST: its body is decoded straight into tensors.
#include "api/oip/request_json.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "api/oip/field_path.h"
#include "api/oip/json_data.h"
#include "api/oip/json_reader.h"

namespace slipway::api::oip {
namespace {

using base::InvalidArgument;
using base::Status;
using inference::DataType;
using inference::Shape;
using inference::Tensor;

constexpr size_t kUsualRank = 4;                    // of a tensor
constexpr size_t kUsualOutputs = 2;                 // that are asked for
constexpr size_t kMostDigits = 20;                  // of an unsigned 64-bit number
constexpr double kExactBelow = 9007199254740992.0;  // 2^53: whole doubles are exact below

// Calls use(key) before each value of the object that comes next, which must read or skip it.
template <typename Use>
Status EachMember(JsonReader& reader, const FieldPath& field, std::string_view expected, Use use) {
  if (reader.Peek() != JsonType::kObject) return WrongType(reader, field, expected, reader.Peek());
  reader.EnterObject();
  std::string_view key;
  while (reader.NextKey(key)) TRY(use(key));
  return reader.error();
}

// Calls use(index) before each item of the array that comes next.
template <typename Use>
Status EachItem(JsonReader& reader, const FieldPath& field, std::string_view expected, Use use) {
  if (reader.Peek() != JsonType::kArray) return WrongType(reader, field, expected, reader.Peek());
  reader.EnterArray();
  for (size_t index = 0; reader.NextItem(); ++index) TRY(use(index));
  return reader.error();
}

Status Skip(JsonReader& reader) {
  reader.Skip();
  return reader.error();
}

Status ReadText(JsonReader& reader, const FieldPath& field, std::string& out) {
  if (reader.Peek() != JsonType::kString)
    return WrongType(reader, field, "a string", reader.Peek());
  reader.ReadString(out);
  return reader.error();
}

Status ReadFlag(JsonReader& reader, const FieldPath& field, bool& out) {
  if (reader.Peek() != JsonType::kBool)
    return WrongType(reader, field, "true or false", reader.Peek());
  reader.ReadBool(out);
  return reader.error();
}

// Zero or more.
Status ReadCount(JsonReader& reader, const FieldPath& field, std::string_view expected,
                 int64_t& out) {
  const JsonType type = reader.Peek();
  if (!ReadWhole(reader, out)) {
    return WrongType(reader, field, expected, type);
  }
  return out >= 0 ? Status::Ok()
                  : InvalidArgument(field.Text(), "expected " + std::string(expected) + ", got " +
                                                      std::to_string(out));
}

Status ReadShape(JsonReader& reader, const FieldPath& field, Shape& out) {
  TRY(EachItem(reader, field, "an array of numbers", [&](size_t index) {
    if (index == kMaxRank)
      return InvalidArgument(field.Text(), "more than " + std::to_string(kMaxRank) + " dimensions");
    return ReadCount(reader, field.Item(index), "a whole number, 0 or more", out.emplace_back());
  }));
  return CheckShape(out, field);
}

// The tensors' bytes behind the JSON, taken in the order of the inputs, and those that are not in
// the body.
struct BinaryData {
  std::string_view rest;
  const std::shared_ptr<const std::string>& owner;
  const SharedAccess& shared;
};

struct TensorParameters {
  std::optional<int64_t> binary_size;
  std::optional<bool> binary;
  int64_t classes = 0;
  std::optional<std::string> region;
  int64_t region_offset = 0;
  std::optional<int64_t> region_bytes;
};

Status ReadSharedParameter(JsonReader& reader, std::string_view key, const FieldPath& place,
                           TensorParameters& out) {
  if (key == "shared_memory_region") return ReadText(reader, place, out.region.emplace());
  if (key == "shared_memory_offset")
    return ReadCount(reader, place, "a number of bytes", out.region_offset);
  if (key == "shared_memory_byte_size")
    return ReadCount(reader, place, "a number of bytes", out.region_bytes.emplace());
  return Skip(reader);
}

Status ReadClasses(JsonReader& reader, const FieldPath& field, int64_t& out) {
  constexpr std::string_view kExpected = "a number of classes, 1 or more";
  TRY(ReadCount(reader, field, kExpected, out));
  if (out >= 1 && out <= kMaxClasses) return Status::Ok();
  return InvalidArgument(field.Text(),
                         "expected " + std::string(kExpected) + ", got " + std::to_string(out));
}

Status ReadTensorParameters(JsonReader& reader, const FieldPath& field, TensorParameters& out) {
  return EachMember(reader, field, "an object", [&](std::string_view key) {
    const FieldPath place = field.Member(key);
    if (key == "binary_data_size")
      return ReadCount(reader, place, "a number of bytes", out.binary_size.emplace());
    if (key == "binary_data") return ReadFlag(reader, place, out.binary.emplace());
    if (key == "classification") return ReadClasses(reader, place, out.classes);
    return ReadSharedParameter(reader, key, place, out);
  });
}

// Where in shared memory the tensor is; nothing when it is not there.
base::Result<std::optional<SharedPart>> FindShared(const TensorParameters& parameters,
                                                   const SharedAccess& shared,
                                                   const FieldPath& field) {
  if (!parameters.region && !parameters.region_bytes) return std::optional<SharedPart>();
  const FieldPath place = field.Member("parameters");
  if (!parameters.region)
    return InvalidArgument(place.Member("shared_memory_region").Text(),
                           "missing beside shared_memory_byte_size");
  if (!parameters.region_bytes)
    return InvalidArgument(place.Member("shared_memory_byte_size").Text(),
                           "missing beside shared_memory_region");
  return std::optional<SharedPart>(
      TRY(shared.Find(*parameters.region, static_cast<uint64_t>(parameters.region_offset),
                      static_cast<uint64_t>(*parameters.region_bytes), place)));
}

// One tensor of "inputs". The order of its members does not matter; where the data stands last, as
// it mostly does, it is read once.
class InputReader {
 public:
  InputReader(JsonReader& reader, size_t index, size_t json_bytes, BinaryData& binary)
      : reader_(reader), field_(inputs_.Item(index)), json_bytes_(json_bytes), binary_(binary) {}

  base::Result<inference::NamedTensor> Read() {
    TRY(EachMember(reader_, field_, "an object with name, datatype, shape and data",
                   [this](std::string_view key) { return ReadMember(key); }));
    if (name_.empty()) return InvalidArgument(field_.Member("name").Text(), "missing or empty");
    if (name_.size() > kMaxNameBytes) {
      return InvalidArgument(field_.Member("name").Text(),
                             "longer than " + std::to_string(kMaxNameBytes) + " bytes");
    }
    if (!type_) return InvalidArgument(field_.Member("datatype").Text(), "missing");
    if (!shape_) return InvalidArgument(field_.Member("shape").Text(), "missing");
    TRY(TakeOutside());
    if (!tensor_ && !data_) return InvalidArgument(field_.Member("data").Text(), "missing");
    if (!tensor_)
      tensor_ = TRY(
          TensorFromJson(*type_, std::move(*shape_), *data_, field_.Member("data"), json_bytes_));
    return inference::NamedTensor{std::move(name_), std::move(*tensor_)};
  }

 private:
  Status ReadMember(std::string_view key) {
    if (key == "name") return ReadText(reader_, field_.Member("name"), name_);
    if (key == "datatype") return ReadType();
    if (key == "shape") {
      shape_.emplace().reserve(kUsualRank);
      return ReadShape(reader_, field_.Member("shape"), *shape_);
    }
    if (key == "parameters")
      return ReadTensorParameters(reader_, field_.Member("parameters"), parameters_);
    if (key != "data") return Skip(reader_);
    if (type_ && shape_) {
      tensor_ = TRY(TensorFromJson(*type_, *shape_, reader_, field_.Member("data"), json_bytes_));
      return Status::Ok();
    }
    data_ = reader_;
    return Skip(reader_);
  }

  Status ReadType() {
    std::string text;
    TRY(ReadText(reader_, field_.Member("datatype"), text));
    const auto type = inference::ParseDataType(text);
    if (!type.ok())
      return InvalidArgument(field_.Member("datatype").Text(), type.status().message(),
                             type.status().reason());
    type_ = *type;
    return Status::Ok();
  }

  // The tensor's bytes where they are not in the JSON.
  Status TakeOutside() {
    const auto shared = TRY(FindShared(parameters_, binary_.shared, field_));
    const bool data = tensor_ || data_;
    if (parameters_.binary_size && data)
      return InvalidArgument(field_.Text(), "has both data and parameters.binary_data_size");
    if (shared && (data || parameters_.binary_size)) {
      return InvalidArgument(field_.Text(), "has both data and parameters.shared_memory_region");
    }
    if (parameters_.binary_size) tensor_ = TRY(TakeBinary());
    if (shared) {
      const FieldPath parameters = field_.Member("parameters");
      tensor_ = TRY(
          shared->Read(*type_, std::move(*shape_), parameters.Member("shared_memory_byte_size")));
    }
    return Status::Ok();
  }

  base::Result<Tensor> TakeBinary() {
    const FieldPath parameters = field_.Member("parameters");
    const FieldPath field = parameters.Member("binary_data_size");
    const auto size = static_cast<uint64_t>(*parameters_.binary_size);
    if (size > binary_.rest.size()) {
      return InvalidArgument(field.Text(), "says " + std::to_string(size) + " bytes, but only " +
                                               std::to_string(binary_.rest.size()) +
                                               " are left in the body");
    }
    Tensor tensor = TRY(TensorFromRaw(*type_, std::move(*shape_), binary_.rest.substr(0, size),
                                      binary_.owner, field));
    binary_.rest.remove_prefix(size);
    return tensor;
  }

  JsonReader& reader_;
  const FieldPath inputs_{"inputs"};
  const FieldPath field_;
  const size_t json_bytes_;
  BinaryData& binary_;
  std::string name_;
  std::optional<DataType> type_;
  std::optional<Shape> shape_;
  TensorParameters parameters_;
  std::optional<JsonReader> data_;  // stands before data that came before its type or shape
  std::optional<Tensor> tensor_;
};

Status ReadInputs(JsonReader& reader, size_t json_bytes, BinaryData& binary, InferCall& out) {
  auto& inputs = out.call.request.inputs;
  TRY(EachItem(reader, FieldPath("inputs"), "an array of tensors", [&](size_t index) -> Status {
    if (index == kMaxTensors)
      return InvalidArgument("inputs", "more than " + std::to_string(kMaxTensors) + " tensors");
    inputs.push_back(TRY(InputReader(reader, index, json_bytes, binary).Read()));
    return Status::Ok();
  }));
  return inputs.empty() ? InvalidArgument("inputs", "expected at least one tensor") : Status::Ok();
}

Status ReadOutput(JsonReader& reader, const FieldPath& field, const SharedAccess& shared,
                  OutputWishes& out) {
  std::string name;
  TensorParameters parameters;
  TRY(EachMember(reader, field, "an object with a name", [&](std::string_view key) {
    if (key == "name") return ReadText(reader, field.Member("name"), name);
    if (key == "parameters")
      return ReadTensorParameters(reader, field.Member("parameters"), parameters);
    return Skip(reader);
  }));
  if (name.empty()) return InvalidArgument(field.Member("name").Text(), "missing or empty");
  OutputWish wish{parameters.binary, parameters.classes,
                  TRY(FindShared(parameters, shared, field))};
  out.special = out.special || wish.classes > 0 || wish.shared;
  out.names.push_back(std::move(name));
  out.own.push_back(std::move(wish));
  return Status::Ok();
}

Status ReadOutputs(JsonReader& reader, const SharedAccess& shared, InferCall& out) {
  const FieldPath outputs("outputs");
  out.wishes.names.reserve(kUsualOutputs);
  out.wishes.own.reserve(kUsualOutputs);
  TRY(EachItem(reader, outputs, "an array of objects with a name", [&](size_t index) {
    if (index == kMaxTensors)
      return InvalidArgument("outputs", "more than " + std::to_string(kMaxTensors) + " outputs");
    return ReadOutput(reader, outputs.Item(index), shared, out.wishes);
  }));
  out.call.request.outputs = out.wishes.names;
  return Status::Ok();
}

Status ReadParameters(JsonReader& reader, InferCall& out) {
  const FieldPath parameters("parameters");
  TRY(EachMember(reader, parameters, "an object", [&](std::string_view key) -> Status {
    if (key == "binary_data_output")
      return ReadFlag(reader, parameters.Member("binary_data_output"), out.wishes.binary);
    const std::string name(key);
    auto value = TRY(ReadParameterValue(reader, parameters.Member(name)));
    return value ? SetParameter(name, std::move(*value), out) : Status::Ok();
  }));
  return CheckParameters(out);
}

Status ReadRequest(JsonReader& reader, size_t json_bytes, BinaryData binary, InferCall& out) {
  bool inputs = false;
  bool outputs = false;
  TRY(EachMember(reader, FieldPath("body"), "an object", [&](std::string_view key) {
    if (key == "inputs") {
      if (std::exchange(inputs, true)) return InvalidArgument("inputs", "stands twice");
      return ReadInputs(reader, json_bytes, binary, out);
    }
    if (key == "outputs") {
      if (std::exchange(outputs, true)) return InvalidArgument("outputs", "stands twice");
      return ReadOutputs(reader, binary.shared, out);
    }
    if (key == "parameters") return ReadParameters(reader, out);
    if (key == "id") return ReadText(reader, FieldPath("id"), out.call.request_id);
    return Skip(reader);
  }));
  if (!reader.AtEnd()) return reader.error();
  if (!inputs) return InvalidArgument("inputs", "missing");
  if (!binary.rest.empty()) {
    return InvalidArgument("body", std::to_string(binary.rest.size()) +
                                       " bytes are left after the tensors that the JSON names");
  }
  return Status::Ok();
}

// Whole numbers stay whole; one past int64 is kept as its digits where those are an id.
base::Result<inference::ParameterValue> ReadNumberValue(JsonReader& reader,
                                                        const FieldPath& field) {
  std::string_view text;
  if (!reader.ReadNumber(text)) return reader.error();
  const char* end = text.data() + text.size();
  int64_t whole = 0;
  const auto parsed = std::from_chars(text.data(), end, whole);
  if (parsed.ec == std::errc() && parsed.ptr == end) return inference::ParameterValue(whole);
  if (text.find_first_not_of("0123456789") == text.npos && text.size() <= kMostDigits)
    return inference::ParameterValue(std::string(text));
  double number = 0;
  if (std::from_chars(text.data(), end, number).ec != std::errc()) {
    return InvalidArgument(field.Text(),
                           "expected a number that a double holds, got " + std::string(text));
  }
  if (number == std::floor(number) && std::abs(number) < kExactBelow)
    return inference::ParameterValue(static_cast<int64_t>(number));
  return inference::ParameterValue(number);
}

}  // namespace

base::Result<std::optional<inference::ParameterValue>> ReadParameterValue(JsonReader& reader,
                                                                          const FieldPath& field) {
  using Value = std::optional<inference::ParameterValue>;
  switch (reader.Peek()) {
    case JsonType::kBool: {
      bool flag = false;
      reader.ReadBool(flag);
      return Value(flag);
    }
    case JsonType::kNumber:
      return Value(TRY(ReadNumberValue(reader, field)));
    case JsonType::kString: {
      std::string text;
      TRY(ReadText(reader, field, text));
      return Value(std::move(text));
    }
    case JsonType::kNull:
      reader.ReadNull();
      return Value();
    default:
      return WrongType(reader, field, "a boolean, a number or a string", reader.Peek());
  }
}

base::Result<InferCall> DecodeInfer(const std::shared_ptr<const std::string>& body,
                                    std::optional<size_t> json_bytes, const SharedAccess& shared) {
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
  InferCall out;
  JsonReader reader(json);
  TRY(ReadRequest(reader, json.size(), {std::string_view(*body).substr(json.size()), body, shared},
                  out));
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
  out.wishes.binary = true;
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
  Tensor tensor = TRY(TensorFromRaw(spec.type, std::move(shape), *body, body,
                                    FieldPath("inputs").Item(0).Member("data")));
  out.call.request.inputs.push_back({spec.name, std::move(tensor)});
  return out;
}

}  // namespace slipway::api::oip
