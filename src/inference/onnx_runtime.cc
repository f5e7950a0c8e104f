// SPDX-License-Identifier: Apache-2.0
// A prediction, the run itself: ONNX Runtime behind the Runtime seam.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/onnx/external_data.h"
#include "inference/onnx/input_lanes.h"
#include "inference/onnx/ort_abi.h"
#include "inference/onnx/ort_library.h"
#include "inference/onnx/ort_values.h"
#include "inference/request_check.h"
#include "inference/runtime.h"
#include "inference/tensor.h"
#include "inference/values.h"

namespace slipway::inference {
namespace {

using onnx::InputLanes;
using onnx::OrtLibrary;
using onnx::OrtValue;
using onnx::OrtValueHandle;

constexpr const char* kBadModel = "bad_model";

base::Status TakeLoad(const OrtLibrary& library, onnx::OrtStatus* status) {
  return library.Take(status, kBadModel, base::Code::kInvalidArgument);
}

// One that came from a Get... call and must be given back.
class TypeInfo {
 public:
  TypeInfo(const OrtLibrary& library, onnx::OrtTypeInfo* info) : library_(library), info_(info) {}
  ~TypeInfo() { library_.api().ReleaseTypeInfo(info_); }
  TypeInfo(const TypeInfo&) = delete;
  TypeInfo& operator=(const TypeInfo&) = delete;
  [[nodiscard]] const onnx::OrtTypeInfo* get() const { return info_; }

 private:
  const OrtLibrary& library_;
  onnx::OrtTypeInfo* info_;
};

base::Result<int> KindOf(const OrtLibrary& library, const onnx::OrtTypeInfo* info) {
  int kind = 0;
  TRY(TakeLoad(library, library.api().GetOnnxTypeFromTypeInfo(info, &kind)));
  return kind;
}

base::Result<TensorSpec> DescribeTensor(const OrtLibrary& library, const onnx::OrtTypeInfo* info) {
  const onnx::OrtFunctions& api = library.api();
  const onnx::OrtTensorTypeAndShapeInfo* tensor = nullptr;
  TRY(TakeLoad(library, api.CastTypeInfoToTensorInfo(info, &tensor)));
  int element_type = 0;
  TRY(TakeLoad(library, api.GetTensorElementType(tensor, &element_type)));
  TensorSpec spec;
  spec.type = TRY(onnx::FromOrtType(element_type));
  spec.any_rank = !api.TensorTypeAndShape_HasShape(tensor);
  size_t rank = 0;
  TRY(TakeLoad(library, api.GetDimensionsCount(tensor, &rank)));
  spec.shape.resize(spec.any_rank ? 0 : rank);
  TRY(TakeLoad(library, api.GetDimensions(tensor, spec.shape.data(), spec.shape.size())));
  for (int64_t& dimension : spec.shape) dimension = std::max<int64_t>(dimension, -1);
  return spec;
}

// A map's values as one free dimension: how many there are, only a run can tell.
base::Result<TensorSpec> DescribeMap(const OrtLibrary& library, const onnx::OrtTypeInfo* info) {
  const onnx::OrtMapTypeInfo* map = nullptr;
  TRY(TakeLoad(library, library.api().CastTypeInfoToMapTypeInfo(info, &map)));
  onnx::OrtTypeInfo* raw = nullptr;
  TRY(TakeLoad(library, library.api().GetMapValueType(map, &raw)));
  const TypeInfo value(library, raw);
  TensorSpec spec = TRY(DescribeTensor(library, value.get()));
  spec.any_rank = false;
  spec.shape = {-1};
  return spec;
}

base::Result<TensorSpec> DescribeSequence(const OrtLibrary& library,
                                          const onnx::OrtTypeInfo* info) {
  const onnx::OrtSequenceTypeInfo* sequence = nullptr;
  TRY(TakeLoad(library, library.api().CastTypeInfoToSequenceTypeInfo(info, &sequence)));
  onnx::OrtTypeInfo* raw = nullptr;
  TRY(TakeLoad(library, library.api().GetSequenceElementType(sequence, &raw)));
  const TypeInfo item(library, raw);
  const int kind = TRY(KindOf(library, item.get()));
  if (kind != onnx::kOrtTypeTensor && kind != onnx::kOrtTypeMap) {
    return base::InvalidArgument("model", "a sequence of neither tensors nor maps is not supported",
                                 kBadModel);
  }
  TensorSpec spec = kind == onnx::kOrtTypeMap ? TRY(DescribeMap(library, item.get()))
                                              : TRY(DescribeTensor(library, item.get()));
  if (!spec.any_rank) spec.shape.insert(spec.shape.begin(), -1);
  return spec;
}

base::Result<TensorSpec> DescribeOutput(const OrtLibrary& library, const onnx::OrtTypeInfo* info,
                                        int kind) {
  if (kind == onnx::kOrtTypeTensor) return DescribeTensor(library, info);
  if (kind == onnx::kOrtTypeSequence) return DescribeSequence(library, info);
  if (kind == onnx::kOrtTypeMap) return DescribeMap(library, info);
  return base::InvalidArgument(
      "model", "an output that is optional, sparse or opaque is not supported", kBadModel);
}

// The loaded model; outputs that live in its memory keep it alive.
struct Loaded {
  std::shared_ptr<const OrtLibrary> library;
  onnx::OrtSession* session = nullptr;
  ~Loaded() {
    if (session != nullptr) library->api().ReleaseSession(session);
  }
};

class OnnxSession final : public Session {
 public:
  static base::Result<std::unique_ptr<Session>> Open(
      const std::shared_ptr<const OrtLibrary>& library, const std::string& path,
      const OnnxSettings& settings);
  [[nodiscard]] const ModelDescription& description() const override { return description_; }
  base::Result<Response> Run(const Request& request) override;

