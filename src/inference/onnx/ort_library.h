// SPDX-License-Identifier: Apache-2.0
// OrtLibrary: the loaded libonnxruntime and what every session shares: environment, threads inside
// a run, one arena for each device, run options. Safe from any thread. The library stays mapped
// until the process ends. ONNX Runtime has one environment in a process: of several OrtLibrary at
// once, the first one's threads are everybody's.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "inference/onnx/ort_abi.h"

namespace slipway::inference::onnx {

class OrtLibrary {
 public:
  // `path` empty: each of DefaultPaths in turn. `threads`: of one run, shared by all sessions; with
  // 1 a run stays on its caller's thread. kFailedPrecondition (reason "runtime_missing" /
  // "runtime_too_old").
  static base::Result<std::shared_ptr<const OrtLibrary>> Open(const std::string& path,
                                                              int64_t threads = 1);
  // Beside the binary, in ../lib of it, then where the build found it.
  static std::vector<std::string> DefaultPaths();
  ~OrtLibrary();
  OrtLibrary(const OrtLibrary&) = delete;
  OrtLibrary& operator=(const OrtLibrary&) = delete;

  [[nodiscard]] const OrtFunctions& api() const { return api_; }
  [[nodiscard]] OrtEnv* env() const { return env_; }
  [[nodiscard]] OrtAllocator* allocator() const { return allocator_; }
  [[nodiscard]] const OrtMemoryInfo* cpu() const { return cpu_; }
  [[nodiscard]] const OrtRunOptions* run_options() const { return run_options_; }
  // The same, and the arena gives back what the run left free.
  [[nodiscard]] const OrtRunOptions* shrinking_run_options() const {
    return shrinking_run_options_;
  }
  // Whether the library was built with it: "CUDAExecutionProvider".
  [[nodiscard]] bool Has(std::string_view provider) const;
  // From now on sessions on that GPU share one arena. `limit_bytes` 0: none. The first call for a
  // device decides.
  base::Status ShareCudaArena(int64_t device, int64_t limit_bytes, bool extend_as_requested) const;
  [[nodiscard]] const std::string& version() const { return version_; }  // "1.32.0"
  [[nodiscard]] const std::string& path() const { return path_; }

  // Takes the status over: Ok for nullptr, else `code` and `reason` with the library's message.
  base::Status Take(OrtStatus* status, const char* reason,
                    base::Code code = base::Code::kInternal) const;

 private:
  OrtLibrary() = default;
  base::Status Start(int64_t threads);
  base::Status MakeEnvironment(int64_t threads);
  base::Status ShareCpuArena();
  base::Status MakeRunOptions();
  base::Status ReadProviders();

  OrtFunctions api_;
  OrtEnv* env_ = nullptr;
  OrtAllocator* allocator_ = nullptr;  // the library's own: not released
  OrtMemoryInfo* cpu_ = nullptr;
  OrtRunOptions* run_options_ = nullptr;
  OrtRunOptions* shrinking_run_options_ = nullptr;
  std::vector<std::string> providers_;
  mutable std::mutex mutex_;
  mutable std::set<int64_t> cuda_arenas_;  // guarded by mutex_: devices that have one
  std::string version_;
  std::string path_;
};

}  // namespace slipway::inference::onnx
