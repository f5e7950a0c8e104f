// SPDX-License-Identifier: Apache-2.0
// A prediction over gRPC: messages to tensors and back.
#include "api/oip/grpc_messages.h"

#include <cstring>
#include <limits>
#include <memory>
#include <utility>

#include "api/oip/inference.pb.h"

namespace slipway::api::oip {
namespace {

using base::InvalidArgument;
using base::Status;
using inference::DataType;
using ::inference::InferTensorContents;
using ::inference::ModelInferRequest;
using ::inference::ModelInferResponse;
using inference::Shape;
using inference::Tensor;

// Raw contents from this size on are moved out of the message and borrowed.
constexpr size_t kLeastMoved = 4096;

template <typename T, typename Field>
base::Result<Tensor> FromField(DataType type, Shape shape, const Field& values,
                               const FieldPath& field) {
  const int64_t count = TRY(inference::ElementCount(shape));
  if (values.size() != count) {
    return InvalidArgument(field.Text(), "expected " + std::to_string(count) + " elements of " +
                                             std::string(DataTypeName(type)) +
                                             ", as the shape says, got " +
                                             std::to_string(values.size()));
  }
  Tensor tensor(type, std::move(shape));
  auto* out = reinterpret_cast<T*>(tensor.mutable_bytes().data());
  for (int i = 0; i < values.size(); ++i) {
    const auto value = values.Get(i);
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      if (!std::in_range<T>(value)) {
        return InvalidArgument(field.Text(),
                               "element " + std::to_string(i) + ", " + std::to_string(value) +
                                   ", is not in the range of " + std::string(DataTypeName(type)));
      }
    }
    out[i] = static_cast<T>(value);
  }
  return tensor;
}

base::Result<Tensor> FromBytes(Shape shape, const InferTensorContents& contents,
                               const FieldPath& field) {
  const int64_t count = TRY(inference::ElementCount(shape));
  const auto& values = contents.bytes_contents();
  if (values.size() != count) {
    return InvalidArgument(field.Text(), "expected " + std::to_string(count) +
                                             " elements of BYTES, as the shape says, got " +
                                             std::to_string(values.size()));
  }
  return Tensor::Strings(std::move(shape), {values.begin(), values.end()});
}

base::Result<Tensor> FromContents(DataType type, Shape shape, const InferTensorContents& contents,
                                  const FieldPath& place) {
  const FieldPath contents_field = place.Member("contents");
  switch (type) {
    case DataType::kBool:
      return FromField<bool>(type, std::move(shape), contents.bool_contents(),
                             contents_field.Member("bool_contents"));
    case DataType::kUint8:
      return FromField<uint8_t>(type, std::move(shape), contents.uint_contents(),
                                contents_field.Member("uint_contents"));
    case DataType::kUint16:
      return FromField<uint16_t>(type, std::move(shape), contents.uint_contents(),
                                 contents_field.Member("uint_contents"));
    case DataType::kUint32:
      return FromField<uint32_t>(type, std::move(shape), contents.uint_contents(),
                                 contents_field.Member("uint_contents"));
    case DataType::kUint64:
      return FromField<uint64_t>(type, std::move(shape), contents.uint64_contents(),
                                 contents_field.Member("uint64_contents"));
    case DataType::kInt8:
      return FromField<int8_t>(type, std::move(shape), contents.int_contents(),
                               contents_field.Member("int_contents"));
    case DataType::kInt16:
      return FromField<int16_t>(type, std::move(shape), contents.int_contents(),
                                contents_field.Member("int_contents"));
    case DataType::kInt32:
      return FromField<int32_t>(type, std::move(shape), contents.int_contents(),
                                contents_field.Member("int_contents"));
    case DataType::kInt64:
      return FromField<int64_t>(type, std::move(shape), contents.int64_contents(),
                                contents_field.Member("int64_contents"));
    case DataType::kFp32:
      return FromField<float>(type, std::move(shape), contents.fp32_contents(),
                              contents_field.Member("fp32_contents"));
    case DataType::kFp64:
      return FromField<double>(type, std::move(shape), contents.fp64_contents(),
                               contents_field.Member("fp64_contents"));
    case DataType::kString:
      return FromBytes(std::move(shape), contents, contents_field.Member("bytes_contents"));
    case DataType::kFp16:
    case DataType::kBf16:
      break;
  }
  return InvalidArgument(contents_field.Text(),
                         std::string(DataTypeName(type)) + " goes in raw_input_contents only");
}

base::Result<Tensor> FromRaw(DataType type, Shape shape, std::string& raw, const FieldPath& field) {
  if (raw.size() < kLeastMoved || type == DataType::kString)
    return TensorFromRaw(type, std::move(shape), raw, nullptr, field);
  const auto owner = std::make_shared<const std::string>(std::move(raw));
  return TensorFromRaw(type, std::move(shape), *owner, owner, field);
}

using ParameterMap = ::google::protobuf::Map<std::string, ::inference::InferParameter>;
using ::inference::InferParameter;

// Zero or more; `out` stays as it is when there is no such parameter.
Status ReadCount(const ParameterMap& parameters, const char* name, const FieldPath& field,
                 int64_t& out) {
  const auto found = parameters.find(name);
  if (found == parameters.end()) return Status::Ok();
  const InferParameter& value = found->second;
  const bool whole = value.parameter_choice_case() == InferParameter::kInt64Param;
  if (!whole || value.int64_param() < 0) {
    return InvalidArgument(field.Member("parameters").Member(name).Text(),
                           "expected int64_param, 0 or more");
  }
  out = value.int64_param();
  return Status::Ok();
}

// Where in shared memory the tensor is; nothing when it is not there.
base::Result<std::optional<SharedPart>> FindShared(const ParameterMap& parameters,
                                                   const SharedAccess& shared,
                                                   const FieldPath& field) {
  if (parameters.empty()) return std::optional<SharedPart>();
  const FieldPath place = field.Member("parameters");
  int64_t offset = 0;
  int64_t bytes = -1;
  TRY(ReadCount(parameters, "shared_memory_offset", field, offset));
  TRY(ReadCount(parameters, "shared_memory_byte_size", field, bytes));
  const auto region = parameters.find("shared_memory_region");
  if (region == parameters.end()) {
    if (bytes < 0) return std::optional<SharedPart>();
    return InvalidArgument(place.Member("shared_memory_region").Text(),
                           "missing beside shared_memory_byte_size");
  }
  if (region->second.parameter_choice_case() != InferParameter::kStringParam)
    return InvalidArgument(place.Member("shared_memory_region").Text(), "expected string_param");
  if (bytes < 0)
    return InvalidArgument(place.Member("shared_memory_byte_size").Text(),
                           "missing beside shared_memory_region");
  return std::optional<SharedPart>(
      TRY(shared.Find(region->second.string_param(), static_cast<uint64_t>(offset),
                      static_cast<uint64_t>(bytes), place)));
}

// Where the inputs' bytes are taken from, one after the other.
struct InputSource {
  ModelInferRequest& request;
  const SharedAccess& shared;
  int raw = 0;  // raw contents taken so far
};

base::Result<Tensor> ReadTensor(ModelInferRequest::InferInputTensor& input, const FieldPath& field,
                                InputSource& source) {
  const auto type = inference::ParseDataType(input.datatype());
  if (!type.ok())
    return InvalidArgument(field.Member("datatype").Text(), type.status().message(),
                           type.status().reason());
  Shape shape(input.shape().begin(), input.shape().end());
  TRY(CheckShape(shape, field.Member("shape")));
  const auto part = TRY(FindShared(input.parameters(), source.shared, field));
  const bool raw = source.request.raw_input_contents_size() > 0;
  if ((raw || part) && input.has_contents()) {
    return InvalidArgument(field.Member("contents").Text(),
                           "must be empty beside raw_input_contents or shared memory");
  }
  if (part) {
    const FieldPath parameters = field.Member("parameters");
    return part->Read(*type, std::move(shape), parameters.Member("shared_memory_byte_size"));
  }
  if (!raw) return FromContents(*type, std::move(shape), input.contents(), field);
  const int place = source.raw++;
  if (place >= source.request.raw_input_contents_size()) {
    return InvalidArgument("raw_input_contents",
                           "expected one for each input that is not in shared memory, got " +
                               std::to_string(source.request.raw_input_contents_size()));
  }
  return FromRaw(*type, std::move(shape), *source.request.mutable_raw_input_contents(place),
                 FieldPath("raw_input_contents").Item(static_cast<size_t>(place)));
}

Status ReadInputs(ModelInferRequest& request, const SharedAccess& shared, InferCall& out) {
  const int count = request.inputs_size();
  if (count == 0) return InvalidArgument("inputs", "expected at least one tensor");
  if (static_cast<size_t>(count) > kMaxTensors)
    return InvalidArgument("inputs", "more than " + std::to_string(kMaxTensors) + " tensors");
  if (request.raw_input_contents_size() > count) {
    return InvalidArgument("raw_input_contents",
                           "expected at most one for each of the " + std::to_string(count) +
                               " inputs, got " + std::to_string(request.raw_input_contents_size()));
  }
  InputSource source{request, shared};
  const FieldPath all("inputs");
  bool typed = false;
  out.call.request.inputs.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    auto& input = *request.mutable_inputs(i);
    const FieldPath field = all.Item(static_cast<size_t>(i));
    if (input.name().empty()) return InvalidArgument(field.Member("name").Text(), "missing");
    if (input.name().size() > kMaxNameBytes) {
      return InvalidArgument(field.Member("name").Text(),
                             "longer than " + std::to_string(kMaxNameBytes) + " bytes");
    }
    typed = typed || input.has_contents();
    Tensor tensor = TRY(ReadTensor(input, field, source));
    out.call.request.inputs.push_back({std::move(*input.mutable_name()), std::move(tensor)});
  }
  if (source.raw != request.raw_input_contents_size()) {
    return InvalidArgument("raw_input_contents",
                           "expected one for each of the " + std::to_string(source.raw) +
                               " inputs that are not in shared memory, got " +
                               std::to_string(request.raw_input_contents_size()));
  }
  out.wishes.binary = !typed;
  return Status::Ok();
}

