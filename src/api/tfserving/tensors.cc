// SPDX-License-Identifier: Apache-2.0
// A prediction over TensorFlow Serving's gRPC: its tensors.
#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "api/tfserving/messages.h"
#include "api/tfserving/tfserving.pb.h"

namespace slipway::api::tfserving {
namespace {

using base::InvalidArgument;
using base::Status;
using inference::DataType;
using inference::Shape;
using inference::Tensor;

struct TypeRow {
  wire::DataType theirs;
  DataType ours;
};
constexpr TypeRow kTypes[] = {
    {wire::DT_FLOAT, DataType::kFp32},    {wire::DT_DOUBLE, DataType::kFp64},
    {wire::DT_INT32, DataType::kInt32},   {wire::DT_UINT8, DataType::kUint8},
    {wire::DT_INT16, DataType::kInt16},   {wire::DT_INT8, DataType::kInt8},
    {wire::DT_STRING, DataType::kString}, {wire::DT_INT64, DataType::kInt64},
    {wire::DT_BOOL, DataType::kBool},     {wire::DT_BFLOAT16, DataType::kBf16},
    {wire::DT_UINT16, DataType::kUint16}, {wire::DT_HALF, DataType::kFp16},
    {wire::DT_UINT32, DataType::kUint32}, {wire::DT_UINT64, DataType::kUint64},
};

std::optional<DataType> OurType(wire::DataType theirs) {
  const auto row = std::ranges::find(kTypes, theirs, &TypeRow::theirs);
  return row == std::end(kTypes) ? std::nullopt : std::optional(row->ours);
}

base::Result<Shape> ShapeOf(const wire::TensorProto& proto, const std::string& field) {
  const auto& dimensions = proto.tensor_shape();
  if (dimensions.unknown_rank() || dimensions.dim_size() > static_cast<int>(kMaxRank)) {
    return InvalidArgument(field + ".tensor_shape", "expected a known rank of at most " +
                                                        std::to_string(kMaxRank) + " dimensions");
  }
  Shape shape;
  for (const auto& dimension : dimensions.dim()) shape.push_back(dimension.size());
  const auto count = inference::ElementCount(shape);
  if (!count.ok()) return InvalidArgument(field + ".tensor_shape", count.status().message());
  return shape;
}

// `values` fill `count` elements; the last one stands for those that were not sent.
template <typename To, typename Values>
base::Result<Tensor> Filled(DataType type, Shape shape, int64_t count, const Values& values,
                            const std::string& field) {
  const auto given = static_cast<int64_t>(values.size());
  if (given > count || (given == 0 && count > 0)) {
    return InvalidArgument(
        field, "has " + std::to_string(given) + " values for a shape of " + std::to_string(count));
  }
  if (given < count && count * static_cast<int64_t>(sizeof(To)) > kMaxFilledBytes)
    return InvalidArgument(field + ".tensor_shape", "is larger than the values that were sent");
  Tensor tensor(type, std::move(shape));
  auto* out = reinterpret_cast<To*>(tensor.mutable_bytes().data());
  for (int64_t i = 0; i < count; ++i)
    out[i] = static_cast<To>(values[static_cast<int>(std::min(i, given - 1))]);
  return tensor;
}

base::Result<Tensor> FromStrings(wire::TensorProto& proto, Shape shape, int64_t count,
                                 const std::string& field) {
  const int given = proto.string_val_size();
  if (given > count || (given == 0 && count > 0) ||
      (given < count && count > kMaxFilledBytes / 64)) {
    return InvalidArgument(
        field, "has " + std::to_string(given) + " strings for a shape of " + std::to_string(count));
  }
  std::vector<std::string> values;
  values.reserve(static_cast<size_t>(count));
  for (int i = 0; i < given; ++i) values.push_back(std::move(*proto.mutable_string_val(i)));
  values.resize(static_cast<size_t>(count), values.empty() ? std::string() : values.back());
  return Tensor::Strings(std::move(shape), std::move(values));
}

base::Result<Tensor> FromContent(wire::TensorProto& proto, DataType type, Shape shape,
                                 int64_t count, const std::string& field) {
  const size_t wanted = static_cast<size_t>(count) * inference::SizeOf(type);
  if (type == DataType::kString || proto.tensor_content().size() != wanted) {
    return InvalidArgument(field + ".tensor_content",
                           "expected " + std::to_string(wanted) + " bytes, got " +
                               std::to_string(proto.tensor_content().size()));
  }
  auto owner = std::make_shared<const std::string>(std::move(*proto.mutable_tensor_content()));
  const auto* bytes = reinterpret_cast<const std::byte*>(owner->data());
  if (reinterpret_cast<uintptr_t>(bytes) % inference::SizeOf(type) == 0)
    return Tensor::Borrow(type, std::move(shape), {bytes, wanted}, owner);
  Tensor copy(type, std::move(shape));
  if (wanted > 0) std::memcpy(copy.mutable_bytes().data(), bytes, wanted);
  return copy;
}

base::Result<Tensor> FromValues(const wire::TensorProto& proto, DataType type, Shape shape,
                                int64_t count, const std::string& field) {
  switch (type) {
    case DataType::kFp32:
      return Filled<float>(type, std::move(shape), count, proto.float_val(), field);
    case DataType::kFp64:
      return Filled<double>(type, std::move(shape), count, proto.double_val(), field);
    case DataType::kInt64:
      return Filled<int64_t>(type, std::move(shape), count, proto.int64_val(), field);
    case DataType::kUint64:
      return Filled<uint64_t>(type, std::move(shape), count, proto.uint64_val(), field);
    case DataType::kUint32:
      return Filled<uint32_t>(type, std::move(shape), count, proto.uint32_val(), field);
    case DataType::kBool:
      return Filled<uint8_t>(type, std::move(shape), count, proto.bool_val(), field);
    case DataType::kInt32:
      return Filled<int32_t>(type, std::move(shape), count, proto.int_val(), field);
    case DataType::kInt16:
      return Filled<int16_t>(type, std::move(shape), count, proto.int_val(), field);
    case DataType::kInt8:
      return Filled<int8_t>(type, std::move(shape), count, proto.int_val(), field);
    case DataType::kUint16:
      return Filled<uint16_t>(type, std::move(shape), count, proto.int_val(), field);
    case DataType::kUint8:
      return Filled<uint8_t>(type, std::move(shape), count, proto.int_val(), field);
    default:  // kFp16, kBf16
      return Filled<uint16_t>(type, std::move(shape), count, proto.half_val(), field);
  }
}

template <typename From, typename Field>
void AddAll(const Tensor& tensor, Field& field) {
  const auto values = tensor.As<From>();
  field.Reserve(static_cast<int>(values.size()));
  for (const From value : values) field.AddAlreadyReserved(value);
}

void AddNumbers(const Tensor& tensor, wire::TensorProto& proto) {
  switch (tensor.type()) {
    case DataType::kFp32:
      return AddAll<float>(tensor, *proto.mutable_float_val());
    case DataType::kFp64:
      return AddAll<double>(tensor, *proto.mutable_double_val());
    case DataType::kInt64:
      return AddAll<int64_t>(tensor, *proto.mutable_int64_val());
    case DataType::kUint64:
      return AddAll<uint64_t>(tensor, *proto.mutable_uint64_val());
    case DataType::kUint32:
      return AddAll<uint32_t>(tensor, *proto.mutable_uint32_val());
    case DataType::kBool:
      return AddAll<bool>(tensor, *proto.mutable_bool_val());
    case DataType::kInt32:
      return AddAll<int32_t>(tensor, *proto.mutable_int_val());
    case DataType::kInt16:
      return AddAll<int16_t>(tensor, *proto.mutable_int_val());
    case DataType::kInt8:
      return AddAll<int8_t>(tensor, *proto.mutable_int_val());
    case DataType::kUint16:
      return AddAll<uint16_t>(tensor, *proto.mutable_int_val());
    case DataType::kUint8:
      return AddAll<uint8_t>(tensor, *proto.mutable_int_val());
    default:  // kFp16, kBf16
      return AddAll<uint16_t>(tensor, *proto.mutable_half_val());
  }
}

wire::DataType TheirType(DataType ours) {
  return std::ranges::find(kTypes, ours, &TypeRow::ours)->theirs;
}

wire::TensorInfo InfoOf(const inference::TensorSpec& spec) {
  wire::TensorInfo info;
  info.set_name(spec.name);
  info.set_dtype(TheirType(spec.type));
  info.mutable_tensor_shape()->set_unknown_rank(spec.any_rank);
  for (const int64_t size : spec.shape) info.mutable_tensor_shape()->add_dim()->set_size(size);
  return info;
}

}  // namespace

base::Result<Tensor> ToTensor(wire::TensorProto& proto, const std::string& field) {
  const auto type = OurType(proto.dtype());
  if (!type) {
    return InvalidArgument(field + ".dtype", "number " + std::to_string(proto.dtype()) +
                                                 " is not a type that models take");
  }
  Shape shape = TRY(ShapeOf(proto, field));
  const int64_t count = TRY(inference::ElementCount(shape));
  if (!proto.tensor_content().empty())
    return FromContent(proto, *type, std::move(shape), count, field);
  if (*type == DataType::kString) return FromStrings(proto, std::move(shape), count, field);
  return FromValues(proto, *type, std::move(shape), count, field);
}

void FromTensor(const Tensor& tensor, wire::TensorProto& proto) {
  proto.set_dtype(TheirType(tensor.type()));
  for (const int64_t size : tensor.shape()) proto.mutable_tensor_shape()->add_dim()->set_size(size);
  if (tensor.type() != DataType::kString) return AddNumbers(tensor, proto);
  for (const std::string& text : tensor.strings()) proto.add_string_val(text);
}

void FillSignatures(const inference::ModelDescription& description, wire::SignatureDefMap& map) {
  wire::SignatureDef& signature = (*map.mutable_signature_def())["serving_default"];
  for (const auto& spec : description.inputs)
    (*signature.mutable_inputs())[spec.name] = InfoOf(spec);
  for (const auto& spec : description.outputs)
    (*signature.mutable_outputs())[spec.name] = InfoOf(spec);
  signature.set_method_name("tensorflow/serving/predict");
}

}  // namespace slipway::api::tfserving
