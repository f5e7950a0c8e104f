// SPDX-License-Identifier: Apache-2.0
// BatchedModel: one loaded model with its queue. See LoadedModel for what it promises.
// batched_model.cc: who runs when; batched_run.cc: the runs; warm_up.cc: the first ones;
// remembered.cc: what is kept of them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/threads.h"
#include "inference/model_pool.h"
#include "inference/pool/pace.h"
#include "inference/pool/queue.h"
#include "inference/pool/response_cache.h"
#include "inference/pool/run_counts.h"
#include "inference/pool/sequences.h"
#include "inference/pool/timer.h"

namespace slipway::inference::pool {

// What the models of one pool share.
struct Workers {
  Workers(const PoolSettings& pool_settings, size_t threads_wanted,
          std::shared_ptr<ResponseCache> response_cache);
  // Runs what waits, also what waits for company. Idempotent.
  void Stop();
  const PoolSettings settings;
  const int64_t thread_count;
  std::atomic<bool> stopping{false};
  base::ThreadPool threads;
  Timer timer;
  std::atomic<int64_t> inline_runs{0};  // under way on callers' threads; at most thread_count
  const std::shared_ptr<ResponseCache> cache;  // null: none
};

struct ModelMetrics {
  base::Histogram& queue_seconds;
  base::Histogram& run_seconds;
  base::Histogram& batch_rows;
};

base::Status DeadlineExceeded();
base::Status CallerGone();

class BatchedModel final : public LoadedModel, public std::enable_shared_from_this<BatchedModel> {
 public:
  BatchedModel(std::string key, ModelConfig config, std::unique_ptr<Session> session,
               std::shared_ptr<Workers> workers, ModelMetrics metrics,
               std::shared_ptr<RunCounts> counts);

  const ModelDescription& description() const override { return description_; }
  const ModelConfig& config() const override { return config_; }
  void Run(Request request, RunOptions options, RunDone done) override;
  void RunStream(Request request, RunOptions options, RunPart part) override;
  ModelStatistics Statistics() const override { return counts_->Read(); }
  int64_t memory_bytes() const override { return session_->memory_bytes(); }
  std::vector<Request> Recent() const override;

  // Before the model is handed out: runs the recorded inputs, sees whether rows really are
  // independent of each other (else it will not stack them), and measures a run of one row.
  // kInvalidArgument (reason "warmup_failed").
  base::Status WarmUp(const std::vector<Request>& recorded);

 private:
  struct Join;

  void RunUncached(Request request, RunOptions options, RunDone done, int64_t now_ns);
  bool AnswerFromCache(const Request& request, RunDone& done, int64_t now_ns);
  void Remember(const Request& request);
  Sequences::Forward ForwardTo();

  bool RunInline(const Request& request, int64_t rows, int64_t start_ns, RunDone& done);
  bool TakeInlineSlot();
  void GiveInlineSlot();
  Waiting MakeWaiting(Request request, RunOptions options, int64_t now_ns) const;
  size_t LevelOf(int64_t priority) const;
  void Wait(Waiting whole);
  std::vector<Waiting> Pieces(Waiting whole);
  base::Status Admit(const Waiting& first, int64_t rows) const;
  base::Status Enqueue(std::vector<Waiting>& pieces, std::vector<Waiting>& pushed_out,
                       size_t& workers_wanted, int64_t& again_ns);
  size_t WorkersWanted(size_t pieces);
  void StartWorkers(size_t count);
  void WakeAt(int64_t when_ns);
  void Work();
  // What to run next. Empty: nothing waits, or only for company, and this worker has signed off.
  Queue::Taken TakeBatch();
  void FailAll(const base::Status& status);

  // Answers and counts.
  void Answer(Waiting& one, base::Result<Response> response, RunTiming timing);
  void Drop(Waiting& one);
  void RunBatch(std::vector<Waiting> batch);
  bool RunStacked(std::vector<Waiting>& batch);
  void RunAlone(Waiting& one);
  void Stream(Waiting& one);
  void CheckRowsIndependent(const Request& a, const Request& b);

  const std::string key_;
  const ModelConfig config_;
  const std::unique_ptr<Session> session_;
  const bool elsewhere_;  // its runs are waited for: not on a caller's thread
  const ModelDescription session_description_;
  const ModelDescription description_;  // without what the scheduler fills in
  const bool decoupled_;
  const std::shared_ptr<Workers> workers_;
  const ModelMetrics metrics_;
  const int64_t most_runs_;  // at once
  // A model that says how many instances it has: runs on callers' threads count among them.
  const bool counted_runs_;
  const uint64_t number_;  // never given twice in a process
  const bool cached_;
  const std::shared_ptr<RunCounts> counts_;
  Pace pace_;
  std::atomic<bool> stackable_;
  std::unique_ptr<Sequences> sequences_;  // null: not stateful
  std::atomic<uint64_t> remembered_{0};   // requests that were looked at
  mutable std::mutex recent_mutex_;
  std::deque<Request> recent_;            // guarded by recent_mutex_; newest first
  std::atomic<int64_t> waiting_rows_{0};  // written under mutex_
  std::mutex mutex_;                      // over what follows
  Queue queue_;
  int64_t active_workers_ = 0;  // and runs on callers' threads, where those are counted
  bool woken_later_ = false;    // the timer will start a worker
  int64_t last_take_ns_ = 0;    // 0: the queue was empty since
  int64_t last_take_rows_ = 0;
};

}  // namespace slipway::inference::pool