base::Result<inference::ParameterValue> ValueOf(const std::string& name,
                                                const InferParameter& value) {
  using inference::ParameterValue;
  switch (value.parameter_choice_case()) {
    case InferParameter::kBoolParam:
      return ParameterValue(value.bool_param());
    case InferParameter::kInt64Param:
      return ParameterValue(value.int64_param());
    case InferParameter::kStringParam:
      return ParameterValue(value.string_param());
    case InferParameter::kDoubleParam:
      return ParameterValue(value.double_param());
    case InferParameter::kUint64Param:
      // One past int64 is kept as its digits, where those are an id.
      return std::in_range<int64_t>(value.uint64_param())
                 ? ParameterValue(static_cast<int64_t>(value.uint64_param()))
                 : ParameterValue(std::to_string(value.uint64_param()));
    case InferParameter::PARAMETER_CHOICE_NOT_SET:
      break;
  }
  return InvalidArgument("parameters." + name, "has no value");
}

Status ReadParameters(const ModelInferRequest& request, InferCall& out) {
  if (request.parameters().empty()) return Status::Ok();
  for (const auto& [name, value] : request.parameters())
    TRY(SetParameter(name, TRY(ValueOf(name, value)), out));
  return CheckParameters(out);
}

Status ReadOutputs(const ModelInferRequest& request, const SharedAccess& shared, InferCall& out) {
  if (static_cast<size_t>(request.outputs_size()) > kMaxTensors)
    return InvalidArgument("outputs", "more than " + std::to_string(kMaxTensors) + " outputs");
  const FieldPath all("outputs");
  for (int i = 0; i < request.outputs_size(); ++i) {
    const auto& output = request.outputs(i);
    const FieldPath field = all.Item(static_cast<size_t>(i));
    if (output.name().empty()) return InvalidArgument(field.Member("name").Text(), "missing");
    OutputWish wish;
    TRY(ReadCount(output.parameters(), "classification", field, wish.classes));
    if (wish.classes > kMaxClasses ||
        (wish.classes == 0 && output.parameters().contains("classification"))) {
      return InvalidArgument(field.Member("parameters").Member("classification").Text(),
                             "expected 1 to " + std::to_string(kMaxClasses) + " classes");
    }
    wish.shared = TRY(FindShared(output.parameters(), shared, field));
    out.wishes.special = out.wishes.special || wish.classes > 0 || wish.shared;
    out.wishes.names.push_back(output.name());
    out.wishes.own.push_back(std::move(wish));
  }
  out.call.request.outputs = out.wishes.names;
  return Status::Ok();
}

