// SPDX-License-Identifier: Apache-2.0
// Executor: the seam behind which a step runs: a local process today.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace slipway::pipelines {

struct StepLaunch {
  std::string run_id;
  std::string step;
  int64_t attempt = 1;
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;
  std::string working_directory;
  std::string log_path;
  int64_t log_limit_bytes = 0;  // a step that writes more is ended
  base::Micros timeout = 0;     // real time
};

struct StepExit {
  enum class Kind : uint8_t {
    kExited,
    kSignalled,
    kTimedOut,
    kLogLimit,
    kStopped
  } kind = Kind::kExited;
  int64_t exit_status = 0;  // kExited
  int64_t signal = 0;       // kSignalled
};

// Thread-safe.
class Executor {
 public:
  virtual ~Executor() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;  // "process"
  // Blocks until the step has ended (its whole group, when it is ended early). `started` is told
  // the process id. A failure means that it could not be started. Ends it and returns kStopped soon
  // after `stop` becomes true.
  virtual base::Result<StepExit> Run(const StepLaunch& launch,
                                     const std::function<void(int64_t pid)>& started,
                                     const std::atomic<bool>& stop) = 0;
};

std::unique_ptr<Executor> MakeProcessExecutor();

}  // namespace slipway::pipelines
