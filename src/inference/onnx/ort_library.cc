// SPDX-License-Identifier: Apache-2.0
// With the first model: finds ONNX Runtime, opens it, asks for the version of its C API that we
// speak.
#include "inference/onnx/ort_library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/library_paths.h"
#include "base/log.h"
#include "base/status.h"
#include "inference/onnx/ort_abi.h"
#include "slipway_build_config.h"

namespace slipway::inference::onnx {
namespace {

void LogLine(void*, int severity, const char* category, const char*, const char* location,
             const char* message) {
  base::Log(severity >= kOrtLogError ? base::LogLevel::kError : base::LogLevel::kWarning,
            "inference", message,
            {{"from", "onnxruntime"}, {"category", category}, {"at", location}});
}

base::Status Missing(const std::string& tried) {
  return base::FailedPrecondition(
      "runtime_missing", "ONNX Runtime 1.24 or later is needed (libonnxruntime.so); tried: " +
                             tried + ". Give its path with the setting onnx.library");
}

base::Status TakeStart(const OrtLibrary& library, OrtStatus* status) {
  return library.Take(status, "runtime_missing", base::Code::kFailedPrecondition);
}

using ArenaConfig = std::unique_ptr<OrtArenaCfg, void (*)(OrtArenaCfg*)>;

base::Result<ArenaConfig> MakeArena(const OrtLibrary& library, int64_t limit_bytes,
                                    bool extend_as_requested) {
  const char* const keys[] = {"max_mem", "arena_extend_strategy"};
  const size_t values[] = {static_cast<size_t>(limit_bytes), extend_as_requested ? 1U : 0U};
  OrtArenaCfg* made = nullptr;
  TRY(TakeStart(library, library.api().CreateArenaCfgV2(keys, values, std::size(keys), &made)));
  return ArenaConfig(made, library.api().ReleaseArenaCfg);
}

}  // namespace

std::vector<std::string> OrtLibrary::DefaultPaths() {
  return base::LibraryPaths("libonnxruntime.so", SLIPWAY_DEFAULT_ONNXRUNTIME);
}

base::Result<std::shared_ptr<const OrtLibrary>> OrtLibrary::Open(const std::string& path,
                                                                 int64_t threads) {
  std::shared_ptr<OrtLibrary> library(new OrtLibrary());
  const auto opened =
      base::OpenLibrary(path.empty() ? DefaultPaths() : std::vector<std::string>{path});
  if (!opened.ok()) return Missing(opened.status().message());
  library->path_ = opened->path;
  const auto get_base =
      reinterpret_cast<const OrtApiBase* (*)()>(dlsym(opened->handle, "OrtGetApiBase"));
  if (get_base == nullptr) return Missing(library->path_ + " has no OrtGetApiBase");
  library->version_ = get_base()->GetVersionString();
  const void* const* table = get_base()->GetApi(kOrtApiVersion);
  if (table == nullptr) {
    return base::FailedPrecondition("runtime_too_old",
                                    library->path_ + " is ONNX Runtime " + library->version_ +
                                        "; 1.24 or later is needed (API version " +
                                        std::to_string(kOrtApiVersion) + ")");
  }
  library->api_ = OrtFunctions::From(table);
  TRY(library->Start(threads));
  return std::shared_ptr<const OrtLibrary>(std::move(library));
}

base::Status OrtLibrary::Start(int64_t threads) {
  TRY(MakeEnvironment(threads));
  TRY(TakeStart(*this, api_.DisableTelemetryEvents(env_)));
  TRY(TakeStart(*this, api_.GetAllocatorWithDefaultOptions(&allocator_)));
  TRY(TakeStart(*this, api_.CreateCpuMemoryInfo(kOrtDeviceAllocator, kOrtMemTypeDefault, &cpu_)));
  TRY(ShareCpuArena());
  TRY(MakeRunOptions());
  return ReadProviders();
}

base::Status OrtLibrary::MakeEnvironment(int64_t threads) {
  OrtThreadingOptions* options = nullptr;
  TRY(TakeStart(*this, api_.CreateThreadingOptions(&options)));
  const std::unique_ptr<OrtThreadingOptions, void (*)(OrtThreadingOptions*)> owned(
      options, api_.ReleaseThreadingOptions);
  TRY(TakeStart(*this, api_.SetGlobalIntraOpNumThreads(options, static_cast<int>(threads))));
  TRY(TakeStart(*this, api_.SetGlobalInterOpNumThreads(options, 1)));
  // The cores belong to the other requests.
  TRY(TakeStart(*this, api_.SetGlobalSpinControl(options, 0)));
  return TakeStart(*this, api_.CreateEnvWithCustomLoggerAndGlobalThreadPools(
                              &LogLine, nullptr, kOrtLogWarning, "slipway", options, &env_));
}

// A thousand models with an arena each would keep a thousand arenas' free space.
base::Status OrtLibrary::ShareCpuArena() {
  OrtMemoryInfo* memory = nullptr;
  TRY(TakeStart(*this, api_.CreateCpuMemoryInfo(kOrtArenaAllocator, kOrtMemTypeDefault, &memory)));
  const std::unique_ptr<OrtMemoryInfo, void (*)(OrtMemoryInfo*)> owned(memory,
                                                                       api_.ReleaseMemoryInfo);
  const auto arena = TRY(MakeArena(*this, 0, true));
  OrtStatus* status = api_.CreateAndRegisterAllocator(env_, memory, arena.get());
  if (status == nullptr) return base::Status::Ok();
  const base::Status taken = TakeStart(*this, status);
  // Another OrtLibrary of this process shares it already.
  const bool there = taken.message().find("already") != std::string::npos;
  return there ? base::Status::Ok() : taken;
}

base::Status OrtLibrary::MakeRunOptions() {
  for (OrtRunOptions** options : {&run_options_, &shrinking_run_options_}) {
    TRY(TakeStart(*this, api_.CreateRunOptions(options)));
    // A failed run is a Status already; logging it too would let any caller fill the log.
    TRY(TakeStart(*this, api_.RunOptionsSetRunLogSeverityLevel(*options, kOrtLogFatal)));
  }
  return TakeStart(*this, api_.AddRunConfigEntry(shrinking_run_options_,
                                                 "memory.enable_memory_arena_shrinkage", "cpu:0"));
}

base::Status OrtLibrary::ReadProviders() {
  char** names = nullptr;
  int count = 0;
  TRY(TakeStart(*this, api_.GetAvailableProviders(&names, &count)));
  providers_.assign(names, names + count);
  return TakeStart(*this, api_.ReleaseAvailableProviders(names, count));
}

bool OrtLibrary::Has(std::string_view provider) const {
  return std::ranges::find(providers_, provider) != providers_.end();
}

base::Status OrtLibrary::ShareCudaArena(int64_t device, int64_t limit_bytes,
                                        bool extend_as_requested) const {
  const std::lock_guard lock(mutex_);
  if (cuda_arenas_.contains(device)) return base::Status::Ok();
  const auto take = [this](OrtStatus* status) {
    return Take(status, "device_missing", base::Code::kFailedPrecondition);
  };
  OrtMemoryInfo* memory = nullptr;
  TRY(take(api_.CreateMemoryInfo("Cuda", kOrtArenaAllocator, static_cast<int>(device),
                                 kOrtMemTypeDefault, &memory)));
  const std::unique_ptr<OrtMemoryInfo, void (*)(OrtMemoryInfo*)> owned(memory,
                                                                       api_.ReleaseMemoryInfo);
  const auto arena = TRY(MakeArena(*this, limit_bytes, extend_as_requested));
  const std::string id = std::to_string(device);
  const char* const key = "device_id";
  const char* const value = id.c_str();
  TRY(take(api_.CreateAndRegisterAllocatorV2(env_, "CUDAExecutionProvider", memory, arena.get(),
                                             &key, &value, 1)));
  cuda_arenas_.insert(device);
  return base::Status::Ok();
}

OrtLibrary::~OrtLibrary() {
  for (OrtRunOptions* options : {run_options_, shrinking_run_options_}) {
    if (options != nullptr) api_.ReleaseRunOptions(options);
  }
  if (cpu_ != nullptr) api_.ReleaseMemoryInfo(cpu_);
  if (env_ != nullptr) api_.ReleaseEnv(env_);
}

base::Status OrtLibrary::Take(OrtStatus* status, const char* reason, base::Code code) const {
  if (status == nullptr) return base::Status::Ok();
  base::Status taken(code, reason, api_.GetErrorMessage(status));
  api_.ReleaseStatus(status);
  return taken;
}

}  // namespace slipway::inference::onnx