 private:
  OnnxSession() = default;
  base::Status Describe();
  base::Result<std::string> NameOf(bool input, size_t index) const;
  base::Result<NamedTensor> TakeOutput(OrtValueHandle value, size_t output) const;

  std::shared_ptr<Loaded> loaded_;
  ModelDescription description_;
  std::unique_ptr<InputLanes> lanes_;
  std::vector<const char*> input_names_, output_names_;  // into description_
  std::vector<bool> output_is_tensor_;
  std::vector<size_t> every_output_;
};

class SessionOptions {
 public:
  explicit SessionOptions(const OrtLibrary& library) : library_(library) {}
  ~SessionOptions() {
    if (options_ != nullptr) library_.api().ReleaseSessionOptions(options_);
  }
  SessionOptions(const SessionOptions&) = delete;
  SessionOptions& operator=(const SessionOptions&) = delete;
  [[nodiscard]] const onnx::OrtSessionOptions* get() const { return options_; }

  base::Status Fill(const OnnxSettings& settings) {
    const onnx::OrtFunctions& api = library_.api();
    TRY(TakeLoad(library_, api.CreateSessionOptions(&options_)));
    TRY(TakeLoad(library_, api.SetSessionGraphOptimizationLevel(options_, onnx::kOrtOptimizeAll)));
    TRY(TakeLoad(library_,
                 api.SetIntraOpNumThreads(options_, static_cast<int>(settings.intra_op_threads))));
    TRY(TakeLoad(library_, api.SetInterOpNumThreads(options_, 1)));
    constexpr std::pair<const char*, const char*> kEntries[] = {
        {"session.intra_op.allow_spinning", "0"},  // the cores belong to the other requests
        {"session.inter_op.allow_spinning", "0"},
        {"session.load_model_format",
         "ONNX"},  // not ORT's own format, whatever the file's name says
    };
    for (const auto& [key, value] : kEntries)
      TRY(TakeLoad(library_, api.AddSessionConfigEntry(options_, key, value)));
    return base::Status::Ok();
  }