template <typename T, typename Field>
void ToField(const Tensor& tensor, Field& field) {
  const auto values = tensor.As<T>();
  field.Reserve(static_cast<int>(values.size()));
  for (const T value : values) field.Add(static_cast<typename Field::value_type>(value));
}

void IntegersToContents(const Tensor& tensor, InferTensorContents& contents) {
  switch (tensor.type()) {
    case DataType::kUint8:
      return ToField<uint8_t>(tensor, *contents.mutable_uint_contents());
    case DataType::kUint16:
      return ToField<uint16_t>(tensor, *contents.mutable_uint_contents());
    case DataType::kUint32:
      return ToField<uint32_t>(tensor, *contents.mutable_uint_contents());
    case DataType::kUint64:
      return ToField<uint64_t>(tensor, *contents.mutable_uint64_contents());
    case DataType::kInt8:
      return ToField<int8_t>(tensor, *contents.mutable_int_contents());
    case DataType::kInt16:
      return ToField<int16_t>(tensor, *contents.mutable_int_contents());
    case DataType::kInt32:
      return ToField<int32_t>(tensor, *contents.mutable_int_contents());
    case DataType::kInt64:
      return ToField<int64_t>(tensor, *contents.mutable_int64_contents());
    default:
      return;  // 16-bit floats, which EncodeAnswer sends raw
  }
}

