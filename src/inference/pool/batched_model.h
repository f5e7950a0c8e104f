// SPDX-License-Identifier: Apache-2.0
// BatchedModel: one loaded model with its queue. See LoadedModel for what it promises.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/threads.h"
#include "inference/model_pool.h"
#include "inference/pool/run_counts.h"

namespace slipway::inference::pool {

// What the models of one pool share.
struct Workers {
  Workers(const PoolSettings& pool_settings, size_t threads_wanted);
  const PoolSettings settings;
  const int64_t thread_count;
  base::ThreadPool threads;
  std::atomic<int64_t> inline_runs{0};  // under way on callers' threads; at most thread_count
};

struct ModelMetrics {
  base::Histogram& queue_seconds;
  base::Histogram& run_seconds;
  base::Histogram& batch_rows;
};

class BatchedModel final : public LoadedModel, public std::enable_shared_from_this<BatchedModel> {
 public:
  BatchedModel(std::string key, ModelConfig config, std::unique_ptr<Session> session,
               std::shared_ptr<Workers> workers, ModelMetrics metrics);

  const ModelDescription& description() const override { return description_; }
  const ModelConfig& config() const override { return config_; }
  void Run(Request request, RunOptions options, RunDone done) override;
  void RunStream(Request request, RunOptions options, RunPart part) override;
  ModelStatistics Statistics() const override { return counts_.Read(); }

  // Before the model is handed out: runs the recorded inputs, sees whether rows really are
  // independent of each other (else it will not stack them), and measures a run of one row.
  // kInvalidArgument (reason "warmup_failed").
  base::Status WarmUp(const std::vector<Request>& recorded);

 private:
  struct Waiting {
    Request request;
    bool stackable = false;
    int64_t rows = 1;
    int64_t deadline_ns = 0;
    int64_t enqueued_ns = 0;
    RunDone done;
  };
  struct Join;

  bool RunInline(const Request& request, int64_t rows, int64_t start_ns, RunDone& done);
  void Stream(const Request& request, const RunOptions& options, const RunPart& part,
              int64_t since_ns);
  // Answers and counts.
  void Answer(RunDone& done, base::Result<Response> response, RunTiming timing, int64_t since_ns);
  int64_t EstimateNs(int64_t rows) const;  // -1: not measured yet
  void Measure(int64_t rows, int64_t run_ns);
  static std::vector<Waiting> Pieces(Waiting whole, int64_t most_rows);
  base::Status Enqueue(std::vector<Waiting>& pieces, size_t& workers_wanted);
  void StartWorkers(size_t count);
  void Work();
  // What to run next; what came too late goes to `expired`. Empty: nothing waits, and this worker
  // has signed off.
  std::vector<Waiting> TakeBatch(std::vector<Waiting>& expired);
  void RunBatch(std::vector<Waiting> batch);
  bool RunStacked(std::vector<Waiting>& batch);
  void RunAlone(Waiting& one);
  void FailAll(const base::Status& status);
  void CheckRowsIndependent(const Request& a, const Request& b);

  const std::string key_;
  const ModelConfig config_;
  const std::unique_ptr<Session> session_;
  const bool elsewhere_;  // its runs are waited for: not on a caller's thread
  const ModelDescription description_;
  const std::shared_ptr<Workers> workers_;
  const ModelMetrics metrics_;
  RunCounts counts_;
  std::atomic<bool> stackable_;
  std::atomic<int64_t> one_row_ns_{-1};   // moving averages
  std::atomic<int64_t> row_ns_{0};        // a row's share of a run
  std::atomic<int64_t> waiting_rows_{0};  // written under mutex_
  std::mutex mutex_;
  std::deque<Waiting> queue_;   // guarded by mutex_
  int64_t active_workers_ = 0;  // guarded by mutex_
};

}  // namespace slipway::inference::pool
