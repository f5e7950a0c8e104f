// SPDX-License-Identifier: Apache-2.0
// Loading a version: its file is opened first in a process of its own.
#include "inference/probe.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/clock.h"
#include "base/files.h"
#include "base/process.h"
#include "base/status.h"
#include "inference/model_pool.h"
#include "inference/request_check.h"
#include "inference/runtime.h"
#include "slipway_rows.h"

namespace slipway::inference {
namespace {

constexpr int kExitFine = 0, kExitUsage = 2, kExitRefused = 3;
constexpr std::string_view kRefusedLine = "slipway-probe: ";  // + reason, a space, message
constexpr size_t kMostOutputBytes = 64 * 1024;

base::Status Failed(const std::string& why) {
  return base::InvalidArgument("model", why, "probe_failed");
}

bool RanOutOfMemory(const base::Status& status) {
  const std::string& message = status.message();
  return message.find("bad_alloc") != std::string::npos ||
         message.find("Failed to allocate") != std::string::npos;
}

void SetLimit(__rlimit_resource resource, rlim_t most) {
  const rlimit limit{most, most};
  // Refused only when the limit is already lower: also fine.
  [[maybe_unused]] const int result = setrlimit(resource, &limit);
}

void LimitSelf(uint64_t memory_mb) {
  SetLimit(RLIMIT_CORE, 0);
  SetLimit(RLIMIT_FSIZE, kMostOutputBytes);
#if !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)  // their shadow memory alone is larger than any limit
  if (memory_mb > 0) SetLimit(RLIMIT_AS, memory_mb << 20);
#else
  static_cast<void>(memory_mb);
#endif
}

base::Result<std::unique_ptr<Runtime>> RuntimeNamed(const std::string& name,
                                                    const std::string& library) {
#if SLIPWAY_WITH_ONNX
  if (name == "onnx") {
    OnnxSettings settings;
    settings.library = library;
    return MakeOnnxRuntime(settings);
  }
#endif
  return base::InvalidArgument("runtime", "no runtime '" + name + "' (library '" + library + "')",
                               "unknown_runtime");
}

base::Status ProbeWith(const std::string& runtime_name, const std::string& path,
                       const std::string& library) {
  const auto runtime = TRY(RuntimeNamed(runtime_name, library));
  return ProbeModel(*runtime, path);
}

// An anonymous file for the probe's output: nothing to clean up.
base::Result<base::FileHandle> OutputFile() {
  base::FileHandle file(memfd_create("slipway-probe", MFD_CLOEXEC));
  if (!file.valid()) return base::FromErrno(errno, "make the probe's output file");
  return file;
}

std::string ReadOutput(const base::FileHandle& file) {
  std::string text(kMostOutputBytes, '\0');
  const ssize_t size = pread(file.fd(), text.data(), text.size(), 0);
  text.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return text;
}

base::Status Refusal(const std::string& output) {
  const size_t at = output.rfind(kRefusedLine);
  if (at == std::string::npos)
    return Failed("the probe process refused the model without saying why");
  const std::string line =
      output.substr(at + kRefusedLine.size(), output.find('\n', at) - at - kRefusedLine.size());
  const size_t space = std::min(line.find(' '), line.size());
  return base::InvalidArgument("model", line.substr(std::min(space + 1, line.size())),
                               line.substr(0, space));
}

base::Status Verdict(const base::ProcessExit& end, const std::string& output) {
  if (!end.exited) {
    return Failed("opening the model crashed the probe process (signal " +
                  std::to_string(end.signal) + ", " + strsignal(end.signal) + ")");
  }
  if (end.exit_status == kExitFine) return base::Status::Ok();
  if (end.exit_status == kExitRefused) return Refusal(output);
  return Failed("the probe process ended with status " + std::to_string(end.exit_status));
}

base::Status RunProbe(const PoolSettings& settings, const std::string& self_path,
                      const ModelSource& source) {
  const base::FileHandle output = TRY(OutputFile());
  base::ProcessSpec spec;
  spec.argv = {self_path,
               "__probe",
               source.runtime,
               source.path,
               std::to_string(settings.probe_memory_mb),
               settings.onnx.library};
  spec.output_path = "/proc/self/fd/" + std::to_string(output.fd());
  base::Process process = TRY(base::Process::Start(spec));
  const auto end = process.Wait(settings.probe_timeout_s * base::kSecond);
  if (end.ok()) return Verdict(*end, ReadOutput(output));
  process.Kill(0);
  if (end.status().code() != base::Code::kDeadlineExceeded) return end.status();
  return Failed("opening the model and running it once took longer than " +
                std::to_string(settings.probe_timeout_s) + " s (inference.probe_timeout_s)");
}

}  // namespace

base::Status ProbeModel(Runtime& runtime, const std::string& path) {
  auto session = runtime.Load(path);
  const auto memory = [](const base::Status& status) {
    return Failed("the model does not fit the probe's memory (inference.probe_memory_mb): " +
                  status.message());
  };
  if (!session.ok())
    return RanOutOfMemory(session.status()) ? memory(session.status()) : session.status();
  const auto response = (*session)->Run(ZeroRequest((*session)->description(), 1));
  if (!response.ok() && RanOutOfMemory(response.status())) return memory(response.status());
  return base::Status::Ok();
}

int ProbeMain(int argc, char** argv) {
  if (argc != 6) return kExitUsage;
  const std::string_view memory(argv[4]);
  uint64_t memory_mb = 0;
  if (std::from_chars(memory.begin(), memory.end(), memory_mb).ec != std::errc()) return kExitUsage;
  LimitSelf(memory_mb);
  const base::Status status = ProbeWith(argv[2], argv[3], argv[5]);
  if (status.ok()) return kExitFine;
  std::string message = status.message();
  std::ranges::replace(message, '\n', ' ');
  std::printf("\n%s%s %s\n", std::string(kRefusedLine).c_str(), status.reason().c_str(),
              message.c_str());
  std::fflush(stdout);
  return kExitRefused;
}

Prober ExecProbe(const PoolSettings& settings, std::string self_path) {
  return [settings, self_path = std::move(self_path)](const ModelSource& source) {
    return RunProbe(settings, self_path, source);
  };
}

}  // namespace slipway::inference
