// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "retrain": a step as a process of this machine, in its own process group.
#include "base/process.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "pipelines/executor.h"

namespace slipway::pipelines {

using base::Result;

namespace {

constexpr base::Micros kLook = 50 * base::kMillisecond;  // between two looks at a running step
constexpr base::Micros kGrace = 5 * base::kSecond;       // between SIGTERM and SIGKILL

int64_t SizeOf(const std::string& path) {
  struct stat info{};
  return stat(path.c_str(), &info) == 0 ? static_cast<int64_t>(info.st_size) : 0;
}

class ProcessExecutor final : public Executor {
 public:
  [[nodiscard]] std::string_view name() const override { return "process"; }

  Result<StepExit> Run(const StepLaunch& launch, const std::function<void(int64_t pid)>& started,
                       const std::atomic<bool>& stop) override {
    base::ProcessSpec spec;
    spec.argv = launch.argv;
    spec.environment = launch.environment;
    spec.working_directory = launch.working_directory;
    spec.output_path = launch.log_path;
    const int64_t begun_ns = base::MonotonicNanos();
    base::Process process = TRY(base::Process::Start(spec));
    started(process.pid());
    while (true) {
      const auto exit = process.Wait(std::min(kLook, launch.timeout));
      if (exit.ok()) return FromExit(*exit);
      if (exit.status().code() != base::Code::kDeadlineExceeded) return exit.status();
      if (const auto why = WhyEnd(launch, begun_ns, stop)) {
        process.Kill(kGrace);
        return StepExit{*why, 0, 0};
      }
    }
  }

 private:
  static StepExit FromExit(const base::ProcessExit& exit) {
    if (exit.exited) return {StepExit::Kind::kExited, exit.exit_status, 0};
    return {StepExit::Kind::kSignalled, 0, exit.signal};
  }

  static std::optional<StepExit::Kind> WhyEnd(const StepLaunch& launch, int64_t begun_ns,
                                              const std::atomic<bool>& stop) {
    if (stop.load()) return StepExit::Kind::kStopped;
    if ((base::MonotonicNanos() - begun_ns) / 1000 >= launch.timeout)
      return StepExit::Kind::kTimedOut;
    if (SizeOf(launch.log_path) > launch.log_limit_bytes) return StepExit::Kind::kLogLimit;
    return std::nullopt;
  }
};

}  // namespace

std::unique_ptr<Executor> MakeProcessExecutor() { return std::make_unique<ProcessExecutor>(); }

}  // namespace slipway::pipelines
