// SPDX-License-Identifier: Apache-2.0
// A prediction over REST: the answer, written once into one string.
#include "api/oip/response_json.h"

#include <charconv>
#include <cmath>
#include <type_traits>
#include <utility>

#include "base/json.h"

namespace slipway::api::oip {
namespace {

using inference::DataType;
using inference::NamedTensor;
using inference::Tensor;

template <typename T>
void AppendInteger(std::string& out, T value) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  out.append(text, end);
}

template <typename T>
void AppendNumber(std::string& out, T value) {
  if constexpr (std::is_integral_v<T>) {
    AppendInteger(out, value);
  } else if (std::isfinite(value)) {
    base::AppendJsonNumber(out, value);
  } else {
    out += std::isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  }
}

template <typename T>
void AppendNumbers(std::string& out, const Tensor& tensor) {
  const auto values = tensor.As<T>();
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ',';
    AppendNumber(out, values[i]);
  }
}

// Half types have no C++ number.
void AppendHalves(std::string& out, const Tensor& tensor) {
  for (int64_t i = 0; i < tensor.element_count(); ++i) {
    if (i > 0) out += ',';
    AppendNumber(out, static_cast<float>(tensor.NumberAt(i)));
  }
}

void AppendBools(std::string& out, const Tensor& tensor) {
  const auto values = tensor.As<uint8_t>();
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ',';
    out += values[i] != 0 ? "true" : "false";
  }
}

void AppendStrings(std::string& out, const Tensor& tensor) {
  const auto& values = tensor.strings();
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ',';
    base::AppendJsonString(out, values[i]);
  }
}

void AppendData(std::string& out, const Tensor& tensor) {
  switch (tensor.type()) {
    case DataType::kBool:
      return AppendBools(out, tensor);
    case DataType::kUint8:
      return AppendNumbers<uint8_t>(out, tensor);
    case DataType::kUint16:
      return AppendNumbers<uint16_t>(out, tensor);
    case DataType::kUint32:
      return AppendNumbers<uint32_t>(out, tensor);
    case DataType::kUint64:
      return AppendNumbers<uint64_t>(out, tensor);
    case DataType::kInt8:
      return AppendNumbers<int8_t>(out, tensor);
    case DataType::kInt16:
      return AppendNumbers<int16_t>(out, tensor);
    case DataType::kInt32:
      return AppendNumbers<int32_t>(out, tensor);
    case DataType::kInt64:
      return AppendNumbers<int64_t>(out, tensor);
    case DataType::kFp32:
      return AppendNumbers<float>(out, tensor);
    case DataType::kFp64:
      return AppendNumbers<double>(out, tensor);
    case DataType::kFp16:
    case DataType::kBf16:
      return AppendHalves(out, tensor);
    case DataType::kString:
      return AppendStrings(out, tensor);
  }
}

bool HasNonFinite(const Tensor& tensor) {
  switch (tensor.type()) {
    case DataType::kFp16:
    case DataType::kBf16:
    case DataType::kFp32:
    case DataType::kFp64:
      break;
    default:
      return false;
  }
  for (int64_t i = 0; i < tensor.element_count(); ++i) {
    if (!std::isfinite(tensor.NumberAt(i))) return true;
  }
  return false;
}

void AppendShape(std::string& out, const inference::Shape& shape) {
  out += '[';
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) out += ',';
    AppendInteger(out, shape[i]);
  }
  out += ']';
}

bool IsBinary(const ResponseShape& shape, const OutputWish* wish) {
  return wish != nullptr ? wish->binary.value_or(shape.wishes.binary) : shape.wishes.binary;
}

void AppendParameter(std::string& out, const inference::ParameterValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) {
    out += *flag ? "true" : "false";
  } else if (const auto* whole = std::get_if<int64_t>(&value)) {
    AppendInteger(out, *whole);
  } else if (const auto* number = std::get_if<double>(&value)) {
    AppendNumber(out, *number);
  } else {
    base::AppendJsonString(out, std::get<std::string>(value));
  }
}

size_t EstimateSize(const serving::PredictAnswer& answer) {
  size_t size = 256;
  for (const NamedTensor& output : answer.response.outputs) {
    size += 96 + output.name.size() + static_cast<size_t>(output.tensor.element_count()) * 12 +
            RawSize(output.tensor);
  }
  return size;
}

