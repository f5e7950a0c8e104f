// SPDX-License-Identifier: Apache-2.0
// What callers of /v1/models may ask about a model.
#include "api/v1models/metadata.h"

#include <utility>

#include "base/json.h"

namespace slipway::api::v1models {
namespace {

using base::Json;

Json TensorInfo(const inference::TensorSpec& spec) {
  Json::Array dimensions;
  for (const int64_t size : spec.shape) {
    dimensions.push_back(Json::MakeObject({{"size", std::to_string(size)}, {"name", ""}}));
  }
  return Json::MakeObject({{"dtype", TensorFlowType(spec.type)},
                           {"tensor_shape", Json::MakeObject({{"dim", Json(std::move(dimensions))},
                                                              {"unknown_rank", spec.any_rank}})},
                           {"name", spec.name}});
}

Json TensorInfos(const std::vector<inference::TensorSpec>& specs) {
  Json::Object infos;
  for (const inference::TensorSpec& spec : specs) infos.emplace_back(spec.name, TensorInfo(spec));
  return Json(std::move(infos));
}

}  // namespace

std::string_view TensorFlowType(inference::DataType type) {
  using inference::DataType;
  switch (type) {
    case DataType::kBool:
      return "DT_BOOL";
    case DataType::kUint8:
      return "DT_UINT8";
    case DataType::kUint16:
      return "DT_UINT16";
    case DataType::kUint32:
      return "DT_UINT32";
    case DataType::kUint64:
      return "DT_UINT64";
    case DataType::kInt8:
      return "DT_INT8";
    case DataType::kInt16:
      return "DT_INT16";
    case DataType::kInt32:
      return "DT_INT32";
    case DataType::kInt64:
      return "DT_INT64";
    case DataType::kFp16:
      return "DT_HALF";
    case DataType::kBf16:
      return "DT_BFLOAT16";
    case DataType::kFp32:
      return "DT_FLOAT";
    case DataType::kFp64:
      return "DT_DOUBLE";
    case DataType::kString:
      break;
  }
  return "DT_STRING";
}

std::string EncodeStatus(const serving::Predictor::ModelInfo& info) {
  Json::Array versions;
  for (const int64_t version : info.versions) {
    versions.push_back(Json::MakeObject(
        {{"version", std::to_string(version)},
         {"state", "AVAILABLE"},
         {"status", Json::MakeObject({{"error_code", "OK"}, {"error_message", ""}})}}));
  }
  return Json::MakeObject({{"name", info.endpoint},
                           {"ready", true},
                           {"model_version_status", Json(std::move(versions))}})
      .Dump();
}

std::string EncodeMetadata(const serving::Predictor::ModelInfo& info) {
  Json signature = Json::MakeObject({{"inputs", TensorInfos(info.description.inputs)},
                                     {"outputs", TensorInfos(info.description.outputs)},
                                     {"method_name", "tensorflow/serving/predict"}});
  Json signatures = Json::MakeObject({{"serving_default", std::move(signature)}});
  return Json::MakeObject(
             {{"model_spec",
               Json::MakeObject({{"name", info.endpoint},
                                 {"signature_name", ""},
                                 {"version", std::to_string(info.versions.front())}})},
              {"metadata",
               Json::MakeObject({{"signature_def",
                                  Json::MakeObject({{"signature_def", std::move(signatures)}})}})}})
      .Dump();
}

}  // namespace slipway::api::v1models
