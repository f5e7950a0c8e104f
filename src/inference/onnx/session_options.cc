// SPDX-License-Identifier: Apache-2.0
// Loading a version: threads, memory and device of its session.
#include "inference/onnx/session_options.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/onnx/ort_abi.h"
#include "inference/onnx/ort_library.h"
#include "inference/onnx/session_plan.h"
#include "inference/runtime.h"

namespace slipway::inference::onnx {
namespace {

constexpr const char* kBadModel = "bad_model";
constexpr const char* kDeviceMissing = "device_missing";

base::Status TakeLoad(const OrtLibrary& library, OrtStatus* status) {
  return library.Take(status, kBadModel, base::Code::kInvalidArgument);
}

base::Status TakeDevice(const OrtLibrary& library, OrtStatus* status) {
  return library.Take(status, kDeviceMissing, base::Code::kFailedPrecondition);
}

// As the ABI wants them: two arrays of equal length.
struct Columns {
  explicit Columns(std::span<const std::pair<const char*, const char*>> entries) {
    for (const auto& [key, value] : entries) {
      keys.push_back(key);
      values.push_back(value);
    }
  }
  std::vector<const char*> keys, values;
};

}  // namespace

SessionOptions::~SessionOptions() {
  if (options_ != nullptr) library_.api().ReleaseSessionOptions(options_);
}

base::Status SessionOptions::Fill(const SessionPlan& plan, const OnnxSettings& settings) {
  const OrtFunctions& api = library_.api();
  TRY(TakeLoad(library_, api.CreateSessionOptions(&options_)));
  TRY(TakeLoad(library_, api.SetSessionGraphOptimizationLevel(options_, plan.graph_optimization)));
  TRY(SetThreads(plan));
  const Entry entries[] = {
      // Not ORT's own format, whatever the file's name says.
      {"session.load_model_format", "ONNX"},
      // One arena for all models; constants are outside it, so that unloading gives them back.
      {"session.use_env_allocators", plan.cpu_arena ? "1" : "0"},
      {"session.use_device_allocator_for_initializers", "1"},
  };
  TRY(AddEntries(entries));
  if (!plan.cpu_arena) TRY(TakeLoad(library_, api.DisableCpuMemArena(options_)));
  if (!plan.memory_pattern) TRY(TakeLoad(library_, api.DisableMemPattern(options_)));
  for (const auto& [name, size] : plan.dimensions)
    TRY(TakeLoad(library_, api.AddFreeDimensionOverrideByName(options_, name.c_str(), size)));
  for (const std::string& path : plan.custom_op_libraries)
    TRY(TakeLoad(library_, api.RegisterCustomOpsLibrary_V2(options_, path.c_str())));
  return AddDevice(plan.device, settings);
}

base::Status SessionOptions::AddExternalData(const ModelFiles& files) {
  if (files.external.empty()) return base::Status::Ok();
  std::vector<const char*> names;
  std::vector<char*> contents;
  std::vector<size_t> sizes;
  for (const ModelFiles::External& one : files.external) {
    const auto bytes = one.mapping.bytes();
    names.push_back(one.location.c_str());
    // It is only read; the ABI has no const here.
    contents.push_back(reinterpret_cast<char*>(const_cast<std::byte*>(bytes.data())));
    sizes.push_back(bytes.size());
  }
  return TakeLoad(library_,
                  library_.api().AddExternalInitializersFromFilesInMemory(
                      options_, names.data(), contents.data(), sizes.data(), names.size()));
}

base::Status SessionOptions::SetThreads(const SessionPlan& plan) {
  const OrtFunctions& api = library_.api();
  const bool own = plan.intra_op_threads > 0 || plan.parallel;
  if (!own) return TakeLoad(library_, api.DisablePerSessionThreads(options_));
  TRY(TakeLoad(library_, api.SetIntraOpNumThreads(options_, static_cast<int>(std::max<int64_t>(
                                                                plan.intra_op_threads, 1)))));
  TRY(TakeLoad(library_,
               api.SetInterOpNumThreads(options_, static_cast<int>(plan.inter_op_threads))));
  TRY(TakeLoad(library_, api.SetSessionExecutionMode(options_, plan.parallel ? 1 : 0)));
  constexpr Entry kEntries[] = {
      {"session.intra_op.allow_spinning", "0"},  // the cores belong to the other requests
      {"session.inter_op.allow_spinning", "0"},
  };
  return AddEntries(kEntries);
}

base::Status SessionOptions::AddEntries(std::span<const Entry> entries) {
  for (const auto& [key, value] : entries)
    TRY(TakeLoad(library_, library_.api().AddSessionConfigEntry(options_, key, value)));
  return base::Status::Ok();
}

// Providers are asked in the order in which they were added: what TensorRT cannot do, CUDA does;
// what neither can, the CPU.
base::Status SessionOptions::AddDevice(const Device& device, const OnnxSettings& settings) {
  if (device.kind == Device::Kind::kCpu) return base::Status::Ok();
  if (!library_.Has(device.Provider())) {
    return base::FailedPrecondition(kDeviceMissing, "ONNX Runtime at " + library_.path() +
                                                        " has no " +
                                                        std::string(device.Provider()) +
                                                        "; onnx.library names a build for GPUs");
  }
  const std::string id = std::to_string(device.id);
  const std::string limit = std::to_string(settings.gpu_memory_limit_mb << 20);
  const bool same = settings.arena_extend == "as_requested";
  std::vector<Entry> cuda = {
      {"device_id", id.c_str()},
      {"arena_extend_strategy", same ? "kSameAsRequested" : "kNextPowerOfTwo"}};
  if (settings.gpu_memory_limit_mb > 0) cuda.emplace_back("gpu_mem_limit", limit.c_str());
  if (device.kind == Device::Kind::kTensorRt) {
    std::vector<Entry> entries = {{"device_id", id.c_str()}};
    if (settings.gpu_memory_limit_mb > 0)
      entries.emplace_back("trt_max_workspace_size", limit.c_str());
    TRY(AddTensorRt(entries));
  }
  TRY(AddCuda(cuda));
  return library_.ShareCudaArena(device.id, settings.gpu_memory_limit_mb << 20, same);
}

base::Status SessionOptions::AddCuda(std::span<const Entry> entries) {
  const OrtFunctions& api = library_.api();
  const Columns columns(entries);
  OrtCudaProviderOptions* provider = nullptr;
  TRY(TakeDevice(library_, api.CreateCUDAProviderOptions(&provider)));
  base::Status status = TakeDevice(
      library_, api.UpdateCUDAProviderOptions(provider, columns.keys.data(), columns.values.data(),
                                              columns.keys.size()));
  if (status.ok()) {
    status =
        TakeDevice(library_, api.SessionOptionsAppendExecutionProvider_CUDA_V2(options_, provider));
  }
  api.ReleaseCUDAProviderOptions(provider);
  return status;
}

base::Status SessionOptions::AddTensorRt(std::span<const Entry> entries) {
  const OrtFunctions& api = library_.api();
  const Columns columns(entries);
  OrtTensorRtProviderOptions* provider = nullptr;
  TRY(TakeDevice(library_, api.CreateTensorRTProviderOptions(&provider)));
  base::Status status = TakeDevice(
      library_, api.UpdateTensorRTProviderOptions(provider, columns.keys.data(),
                                                  columns.values.data(), columns.keys.size()));
  if (status.ok()) {
    status = TakeDevice(library_,
                        api.SessionOptionsAppendExecutionProvider_TensorRT_V2(options_, provider));
  }
  api.ReleaseTensorRTProviderOptions(provider);
  return status;
}

}  // namespace slipway::inference::onnx