void AppendSpecs(std::string& out, const std::vector<inference::TensorSpec>& specs) {
  out += '[';
  for (size_t i = 0; i < specs.size(); ++i) {
    out += i > 0 ? ",{\"name\":" : "{\"name\":";
    base::AppendJsonString(out, specs[i].name);
    out.append(",\"datatype\":\"").append(DataTypeName(specs[i].type)).append("\",\"shape\":");
    AppendShape(out, specs[i].shape);
    out += '}';
  }
  out += ']';
}

void AppendHead(std::string& out, const ResponseShape& shape,
                const serving::PredictAnswer& answer) {
  out += "{\"model_name\":";
  base::AppendJsonString(out, shape.endpoint);
  out += ",\"model_version\":\"";
  AppendInteger(out, answer.version);
  out += '"';
  if (!shape.id.empty()) {
    out += ",\"id\":";
    base::AppendJsonString(out, shape.id);
  }
  out += ",\"parameters\":{\"prediction_id\":\"";
  out += answer.prediction_id;
  out += "\",\"arm\":";
  base::AppendJsonString(out, answer.arm);
  out += ",\"model_version\":";
  AppendInteger(out, answer.version);
  for (const auto& [name, value] : answer.response.parameters) {
    if (IsOwnParameter(name)) continue;
    out += ',';
    base::AppendJsonString(out, name);
    out += ':';
    AppendParameter(out, value);
  }
  out += "},\"outputs\":[";
}

}  // namespace

base::Result<net::HttpResponse> EncodeInfer(const ResponseShape& shape,
                                            const serving::PredictAnswer& answer,
                                            const OipSettings& settings) {
  net::HttpResponse response;
  std::string& out = response.body;
  out.reserve(EstimateSize(answer));
  AppendHead(out, shape, answer);
  const auto& outputs = answer.response.outputs;
  bool any_binary = false;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& tensor = outputs[i].tensor;
    out += i > 0 ? ",{\"name\":" : "{\"name\":";
    base::AppendJsonString(out, outputs[i].name);
    out.append(",\"datatype\":\"").append(DataTypeName(tensor.type())).append("\",\"shape\":");
    AppendShape(out, tensor.shape());
    const OutputWish* wish = shape.wishes.Find(outputs[i].name, i);
    if (wish != nullptr && wish->shared) {
      // No parameters: clients look for the size of binary data among them.
      out += '}';
      continue;
    }
    if (IsBinary(shape, wish)) {
      any_binary = true;
      out += ",\"parameters\":{\"binary_data_size\":";
      AppendInteger(out, RawSize(tensor));
      out += "}}";
      continue;
    }
    if (settings.non_finite == "error" && HasNonFinite(tensor)) {
      return base::Status(
          base::Code::kOutOfRange, "non_finite_output",
          "holds NaN or an infinity, which JSON has no number for; ask for it as binary data",
          "outputs." + outputs[i].name);
    }
    out += ",\"data\":[";
    AppendData(out, tensor);
    out += "]}";
  }
  out += "]}";
  if (!any_binary) {
    response.headers.push_back({"Content-Type", "application/json"});
    return response;
  }
  response.headers.push_back({"Content-Type", "application/octet-stream"});
  response.headers.push_back({"Inference-Header-Content-Length", std::to_string(out.size())});
  for (size_t i = 0; i < outputs.size(); ++i) {
    const OutputWish* wish = shape.wishes.Find(outputs[i].name, i);
    if (IsBinary(shape, wish) && !(wish != nullptr && wish->shared))
      AppendRaw(out, outputs[i].tensor);
  }
  return response;
}

std::string EncodeMetadata(const serving::Predictor::ModelInfo& info) {
  std::string out = "{\"name\":";
  base::AppendJsonString(out, info.endpoint);
  out += ",\"versions\":[";
  for (size_t i = 0; i < info.versions.size(); ++i) {
    out += i > 0 ? ",\"" : "\"";
    AppendInteger(out, info.versions[i]);
    out += '"';
  }
  out += "],\"platform\":";
  base::AppendJsonString(out, info.description.platform);
  out += ",\"inputs\":";
  AppendSpecs(out, info.description.inputs);
  out += ",\"outputs\":";
  AppendSpecs(out, info.description.outputs);
  return out + "}";
}

}  // namespace slipway::api::oip
