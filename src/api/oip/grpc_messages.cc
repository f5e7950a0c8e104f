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

Status CheckParameters(
    const ::google::protobuf::Map<std::string, ::inference::InferParameter>& parameters,
    const FieldPath& field) {
  for (const char* name : {"shared_memory_region", "classification"}) {
    if (parameters.contains(name))
      return InvalidArgument(field.Member("parameters").Member(name).Text(), "is not served here");
  }
  return Status::Ok();
}

Status ReadInputs(ModelInferRequest& request, InferCall& out) {
  const int count = request.inputs_size();
  if (count == 0) return InvalidArgument("inputs", "expected at least one tensor");
  if (static_cast<size_t>(count) > kMaxTensors)
    return InvalidArgument("inputs", "more than " + std::to_string(kMaxTensors) + " tensors");
  const bool raw = request.raw_input_contents_size() > 0;
  if (raw && request.raw_input_contents_size() != count) {
    return InvalidArgument("raw_input_contents",
                           "expected one for each of the " + std::to_string(count) +
                               " inputs, got " + std::to_string(request.raw_input_contents_size()));
  }
  out.binary_outputs = raw;
  out.call.request.inputs.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    auto& input = *request.mutable_inputs(i);
    const FieldPath all("inputs");
    const FieldPath field = all.Item(static_cast<size_t>(i));
    if (input.name().empty()) return InvalidArgument(field.Member("name").Text(), "missing");
    if (input.name().size() > kMaxNameBytes) {
      return InvalidArgument(field.Member("name").Text(),
                             "longer than " + std::to_string(kMaxNameBytes) + " bytes");
    }
    const auto type = inference::ParseDataType(input.datatype());
    if (!type.ok())
      return InvalidArgument(field.Member("datatype").Text(), type.status().message(),
                             type.status().reason());
    Shape shape(input.shape().begin(), input.shape().end());
    TRY(CheckShape(shape, field.Member("shape")));
    TRY(CheckParameters(input.parameters(), field));
    if (raw && input.has_contents())
      return InvalidArgument(field.Member("contents").Text(),
                             "must be empty beside raw_input_contents");
    Tensor tensor =
        raw ? TRY(FromRaw(*type, std::move(shape), *request.mutable_raw_input_contents(i),
                          FieldPath("raw_input_contents").Item(static_cast<size_t>(i))))
            : TRY(FromContents(*type, std::move(shape), input.contents(), field));
    out.call.request.inputs.push_back({std::move(*input.mutable_name()), std::move(tensor)});
  }
  return Status::Ok();
}

Status ReadParameters(const ModelInferRequest& request, InferCall& out) {
  using ::inference::InferParameter;
  for (const auto& [name, value] : request.parameters()) {
    if (name == kKeyName) {
      if (value.parameter_choice_case() != InferParameter::kStringParam) {
        return InvalidArgument("parameters.slipway-key", "expected string_param");
      }
      out.call.key = value.string_param();
    } else if (name == "timeout") {
      if (value.parameter_choice_case() != InferParameter::kInt64Param || value.int64_param() < 0) {
        return InvalidArgument("parameters.timeout",
                               "expected int64_param: microseconds, 0 or more");
      }
      out.call.timeout_us = value.int64_param();
    }
  }
  return Status::Ok();
}

template <typename T, typename Field>
void ToField(const Tensor& tensor, Field& field) {
  const auto values = tensor.As<T>();
  field.Reserve(static_cast<int>(values.size()));
  for (const T value : values) field.Add(static_cast<typename Field::value_type>(value));
}

void ToContents(const Tensor& tensor, InferTensorContents& contents) {
  switch (tensor.type()) {
    case DataType::kBool:
      for (const uint8_t value : tensor.As<uint8_t>()) contents.add_bool_contents(value != 0);
      return;
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
    case DataType::kFp32:
      return ToField<float>(tensor, *contents.mutable_fp32_contents());
    case DataType::kFp64:
      return ToField<double>(tensor, *contents.mutable_fp64_contents());
    case DataType::kString:
      for (const std::string& text : tensor.strings()) contents.add_bytes_contents(text);
      return;
    case DataType::kFp16:
    case DataType::kBf16:
      return;  // EncodeAnswer sends them raw
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

base::Result<InferCall> DecodeMessage(ModelInferRequest& request) {
  InferCall out;
  out.call.endpoint = request.model_name();
  out.call.request_id = request.id();
  if (!request.model_version().empty())
    out.call.version = TRY(ParseVersion(request.model_version()));
  TRY(ReadParameters(request, out));
  TRY(ReadInputs(request, out));
  if (static_cast<size_t>(request.outputs_size()) > kMaxTensors) {
    return InvalidArgument("outputs", "more than " + std::to_string(kMaxTensors) + " outputs");
  }
  for (int i = 0; i < request.outputs_size(); ++i) {
    const auto& output = request.outputs(i);
    const FieldPath all("outputs");
    const FieldPath field = all.Item(static_cast<size_t>(i));
    if (output.name().empty()) return InvalidArgument(field.Member("name").Text(), "missing");
    TRY(CheckParameters(output.parameters(), field));
    out.call.request.outputs.push_back(output.name());
  }
  return out;
}

void EncodeAnswer(const std::string& id, const std::string& endpoint, bool raw,
                  const serving::PredictAnswer& answer, ModelInferResponse& response) {
  response.set_model_name(endpoint);
  response.set_model_version(std::to_string(answer.version));
  response.set_id(id);
  auto& parameters = *response.mutable_parameters();
  parameters["prediction_id"].set_string_param(answer.prediction_id);
  parameters["arm"].set_string_param(answer.arm);
  parameters["model_version"].set_int64_param(answer.version);
  // Raw and typed contents may not be mixed in one message, so one tensor without a typed form
  // makes all raw.
  for (const auto& output : answer.response.outputs) raw = raw || NeedsRaw(output.tensor);
  for (const auto& output : answer.response.outputs) {
    auto& one = *response.add_outputs();
    one.set_name(output.name);
    one.set_datatype(std::string(DataTypeName(output.tensor.type())));
    one.mutable_shape()->Assign(output.tensor.shape().begin(), output.tensor.shape().end());
    if (raw) {
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