 private:
  const OrtLibrary& library_;
  onnx::OrtSessionOptions* options_ = nullptr;
};

base::Result<std::unique_ptr<Session>> OnnxSession::Open(
    const std::shared_ptr<const OrtLibrary>& library, const std::string& path,
    const OnnxSettings& settings) {
  TRY(onnx::CheckExternalData(path));
  SessionOptions options(*library);
  TRY(options.Fill(settings));
  std::unique_ptr<OnnxSession> session(new OnnxSession());
  session->loaded_ = std::make_shared<Loaded>();
  session->loaded_->library = library;
  TRY(TakeLoad(*library, library->api().CreateSession(library->env(), path.c_str(), options.get(),
                                                      &session->loaded_->session)));
  TRY(session->Describe());
  return std::unique_ptr<Session>(std::move(session));
}

base::Result<std::string> OnnxSession::NameOf(bool input, size_t index) const {
  const OrtLibrary& library = *loaded_->library;
  const onnx::OrtFunctions& api = library.api();
  char* raw = nullptr;
  TRY(TakeLoad(library,
               input
                   ? api.SessionGetInputName(loaded_->session, index, library.allocator(), &raw)
                   : api.SessionGetOutputName(loaded_->session, index, library.allocator(), &raw)));
  std::string name(raw);
  TRY(TakeLoad(library, api.AllocatorFree(library.allocator(), raw)));
  return name;
}

base::Status OnnxSession::Describe() {
  const OrtLibrary& library = *loaded_->library;
  const onnx::OrtFunctions& api = library.api();
  size_t inputs = 0, outputs = 0;
  TRY(TakeLoad(library, api.SessionGetInputCount(loaded_->session, &inputs)));
  TRY(TakeLoad(library, api.SessionGetOutputCount(loaded_->session, &outputs)));
  for (size_t i = 0; i < inputs; ++i) {
    onnx::OrtTypeInfo* raw = nullptr;
    TRY(TakeLoad(library, api.SessionGetInputTypeInfo(loaded_->session, i, &raw)));
    const TypeInfo info(library, raw);
    const std::string name = TRY(NameOf(true, i));
    if (TRY(KindOf(library, info.get())) != onnx::kOrtTypeTensor) {
      return base::InvalidArgument("model", "input '" + name + "' is not a tensor: not supported",
                                   kBadModel);
    }
    description_.inputs.push_back(TRY(DescribeTensor(library, info.get())));
    description_.inputs.back().name = name;
  }
  for (size_t i = 0; i < outputs; ++i) {
    onnx::OrtTypeInfo* raw = nullptr;
    TRY(TakeLoad(library, api.SessionGetOutputTypeInfo(loaded_->session, i, &raw)));
    const TypeInfo info(library, raw);
    const int kind = TRY(KindOf(library, info.get()));
    description_.outputs.push_back(TRY(DescribeOutput(library, info.get(), kind)));
    description_.outputs.back().name = TRY(NameOf(false, i));
    output_is_tensor_.push_back(kind == onnx::kOrtTypeTensor);
    every_output_.push_back(i);
  }
  const auto free_rows = [](const TensorSpec& spec) {
    return !spec.shape.empty() && spec.shape[0] < 0;
  };
  description_.batchable =
      !description_.inputs.empty() && std::ranges::all_of(description_.inputs, free_rows) &&
      std::ranges::all_of(description_.outputs,
                          [&](const TensorSpec& spec) { return spec.any_rank || free_rows(spec); });
  description_.platform = "onnxruntime_onnx";
  lanes_ = std::make_unique<InputLanes>(library, description_);
  for (const TensorSpec& spec : description_.inputs) input_names_.push_back(spec.name.c_str());
  for (const TensorSpec& spec : description_.outputs) output_names_.push_back(spec.name.c_str());
  return base::Status::Ok();
}

size_t PlaceOf(const std::vector<TensorSpec>& specs, const std::string& name, size_t guess) {
  if (guess < specs.size() && specs[guess].name == name) return guess;
  return static_cast<size_t>(std::ranges::find(specs, name, &TensorSpec::name) - specs.begin());
}

// The outputs of one run; those that were not taken over are released.
class Outputs {
 public:
  Outputs(const OrtLibrary& library, size_t count) : library_(library), values_(count, nullptr) {}
  ~Outputs() {
    for (OrtValue* value : values_) {
      if (value != nullptr) library_.api().ReleaseValue(value);
    }
  }
  Outputs(const Outputs&) = delete;
  Outputs& operator=(const Outputs&) = delete;
  OrtValue** data() { return values_.data(); }
  OrtValueHandle Take(size_t index) { return {library_, std::exchange(values_[index], nullptr)}; }

 private:
  const OrtLibrary& library_;
  std::vector<OrtValue*> values_;
};

// The request as the runtime takes it: a ready lane for one small row, else values around the
// request's own bytes.
class Inputs {
 public:
  static base::Result<Inputs> Of(const OrtLibrary& library, const ModelDescription& description,
                                 InputLanes& lanes, const Request& request) {
    Inputs inputs(TRY(lanes.Take(request)), request);
    if (inputs.lease_) return inputs;
    const size_t count = request.inputs.size();
    inputs.values_.reserve(count);
    inputs.raw_.resize(count);
    for (size_t i = 0; i < count; ++i) {
      inputs.values_.push_back(
          TRY(onnx::ToOrtValue(library, request.inputs[i].tensor, inputs.copies_)));
      inputs.raw_[PlaceOf(description.inputs, request.inputs[i].name, i)] =
          inputs.values_.back().get();
    }
    return inputs;
  }
  [[nodiscard]] const OrtValue* const* data() const {
    return lease_ ? lease_->raw.data() : raw_.data();
  }

