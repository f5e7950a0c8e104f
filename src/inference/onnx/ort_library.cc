// SPDX-License-Identifier: Apache-2.0
// At start: finds ONNX Runtime, opens it, asks for the version of its C API that we speak.
#include "inference/onnx/ort_library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

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

std::vector<std::string> LibrariesIn(const std::filesystem::path& folder) {
  constexpr size_t kMostFiles = 10000;
  std::vector<std::string> found;
  std::error_code error;
  size_t seen = 0;
  for (std::filesystem::directory_iterator at(folder, error), end;
       !error && at != end && seen < kMostFiles; at.increment(error)) {
    ++seen;
    if (at->path().filename().string().starts_with("libonnxruntime.so"))
      found.push_back(at->path().string());
  }
  std::ranges::sort(found, std::greater<>());
  return found;
}

std::string JoinLines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "; ") + line;
  return text;
}

base::Status Missing(const std::string& tried) {
  return base::FailedPrecondition(
      "runtime_missing", "ONNX Runtime 1.24 or later is needed (libonnxruntime.so); tried: " +
                             tried + ". Give its path with the setting onnx.library");
}

}  // namespace

std::vector<std::string> OrtLibrary::DefaultPaths() {
  std::vector<std::string> paths;
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    for (const auto& folder : {self.parent_path(), self.parent_path().parent_path() / "lib"}) {
      const auto found = LibrariesIn(folder);
      paths.insert(paths.end(), found.begin(), found.end());
    }
  }
  paths.emplace_back(SLIPWAY_DEFAULT_ONNXRUNTIME);
  return paths;
}

base::Result<std::shared_ptr<const OrtLibrary>> OrtLibrary::Open(const std::string& path) {
  const std::vector<std::string> paths =
      path.empty() ? DefaultPaths() : std::vector<std::string>{path};
  std::vector<std::string> tried;
  void* handle = nullptr;
  std::shared_ptr<OrtLibrary> library(new OrtLibrary());
  // The library opens a telemetry database in the user's home as soon as it makes an environment,
  // before DisableTelemetryEvents can be called; this is the only switch that it reads earlier.
  setenv("ORT_DISABLE_TELEMETRY", "1", 1);
  for (const std::string& candidate : paths) {
    // Never unmapped: its threads and its outputs may outlive any one user.
    handle = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle != nullptr) {
      library->path_ = candidate;
      break;
    }
    const char* why = dlerror();
    tried.push_back(why != nullptr ? why : candidate);
  }
  if (handle == nullptr) return Missing(JoinLines(tried));
  const auto get_base = reinterpret_cast<const OrtApiBase* (*)()>(dlsym(handle, "OrtGetApiBase"));
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
  TRY(library->Start());
  return std::shared_ptr<const OrtLibrary>(std::move(library));
}

base::Status OrtLibrary::Start() {
  constexpr const char* kReason = "runtime_missing";
  constexpr auto kCode = base::Code::kFailedPrecondition;
  TRY(Take(api_.CreateEnvWithCustomLogger(&LogLine, nullptr, kOrtLogWarning, "slipway", &env_),
           kReason, kCode));
  TRY(Take(api_.DisableTelemetryEvents(env_), kReason, kCode));
  TRY(Take(api_.GetAllocatorWithDefaultOptions(&allocator_), kReason, kCode));
  TRY(Take(api_.CreateCpuMemoryInfo(kOrtDeviceAllocator, kOrtMemTypeDefault, &cpu_), kReason,
           kCode));
  TRY(Take(api_.CreateRunOptions(&run_options_), kReason, kCode));
  // A failed run is a Status already; logging it too would let any caller fill the log.
  return Take(api_.RunOptionsSetRunLogSeverityLevel(run_options_, kOrtLogFatal), kReason, kCode);
}

OrtLibrary::~OrtLibrary() {
  if (run_options_ != nullptr) api_.ReleaseRunOptions(run_options_);
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
