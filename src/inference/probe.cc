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
#include <map>
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

using Pairs = std::map<std::string, std::string>;

// The arguments after the fixed ones; a parameter always has a '=', so none looks like --setting.
bool ReadPairs(int argc, char** argv, int first, Pairs& settings, Pairs& parameters) {
  for (int i = first; i < argc; ++i) {
    const bool setting = std::string_view(argv[i]) == "--setting";
    if (setting && ++i == argc) return false;
    const std::string_view pair(argv[i]);
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos) return false;
    (setting ? settings : parameters).emplace(pair.substr(0, equals), pair.substr(equals + 1));
  }
  return true;
}

base::Status ProbeWith(const ModelSource& source, const std::string& library, const Pairs& settings,
                       MakeRuntime make) {
  const auto runtime = TRY(make(source.runtime, library, settings));
  return ProbeModel(*runtime, source);
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
                      const ModelSource& source, const Runtime& runtime) {
  const base::FileHandle output = TRY(OutputFile());
  base::ProcessSpec spec;
  spec.argv = {self_path,        "__probe",     source.runtime,
               source.path,      source.folder, std::to_string(settings.probe_memory_mb),
               runtime.library()};
  for (const auto& [name, value] : runtime.probe_settings()) {
    spec.argv.emplace_back("--setting");
    spec.argv.push_back(name + "=" + value);
  }
  for (const auto& [name, value] : source.config.parameters)
    spec.argv.push_back(name + "=" + value);
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

base::Status ProbeModel(Runtime& runtime, const ModelSource& source) {
  auto session = runtime.Load(source);
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

int ProbeMain(int argc, char** argv, MakeRuntime make) {
  constexpr int kFixed = 7;
  if (argc < kFixed) return kExitUsage;
  const std::string_view memory(argv[5]);
  uint64_t memory_mb = 0;
  if (std::from_chars(memory.begin(), memory.end(), memory_mb).ec != std::errc()) return kExitUsage;
  ModelSource source;
  source.runtime = argv[2];
  source.path = argv[3];
  source.folder = argv[4];
  Pairs settings;
  if (!ReadPairs(argc, argv, kFixed, settings, source.config.parameters)) return kExitUsage;
  LimitSelf(memory_mb);
  const base::Status status = ProbeWith(source, argv[6], settings, make);
  if (status.ok()) return kExitFine;
  std::string message = status.message();
  std::ranges::replace(message, '\n', ' ');
  std::printf("\n%s%s %s\n", std::string(kRefusedLine).c_str(), status.reason().c_str(),
              message.c_str());
  std::fflush(stdout);
  return kExitRefused;
}

Prober ExecProbe(const PoolSettings& settings, std::string self_path) {
  return [settings, self_path = std::move(self_path)](const ModelSource& source,
                                                      const Runtime& runtime) {
    return RunProbe(settings, self_path, source, runtime);
  };
}

}  // namespace slipway::inference