void ToContents(const Tensor& tensor, InferTensorContents& contents) {
  switch (tensor.type()) {
    case DataType::kBool:
      for (const uint8_t value : tensor.As<uint8_t>()) contents.add_bool_contents(value != 0);
      return;
    case DataType::kFp32:
      return ToField<float>(tensor, *contents.mutable_fp32_contents());
    case DataType::kFp64:
      return ToField<double>(tensor, *contents.mutable_fp64_contents());
    case DataType::kString:
      for (const std::string& text : tensor.strings()) contents.add_bytes_contents(text);
      return;
    default:
      return IntegersToContents(tensor, contents);
  }
}

bool NeedsRaw(const Tensor& tensor) {
  return tensor.type() == DataType::kFp16 || tensor.type() == DataType::kBf16;
}

void EncodeSpecs(
    const std::vector<inference::TensorSpec>& specs,
    ::google::protobuf::RepeatedPtrField<::inference::ModelMetadataResponse::TensorMetadata>& out) {
  for (const inference::TensorSpec& spec : specs) {
    auto& one = *out.Add();
    one.set_name(spec.name);
    one.set_datatype(std::string(DataTypeName(spec.type)));
    one.mutable_shape()->Assign(spec.shape.begin(), spec.shape.end());
  }
}

}  // namespace