  // An output that is an input passed through lies in bytes that are not ours to keep.
  void Part(Tensor& output) const {
    if (output.bytes().empty()) return;
    const auto holds = [&output](const Tensor& input) {
      const auto bytes = input.bytes();
      return output.bytes().data() >= bytes.data() &&
             output.bytes().data() < bytes.data() + bytes.size();
    };
    const bool shared =
        lease_ ? std::ranges::any_of(lease_->tensors, holds)
               : std::ranges::any_of(copies_, holds) ||
                     std::ranges::any_of(request_->inputs, holds, &NamedTensor::tensor);
    if (shared) output.mutable_bytes();
  }

 private:
  Inputs(InputLanes::Lease lease, const Request& request)
      : lease_(std::move(lease)), request_(&request) {}

  InputLanes::Lease lease_;
  const Request* request_;
  std::vector<Tensor> copies_;  // of those whose bytes are not aligned
  std::vector<OrtValueHandle> values_;
  std::vector<const OrtValue*> raw_;
};

base::Result<Response> OnnxSession::Run(const Request& request) {
  TRY(CheckRequest(description_, request));
  const OrtLibrary& library = *loaded_->library;
  const Inputs inputs = TRY(Inputs::Of(library, description_, *lanes_, request));
  std::vector<size_t> chosen;
  std::vector<const char*> chosen_names;
  for (const std::string& name : request.outputs) {
    chosen.push_back(PlaceOf(description_.outputs, name, chosen.size()));
    chosen_names.push_back(output_names_[chosen.back()]);
  }
  const std::vector<size_t>& wanted = chosen.empty() ? every_output_ : chosen;
  const std::vector<const char*>& names = chosen.empty() ? output_names_ : chosen_names;
  Outputs outputs(library, wanted.size());
  onnx::OrtStatus* status =
      library.api().Run(loaded_->session, library.run_options(), input_names_.data(), inputs.data(),
                        input_names_.size(), names.data(), names.size(), outputs.data());
  if (status != nullptr) {
    const bool argument = library.api().GetErrorCode(status) == onnx::kOrtErrorInvalidArgument;
    return library.Take(status, "run_failed",
                        argument ? base::Code::kInvalidArgument : base::Code::kInternal);
  }
  Response response;
  response.outputs.reserve(wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    response.outputs.push_back(TRY(TakeOutput(outputs.Take(i), wanted[i])));
    inputs.Part(response.outputs.back().tensor);
  }
  return response;
}

base::Result<NamedTensor> OnnxSession::TakeOutput(OrtValueHandle value, size_t output) const {
  const std::string& name = description_.outputs[output].name;
  if (output_is_tensor_[output]) {
    return NamedTensor{
        name, TRY(onnx::TensorFromOrtValue(*loaded_->library, std::move(value), loaded_)), nullptr};
  }
  FlatValue flat =
      TRY(Flatten(TRY(onnx::FromOrtValue(*loaded_->library, std::move(value), loaded_))));
  return NamedTensor{name, std::move(flat.tensor), std::move(flat.labels)};
}

class OnnxRuntime final : public Runtime {
 public:
  OnnxRuntime(std::shared_ptr<const OrtLibrary> library, OnnxSettings settings)
      : library_(std::move(library)), settings_(std::move(settings)) {}
  [[nodiscard]] std::string_view name() const override { return "onnx"; }
  [[nodiscard]] std::string Version() const override { return library_->version(); }
  [[nodiscard]] std::string library() const override { return library_->path(); }
  base::Result<std::unique_ptr<Session>> Load(const ModelSource& source) override {
    return OnnxSession::Open(library_, source.path, settings_);
  }

 private:
  std::shared_ptr<const OrtLibrary> library_;
  OnnxSettings settings_;
};

}  // namespace

base::Result<std::unique_ptr<Runtime>> MakeOnnxRuntime(const OnnxSettings& settings) {
  auto library = TRY(OrtLibrary::Open(settings.library));
  return std::unique_ptr<Runtime>(std::make_unique<OnnxRuntime>(std::move(library), settings));
}

}  // namespace slipway::inference
