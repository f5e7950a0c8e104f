// SPDX-License-Identifier: Apache-2.0
// OnDemandModel: a model that is open only while it is needed. Requests that find it closed wait
// until it is open.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "inference/model_pool.h"
#include "inference/pool/run_counts.h"

namespace slipway::inference::pool {

class OnDemandModel final : public LoadedModel, public std::enable_shared_from_this<OnDemandModel> {
 public:
  // Requests that may wait for a model to open; past it kResourceExhausted ("model_loading").
  static constexpr size_t kMostWaiting = 1024;
  // A model that could not be opened is not tried again for so long.
  static constexpr int64_t kPauseNs = 1'000'000'000;

  struct Surroundings {
    // Opens it; blocks. The counts go on where those of the last time ended.
    std::function<base::Result<std::shared_ptr<LoadedModel>>(std::shared_ptr<RunCounts>)> open;
    // Calls from a loading thread.
    std::function<base::Status(std::function<void()>)> submit;
  };
  OnDemandModel(std::string key, Surroundings surroundings);

  const ModelDescription& description() const override;
  const ModelConfig& config() const override;
  void Run(Request request, RunOptions options, RunDone done) override;
  void RunStream(Request request, RunOptions options, RunPart part) override;
  ModelStatistics Statistics() const override { return counts_->Read(); }
  bool described() const override { return facts_.load(std::memory_order_acquire) != nullptr; }
  void Prepare(std::function<void(base::Status)> then) override;
  int64_t memory_bytes() const override;
  std::vector<Request> Recent() const override;

  // Blocks until it is open.
  base::Status Open();
  [[nodiscard]] bool is_open() const { return inner_.load() != nullptr; }
  [[nodiscard]] int64_t last_used_ns() const { return used_ns_.load(std::memory_order_relaxed); }
  // Requests under way end; what comes next opens it again. Null: it was closed, or is pinned.
  std::shared_ptr<LoadedModel> Close();

 private:
  struct Facts {
    ModelDescription description;
    ModelConfig config;
  };
  using Then = std::function<void(const base::Result<std::shared_ptr<LoadedModel>>&)>;
  // `then` now or once it is open.
  void WithModel(Then then);
  void OpenAndTell();

  const std::string key_;
  const Surroundings surroundings_;
  const std::shared_ptr<RunCounts> counts_;
  std::atomic<int64_t> used_ns_{0};
  std::atomic<std::shared_ptr<LoadedModel>> inner_;
  std::atomic<const Facts*> facts_{nullptr};  // set once
  std::unique_ptr<const Facts> facts_owner_;  // written under mutex_
  std::mutex mutex_;
  std::deque<Then> waiting_;  // guarded by mutex_
  bool opening_ = false;      // guarded by mutex_
  base::Status failure_;      // guarded by mutex_; of the last try
  int64_t failed_ns_ = 0;     // guarded by mutex_
};

}  // namespace slipway::inference::pool
