// SPDX-License-Identifier: Apache-2.0
// After a version's walk: its bytes are looked at again and again.
#include "registry/scrub.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/status.h"
#include "registry/registry.h"

namespace slipway::registry {

Scrub::Scrub(Registry& registry, base::Metrics& metrics, base::Micros interval, int64_t mb_per_s)
    : registry_(registry), metrics_(metrics), interval_(interval), mb_per_s_(mb_per_s) {}

Scrub::~Scrub() { Stop(); }

void Scrub::Start() {
  if (interval_ > 0) thread_ = std::thread([this] { Run(); });
}

void Scrub::Stop() {
  {
    const std::lock_guard hold(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

bool Scrub::PauseFor(base::Micros pause) {
  std::unique_lock hold(mutex_);
  return !changed_.wait_for(hold, std::chrono::microseconds(pause), [this] { return stopping_; });
}

void Scrub::Run() {
  while (PauseFor(interval_)) {
    const base::Result<Integrity> round =
        registry_.Verify({}, {}, [this](const ManifestFile& file) {
          const int64_t pause = file.size_bytes / std::max<int64_t>(mb_per_s_, 1);  // MB/s = B/us
          return PauseFor(pause);
        });
    if (!round.ok()) {
      base::Log(base::LogLevel::kWarning, "registry", "a scrub could not be finished",
                {{"error", round.status().message()}});
      continue;
    }
    metrics_.GetGauge("slipway_registry_damaged_files", "Files that a scrub found damaged.", {})
        .Set(static_cast<double>(round->damage.size()));
    metrics_.GetCounter("slipway_registry_scrubbed_bytes", "Bytes that scrubs have read.", {})
        .Add(static_cast<double>(round->size_bytes));
    if (round->damage.empty()) continue;
    base::Log(base::LogLevel::kError, "registry", "files of versions are damaged",
              {{"files", static_cast<int64_t>(round->damage.size())},
               {"first", round->damage.front().model + "/" + round->damage.front().path}});
  }
}

}  // namespace slipway::registry
