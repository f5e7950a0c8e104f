// SPDX-License-Identifier: Apache-2.0
// Loading a version: inputs and outputs in our own words.
#include "inference/onnx/describe_model.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "base/status.h"
#include "inference/onnx/ort_abi.h"
#include "inference/onnx/ort_library.h"
#include "inference/onnx/ort_values.h"
#include "inference/request_check.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference::onnx {
namespace {

constexpr const char* kBadModel = "bad_model";

base::Status TakeLoad(const OrtLibrary& library, OrtStatus* status) {
  return library.Take(status, kBadModel, base::Code::kInvalidArgument);
}

// One that came from a Get... call and must be given back.
class TypeInfo {
 public:
  TypeInfo(const OrtLibrary& library, OrtTypeInfo* info) : library_(library), info_(info) {}
  ~TypeInfo() { library_.api().ReleaseTypeInfo(info_); }
  TypeInfo(const TypeInfo&) = delete;
  TypeInfo& operator=(const TypeInfo&) = delete;
  [[nodiscard]] const OrtTypeInfo* get() const { return info_; }

 private:
  const OrtLibrary& library_;
  OrtTypeInfo* info_;
};

base::Result<int> KindOf(const OrtLibrary& library, const OrtTypeInfo* info) {
  int kind = 0;
  TRY(TakeLoad(library, library.api().GetOnnxTypeFromTypeInfo(info, &kind)));
  return kind;
}

base::Result<TensorSpec> DescribeTensor(const OrtLibrary& library, const OrtTypeInfo* info) {
  const OrtFunctions& api = library.api();
  const OrtTensorTypeAndShapeInfo* tensor = nullptr;
  TRY(TakeLoad(library, api.CastTypeInfoToTensorInfo(info, &tensor)));
  int element_type = 0;
  TRY(TakeLoad(library, api.GetTensorElementType(tensor, &element_type)));
  TensorSpec spec;
  spec.type = TRY(FromOrtType(element_type));
  spec.any_rank = !api.TensorTypeAndShape_HasShape(tensor);
  size_t rank = 0;
  TRY(TakeLoad(library, api.GetDimensionsCount(tensor, &rank)));
  spec.shape.resize(spec.any_rank ? 0 : rank);
  TRY(TakeLoad(library, api.GetDimensions(tensor, spec.shape.data(), spec.shape.size())));
  for (int64_t& dimension : spec.shape) dimension = std::max<int64_t>(dimension, -1);
  return spec;
}

// A map's values as one free dimension: how many there are, only a run can tell.
base::Result<TensorSpec> DescribeMap(const OrtLibrary& library, const OrtTypeInfo* info) {
  const OrtMapTypeInfo* map = nullptr;
  TRY(TakeLoad(library, library.api().CastTypeInfoToMapTypeInfo(info, &map)));
  OrtTypeInfo* raw = nullptr;
  TRY(TakeLoad(library, library.api().GetMapValueType(map, &raw)));
  const TypeInfo value(library, raw);
  TensorSpec spec = TRY(DescribeTensor(library, value.get()));
  spec.any_rank = false;
  spec.shape = {-1};
  return spec;
}

base::Result<TensorSpec> DescribeSequence(const OrtLibrary& library, const OrtTypeInfo* info) {
  const OrtSequenceTypeInfo* sequence = nullptr;
  TRY(TakeLoad(library, library.api().CastTypeInfoToSequenceTypeInfo(info, &sequence)));
  OrtTypeInfo* raw = nullptr;
  TRY(TakeLoad(library, library.api().GetSequenceElementType(sequence, &raw)));
  const TypeInfo item(library, raw);
  const int kind = TRY(KindOf(library, item.get()));
  if (kind != kOrtTypeTensor && kind != kOrtTypeMap) {
    return base::InvalidArgument("model", "a sequence of neither tensors nor maps is not supported",
                                 kBadModel);
  }
  TensorSpec spec = kind == kOrtTypeMap ? TRY(DescribeMap(library, item.get()))
                                        : TRY(DescribeTensor(library, item.get()));
  if (!spec.any_rank) spec.shape.insert(spec.shape.begin(), -1);
  return spec;
}

base::Result<TensorSpec> DescribeOutput(const OrtLibrary& library, const OrtTypeInfo* info,
                                        int kind) {
  if (kind == kOrtTypeTensor) return DescribeTensor(library, info);
  if (kind == kOrtTypeSequence) return DescribeSequence(library, info);
  if (kind == kOrtTypeMap) return DescribeMap(library, info);
  return base::InvalidArgument(
      "model", "an output that is optional, sparse or opaque is not supported", kBadModel);
}

base::Result<std::string> NameOf(const OrtLibrary& library, OrtSession* session, bool input,
                                 size_t index) {
  const OrtFunctions& api = library.api();
  char* raw = nullptr;
  TRY(TakeLoad(library, input
                            ? api.SessionGetInputName(session, index, library.allocator(), &raw)
                            : api.SessionGetOutputName(session, index, library.allocator(), &raw)));
  std::string name(raw);
  TRY(TakeLoad(library, api.AllocatorFree(library.allocator(), raw)));
  return name;
}

base::Status DescribeInputs(const OrtLibrary& library, OrtSession* session, Described& described) {
  const OrtFunctions& api = library.api();
  size_t count = 0;
  TRY(TakeLoad(library, api.SessionGetInputCount(session, &count)));
  for (size_t i = 0; i < count; ++i) {
    OrtTypeInfo* raw = nullptr;
    TRY(TakeLoad(library, api.SessionGetInputTypeInfo(session, i, &raw)));
    const TypeInfo info(library, raw);
    const std::string name = TRY(NameOf(library, session, true, i));
    if (TRY(KindOf(library, info.get())) != kOrtTypeTensor) {
      return base::InvalidArgument("model", "input '" + name + "' is not a tensor: not supported",
                                   kBadModel);
    }
    described.model.inputs.push_back(TRY(DescribeTensor(library, info.get())));
    described.model.inputs.back().name = name;
  }
  return base::Status::Ok();
}

base::Status DescribeOutputs(const OrtLibrary& library, OrtSession* session, Described& described) {
  const OrtFunctions& api = library.api();
  size_t count = 0;
  TRY(TakeLoad(library, api.SessionGetOutputCount(session, &count)));
  for (size_t i = 0; i < count; ++i) {
    OrtTypeInfo* raw = nullptr;
    TRY(TakeLoad(library, api.SessionGetOutputTypeInfo(session, i, &raw)));
    const TypeInfo info(library, raw);
    const int kind = TRY(KindOf(library, info.get()));
    described.model.outputs.push_back(TRY(DescribeOutput(library, info.get(), kind)));
    described.model.outputs.back().name = TRY(NameOf(library, session, false, i));
    described.output_is_tensor.push_back(kind == kOrtTypeTensor);
  }
  return base::Status::Ok();
}

}  // namespace

base::Result<Described> DescribeModel(const OrtLibrary& library, OrtSession* session) {
  Described described;
  TRY(DescribeInputs(library, session, described));
  TRY(DescribeOutputs(library, session, described));
  described.model.batchable = RowsAreFree(described.model);
  described.model.platform = "onnxruntime_onnx";
  return described;
}

}  // namespace slipway::inference::onnx
