// SPDX-License-Identifier: Apache-2.0
// A prediction, before the run: at once on the caller's thread when the model is cheap and idle,
// else in a batch; or refused, when it would come too late.
#include "inference/pool/batched_model.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "inference/model_pool.h"
#include "inference/pool/batch.h"
#include "inference/request_check.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference::pool {
namespace {

constexpr size_t kMostQueuedWorkers = 100'000;  // tasks of a pool: at most thread_count a model
constexpr size_t kMostLevels = 1000;            // of priority

bool IsPast(int64_t deadline_ns, int64_t now_ns) {
  return deadline_ns != 0 && now_ns >= deadline_ns;
}

double Seconds(int64_t nanos) { return static_cast<double>(nanos) * 1e-9; }

uint64_t NextNumber() {
  static std::atomic<uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

// As net::RetryAfterSeconds reads it.
std::string RetryIn(int64_t wait_ns) {
  return "; retry in " + std::to_string(std::max<int64_t>(wait_ns / 1'000'000'000, 1)) + " s";
}

QueueRules RulesOf(const ModelConfig& config, const PoolSettings& settings) {
  QueueRules rules;
  rules.max_batch_rows = config.max_batch_rows.value_or(settings.max_batch_rows);
  if (rules.max_batch_rows <= 0) rules.max_batch_rows = settings.max_batch_rows;
  rules.max_queue_rows = config.max_queue_rows.value_or(settings.max_queue_rows);
  if (rules.max_queue_rows <= 0) rules.max_queue_rows = settings.max_queue_rows;
  rules.max_delay_ns = std::max<int64_t>(config.max_queue_delay_us, 0) * 1000;
  for (const int64_t size : config.preferred_batch_rows) {
    if (size > 0 && size <= rules.max_batch_rows) rules.preferred_rows.push_back(size);
  }
  std::ranges::sort(rules.preferred_rows);
  rules.levels = std::clamp<size_t>(
      static_cast<size_t>(std::max<int64_t>(config.priority_levels, 1)), 1, kMostLevels);
  return rules;
}

}  // namespace

base::Status DeadlineExceeded() {
  return {base::Code::kDeadlineExceeded, "deadline_exceeded",
          "the deadline passed before the model could run"};
}

base::Status CallerGone() {
  return {base::Code::kCancelled, "caller_gone", "the caller went away before the model could run"};
}

Workers::Workers(const PoolSettings& pool_settings, size_t threads_wanted,
                 std::shared_ptr<ResponseCache> response_cache)
    : settings(pool_settings),
      thread_count(static_cast<int64_t>(threads_wanted)),
      threads("inference", threads_wanted, kMostQueuedWorkers,
              static_cast<int>(pool_settings.nice)),
      cache(std::move(response_cache)) {}

void Workers::Stop() {
  stopping.store(true);
  timer.Stop();
  threads.Stop();
}

// The parts of a request that was split; the last one to end answers.
struct BatchedModel::Join {
  std::mutex mutex;
  std::vector<Response> parts;
  size_t left = 0;
  base::Status failure;
  RunTiming timing;
  int64_t since_ns = 0;
  RunDone done;

  void Add(size_t index, base::Result<Response> part, RunTiming part_timing, RunCounts& counts) {
    {
      std::lock_guard lock(mutex);
      timing.queue_ns = std::max(timing.queue_ns, part_timing.queue_ns);
      timing.run_ns += part_timing.run_ns;
      if (part.ok()) {
        parts[index] = std::move(*part);
      } else if (failure.ok()) {
        failure = part.status();
      }
      if (--left > 0) return;
    }
    auto whole = failure.ok() ? pool::Join(parts) : base::Result<Response>(failure);
    counts.CountAnswer(whole.ok(), timing.queue_ns, base::MonotonicNanos() - since_ns);
    done(std::move(whole), timing);
  }
};

BatchedModel::BatchedModel(std::string key, ModelConfig config, std::unique_ptr<Session> session,
                           std::shared_ptr<Workers> workers, ModelMetrics metrics,
                           std::shared_ptr<RunCounts> counts)
    : key_(std::move(key)),
      config_(std::move(config)),
      session_(std::move(session)),
      elsewhere_(session_->runs_elsewhere() > 0),
      session_description_(session_->description()),
      description_(Sequences::Public(config_, session_description_)),
      decoupled_(config_.decoupled || description_.decoupled),
      workers_(std::move(workers)),
      metrics_(metrics),
      most_runs_(config_.instances > 0 ? std::min(config_.instances, workers_->thread_count)
                                       : workers_->thread_count),
      counted_runs_(config_.instances > 0),
      number_(NextNumber()),
      cached_(workers_->cache != nullptr && !config_.sequence && !decoupled_ &&
              (config_.response_cache || workers_->settings.response_cache_all)),
      counts_(std::move(counts)),
      stackable_(description_.batchable && config_.max_batch_rows != 0),
      queue_(RulesOf(config_, workers_->settings)) {
  if (config_.sequence)
    sequences_ = std::make_unique<Sequences>(config_, session_description_, ForwardTo());
}

// Both paths of a request whose turn has come.
Sequences::Forward BatchedModel::ForwardTo() {
  return [this](Request request, RunOptions options, RunPart part, bool here) {
    const int64_t now_ns = base::MonotonicNanos();
    if (decoupled_ || !here) {
      Waiting whole = MakeWaiting(std::move(request), std::move(options), now_ns);
      if (decoupled_) {
        whole.stackable = false;
        whole.rows = 1;
        whole.part = std::move(part);
      } else {
        whole.done = [part = std::move(part)](base::Result<Response> response, RunTiming timing) {
          part(std::move(response), timing, true);
        };
      }
      return Wait(std::move(whole));
    }
    RunUncached(
        std::move(request), std::move(options),
        [part = std::move(part)](base::Result<Response> response, RunTiming timing) {
          part(std::move(response), timing, true);
        },
        now_ns);
  };
}

void BatchedModel::Run(Request request, RunOptions options, RunDone done) {
  const int64_t now_ns = base::MonotonicNanos();
  if (IsPast(options.deadline_ns, now_ns)) {
    counts_->CountAnswer(false, 0, 0);
    return done(DeadlineExceeded(), {});
  }
  if (cached_ && !request.sequence && AnswerFromCache(request, done, now_ns)) return;
  if (sequences_) {
    return sequences_->Run(
        std::move(request), std::move(options),
        [done = std::move(done)](base::Result<Response> response, RunTiming timing, bool) {
          done(std::move(response), timing);
        },
        now_ns);
  }
  RunUncached(std::move(request), std::move(options), std::move(done), now_ns);
}

void BatchedModel::RunUncached(Request request, RunOptions options, RunDone done, int64_t now_ns) {
  const int64_t rows = request.inputs.empty() ? 1 : request.inputs.front().tensor.rows();
  if (RunInline(request, rows, now_ns, done)) return;
  Waiting whole = MakeWaiting(std::move(request), std::move(options), now_ns);
  whole.done = std::move(done);
  Wait(std::move(whole));
}

// Runs by itself on a pool thread.
void BatchedModel::RunStream(Request request, RunOptions options, RunPart part) {
  if (!decoupled_) {
    return Run(std::move(request), std::move(options),
               [part = std::move(part)](base::Result<Response> response, RunTiming timing) {
                 part(std::move(response), timing, true);
               });
  }
  const int64_t now_ns = base::MonotonicNanos();
  if (sequences_)
    return sequences_->Run(std::move(request), std::move(options), std::move(part), now_ns);
  Waiting whole = MakeWaiting(std::move(request), std::move(options), now_ns);
  whole.stackable = false;
  whole.rows = 1;
  whole.part = std::move(part);
  Wait(std::move(whole));
}

bool BatchedModel::TakeInlineSlot() {
  if (workers_->inline_runs.fetch_add(1, std::memory_order_relaxed) < workers_->thread_count) {
    if (!counted_runs_) return true;
    std::lock_guard lock(mutex_);
    if (queue_.size() == 0 && active_workers_ < most_runs_) {
      ++active_workers_;
      return true;
    }
  }
  workers_->inline_runs.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

void BatchedModel::GiveInlineSlot() {
  workers_->inline_runs.fetch_sub(1, std::memory_order_relaxed);
  if (!counted_runs_) return;
  size_t wanted = 0;
  {
    std::lock_guard lock(mutex_);
    --active_workers_;
    wanted = WorkersWanted(queue_.size());
  }
  StartWorkers(wanted);
}

bool BatchedModel::RunInline(const Request& request, int64_t rows, int64_t start_ns,
                             RunDone& done) {
  const QueueRules& rules = queue_.rules();
  if (elsewhere_ || rules.max_delay_ns > 0 || waiting_rows_.load(std::memory_order_relaxed) != 0)
    return false;
  const int64_t estimate_ns = pace_.RunNs(rows);
  if (estimate_ns < 0 || estimate_ns >= workers_->settings.inline_run_us * 1000 ||
      rows > rules.max_batch_rows || !TakeInlineSlot())
    return false;
  auto response = session_->Run(request);
  const int64_t run_ns = base::MonotonicNanos() - start_ns;
  GiveInlineSlot();
  if (response.ok()) {
    pace_.Ran(rows, run_ns);
    counts_->CountRun(rows, 1, {.run_ns = run_ns});
  }
  metrics_.run_seconds.Observe(Seconds(run_ns));
  metrics_.batch_rows.Observe(static_cast<double>(rows));
  counts_->CountAnswer(response.ok(), 0, run_ns);
  if (response.ok()) Remember(request);
  done(std::move(response), {0, run_ns});
  return true;
}

size_t BatchedModel::LevelOf(int64_t priority) const {
  const auto levels = static_cast<int64_t>(queue_.rules().levels);
  if (priority < 1 || priority > levels) priority = config_.default_priority;
  return static_cast<size_t>((priority < 1 || priority > levels ? levels : priority) - 1);
}

Waiting BatchedModel::MakeWaiting(Request request, RunOptions options, int64_t now_ns) const {
  Waiting whole;
  whole.stackable = stackable_.load(std::memory_order_relaxed) && HasRows(request);
  whole.rows = whole.stackable ? request.inputs.front().tensor.rows() : 1;
  whole.request = std::move(request);
  whole.deadline_ns = options.deadline_ns;
  whole.enqueued_ns = now_ns;
  whole.level = LevelOf(options.priority);
  whole.caller = std::move(options.caller);
  whole.cancelled = std::move(options.cancelled);
  return whole;
}

void BatchedModel::Wait(Waiting whole) {
  if (whole.Gone() || IsPast(whole.deadline_ns, whole.enqueued_ns)) return Drop(whole);
  // Checked here too, so that a bad request neither waits nor spoils a batch.
  if (base::Status status = CheckRequest(session_description_, whole.request); !status.ok())
    return Answer(whole, std::move(status), {});
  std::vector<Waiting> pieces = Pieces(std::move(whole));
  std::vector<Waiting> pushed_out;
  size_t workers_wanted = 0;
  int64_t again_ns = 0;
  base::Status status = Enqueue(pieces, pushed_out, workers_wanted, again_ns);
  for (Waiting& one : pushed_out) {
    Answer(one,
           base::ResourceExhausted(
               "queue_full", "model '" + key_ +
                                 "' had too much waiting of this caller when others came; retry "
                                 "in 1 s"),
           {base::MonotonicNanos() - one.enqueued_ns, 0});
  }
  if (!status.ok()) {
    for (Waiting& piece : pieces) Answer(piece, status, {});
    return;
  }
  StartWorkers(workers_wanted);
  if (again_ns > 0) WakeAt(again_ns);
}

std::vector<Waiting> BatchedModel::Pieces(Waiting whole) {
  const int64_t most_rows = queue_.rules().max_batch_rows;
  std::vector<Waiting> pieces;
  if (whole.rows <= most_rows) {
    pieces.push_back(std::move(whole));
    return pieces;
  }
  auto join = std::make_shared<Join>();
  join->done = std::move(whole.done);
  join->since_ns = whole.enqueued_ns;
  for (int64_t begin = 0; begin < whole.rows; begin += most_rows) {
    Waiting piece;
    const int64_t end = std::min(whole.rows, begin + most_rows);
    piece.request = SliceRows(whole.request, begin, end);
    piece.stackable = true;
    piece.rows = end - begin;
    piece.deadline_ns = whole.deadline_ns;
    piece.enqueued_ns = whole.enqueued_ns;
    piece.level = whole.level;
    piece.caller = whole.caller;
    piece.cancelled = whole.cancelled;
    piece.piece = true;
    piece.counts = pieces.empty();
    // Called by this model only: it outlives the call.
    piece.done = [this, join, index = pieces.size()](base::Result<Response> part,
                                                     RunTiming timing) {
      join->Add(index, std::move(part), timing, *counts_);
    };
    pieces.push_back(std::move(piece));
  }
  join->parts.resize(pieces.size());
  join->left = pieces.size();
  return pieces;
}

// With mutex_ held. Early, so that who cannot be served in time may go elsewhere at once.
base::Status BatchedModel::Admit(const Waiting& first, int64_t rows) const {
  if (queue_.size() == 0) return base::Status::Ok();
  const int64_t wait_ns =
      pace_.WaitNs(queue_.RowsBefore(first.level, first.caller, rows), most_runs_);
  const int64_t most_ns = workers_->settings.max_queue_ms * 1'000'000;
  // A quarter of the time is left for what cannot be foreseen.
  const bool late = first.deadline_ns != 0 &&
                    wait_ns + pace_.BatchNs() > (first.deadline_ns - first.enqueued_ns) / 4 * 3;
  if (!late && (most_ns == 0 || wait_ns <= most_ns)) return base::Status::Ok();
  const int64_t wait_ms = std::max<int64_t>(wait_ns / 1'000'000, 1);
  return base::ResourceExhausted(
      "overloaded", "model '" + key_ + "' has about " + std::to_string(wait_ms) +
                        " ms of work waiting before this request, which " +
                        (late ? "would pass its deadline" : "is more than inference.max_queue_ms") +
                        RetryIn(wait_ns));
}

base::Status BatchedModel::Enqueue(std::vector<Waiting>& pieces, std::vector<Waiting>& pushed_out,
                                   size_t& workers_wanted, int64_t& again_ns) {
  const QueueRules& rules = queue_.rules();
  int64_t rows = 0;
  for (const Waiting& piece : pieces) rows += piece.rows;
  if (rows > rules.max_queue_rows) {
    return base::InvalidArgument("inputs[0].shape",
                                 std::to_string(rows) + " rows in one request; at most " +
                                     std::to_string(rules.max_queue_rows) +
                                     " (inference.max_queue_rows)",
                                 "too_many_rows");
  }
  std::lock_guard lock(mutex_);
  TRY(Admit(pieces.front(), rows));
  const size_t count = pieces.size();
  const bool waits = rules.max_delay_ns > 0 && pieces.front().stackable;
  const int64_t until_ns = pieces.front().enqueued_ns + rules.max_delay_ns;
  if (!queue_.Push(pieces, pushed_out)) {
    const int64_t wait_ns = pace_.WaitNs(queue_.rows(), most_runs_);
    return base::ResourceExhausted(
        "queue_full", "model '" + key_ + "' already has " + std::to_string(queue_.rows()) +
                          " rows waiting; at most " + std::to_string(rules.max_queue_rows) +
                          RetryIn(wait_ns));
  }
  waiting_rows_.store(queue_.rows(), std::memory_order_relaxed);
  if (waits && !queue_.Enough()) {
    if (!std::exchange(woken_later_, true)) again_ns = until_ns;
    return base::Status::Ok();
  }
  workers_wanted = WorkersWanted(count);
  return base::Status::Ok();
}

// With mutex_ held: signs them on.
size_t BatchedModel::WorkersWanted(size_t pieces) {
  const int64_t idle = std::max<int64_t>(most_runs_ - active_workers_, 0);
  const size_t wanted = std::min(pieces, static_cast<size_t>(idle));
  active_workers_ += static_cast<int64_t>(wanted);
  return wanted;
}

void BatchedModel::StartWorkers(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    base::Status status = workers_->threads.Submit([self = shared_from_this()] { self->Work(); });
    if (status.ok()) continue;
    bool alone = false;
    {
      std::lock_guard lock(mutex_);
      alone = --active_workers_ == 0;
    }
    if (alone) FailAll(status);
  }
}

// The timer keeps the model until then: what waits in it shall be answered.
void BatchedModel::WakeAt(int64_t when_ns) {
  workers_->timer.At(when_ns, [self = shared_from_this()] {
    size_t wanted = 0;
    {
      std::lock_guard lock(self->mutex_);
      self->woken_later_ = false;
      wanted = self->WorkersWanted(self->queue_.size());
    }
    self->StartWorkers(wanted);
  });
}

void BatchedModel::FailAll(const base::Status& status) {
  std::vector<Waiting> waiting;
  {
    std::lock_guard lock(mutex_);
    waiting = queue_.TakeAll();
    waiting_rows_.store(0, std::memory_order_relaxed);
  }
  for (Waiting& one : waiting) Answer(one, status, {base::MonotonicNanos() - one.enqueued_ns, 0});
}

void BatchedModel::Work() {
  while (true) {
    Queue::Taken taken = TakeBatch();
    for (Waiting& one : taken.dropped) Drop(one);
    if (taken.again_ns > 0) WakeAt(taken.again_ns);
    if (taken.batch.empty()) return;
    RunBatch(std::move(taken.batch));
    // Other models wait for a thread: to the back of the line.
    if (workers_->threads.QueueLength() > 0 &&
        workers_->threads.Submit([self = shared_from_this()] { self->Work(); }).ok()) {
      return;
    }
  }
}

Queue::Taken BatchedModel::TakeBatch() {
  const int64_t now_ns = base::MonotonicNanos();
  std::lock_guard lock(mutex_);
  if (last_take_ns_ != 0) pace_.Drained(last_take_rows_, now_ns - last_take_ns_);
  Queue::Taken taken =
      queue_.Take(now_ns, pace_.BatchNs(), workers_->stopping.load(std::memory_order_relaxed));
  waiting_rows_.store(queue_.rows(), std::memory_order_relaxed);
  last_take_rows_ = 0;
  for (const Waiting& one : taken.batch) last_take_rows_ += one.rows;
  last_take_ns_ = last_take_rows_ > 0 && queue_.size() > 0 ? now_ns : 0;
  if (taken.batch.empty()) --active_workers_;
  if (taken.again_ns > 0 && std::exchange(woken_later_, true)) taken.again_ns = 0;
  return taken;
}

}  // namespace slipway::inference::pool