base::Result<InferCall> DecodeMessage(ModelInferRequest& request, const SharedAccess& shared) {
  InferCall out;
  out.call.endpoint = request.model_name();
  out.call.request_id = request.id();
  if (!request.model_version().empty())
    out.call.version = TRY(ParseVersion(request.model_version()));
  TRY(ReadParameters(request, out));
  TRY(ReadInputs(request, shared, out));
  TRY(ReadOutputs(request, shared, out));
  return out;
}

namespace {

void EncodeParameter(const inference::ParameterValue& value, InferParameter& out) {
  if (const auto* flag = std::get_if<bool>(&value)) {
    out.set_bool_param(*flag);
  } else if (const auto* whole = std::get_if<int64_t>(&value)) {
    out.set_int64_param(*whole);
  } else if (const auto* number = std::get_if<double>(&value)) {
    out.set_double_param(*number);
  } else {
    out.set_string_param(std::get<std::string>(value));
  }
}

void EncodeParameters(const serving::PredictAnswer& answer, ParameterMap& out) {
  for (const auto& [name, value] : answer.response.parameters) EncodeParameter(value, out[name]);
  out["prediction_id"].set_string_param(answer.prediction_id);
  out["arm"].set_string_param(answer.arm);
  out["model_version"].set_int64_param(answer.version);
}

// What stands in an output's place that went into shared memory. Clients count raw contents by the
// outputs, so an empty one is there too.
void EncodeShared(const SharedPart& part, const Tensor& tensor, bool raw,
                  ModelInferResponse::InferOutputTensor& out, ModelInferResponse& response) {
  auto& parameters = *out.mutable_parameters();
  parameters["shared_memory_region"].set_string_param(part.region->name);
  if (part.offset > 0)
    parameters["shared_memory_offset"].set_int64_param(static_cast<int64_t>(part.offset));
  parameters["shared_memory_byte_size"].set_int64_param(static_cast<int64_t>(RawSize(tensor)));
  if (raw) response.add_raw_output_contents();
}

}  // namespace

void EncodeAnswer(const std::string& id, const std::string& endpoint, const OutputWishes& wishes,
                  const serving::PredictAnswer& answer, ModelInferResponse& response) {
  response.set_model_name(endpoint);
  response.set_model_version(std::to_string(answer.version));
  response.set_id(id);
  EncodeParameters(answer, *response.mutable_parameters());
  // Raw and typed contents may not be mixed in one message, so one tensor without a typed form
  // makes all raw.
  bool raw = wishes.binary;
  for (const auto& output : answer.response.outputs) raw = raw || NeedsRaw(output.tensor);
  for (size_t i = 0; i < answer.response.outputs.size(); ++i) {
    const inference::NamedTensor& output = answer.response.outputs[i];
    auto& one = *response.add_outputs();
    one.set_name(output.name);
    one.set_datatype(std::string(DataTypeName(output.tensor.type())));
    one.mutable_shape()->Assign(output.tensor.shape().begin(), output.tensor.shape().end());
    const OutputWish* wish = wishes.special ? wishes.Find(output.name, i) : nullptr;
    if (wish != nullptr && wish->shared) {
      EncodeShared(*wish->shared, output.tensor, raw, one, response);
    } else if (raw) {
      std::string& bytes = *response.add_raw_output_contents();
      bytes.reserve(RawSize(output.tensor));
      AppendRaw(bytes, output.tensor);
    } else {
      ToContents(output.tensor, *one.mutable_contents());
    }
  }
}

void EncodeMetadata(const serving::Predictor::ModelInfo& info,
                    ::inference::ModelMetadataResponse& response) {
  response.set_name(info.endpoint);
  for (const int64_t version : info.versions) response.add_versions(std::to_string(version));
  response.set_platform(info.description.platform);
  EncodeSpecs(info.description.inputs, *response.mutable_inputs());
  EncodeSpecs(info.description.outputs, *response.mutable_outputs());
}

}  // namespace slipway::api::oip
