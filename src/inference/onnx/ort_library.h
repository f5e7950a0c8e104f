// SPDX-License-Identifier: Apache-2.0
// OrtLibrary: the loaded libonnxruntime and what every session shares: environment, allocator,
// memory info, run options. Immutable after Open, so safe from any thread. The library stays mapped
// until the process ends.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "inference/onnx/ort_abi.h"

namespace slipway::inference::onnx {

class OrtLibrary {
 public:
  // `path` empty: each of DefaultPaths in turn. kFailedPrecondition (reason "runtime_missing" /
  // "runtime_too_old").
  static base::Result<std::shared_ptr<const OrtLibrary>> Open(const std::string& path);
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
  [[nodiscard]] const std::string& version() const { return version_; }  // "1.32.0"
  [[nodiscard]] const std::string& path() const { return path_; }

  // Takes the status over: Ok for nullptr, else `code` and `reason` with the library's message.
  base::Status Take(OrtStatus* status, const char* reason,
                    base::Code code = base::Code::kInternal) const;

 private:
  OrtLibrary() = default;
  base::Status Start();

  OrtFunctions api_;
  OrtEnv* env_ = nullptr;
  OrtAllocator* allocator_ = nullptr;  // the library's own: not released
  OrtMemoryInfo* cpu_ = nullptr;
  OrtRunOptions* run_options_ = nullptr;
  std::string version_;
  std::string path_;
};

}  // namespace slipway::inference::onnx
