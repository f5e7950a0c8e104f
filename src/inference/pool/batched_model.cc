// SPDX-License-Identifier: Apache-2.0
// A prediction, before the run: at once on the caller's thread when the model is cheap and idle,
// else in a batch.
#include "inference/pool/batched_model.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "inference/compare.h"
#include "inference/model_pool.h"
#include "inference/pool/batch.h"
#include "inference/request_check.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference::pool {
namespace {

constexpr size_t kMostQueuedWorkers = 100'000;  // tasks of a pool: at most thread_count a model

bool IsPast(int64_t deadline_ns, int64_t now_ns) {
  return deadline_ns != 0 && now_ns >= deadline_ns;
}

base::Status DeadlineExceeded() {
  return {base::Code::kDeadlineExceeded, "deadline_exceeded",
          "the deadline passed before the model could run"};
}

bool TookItsProcess(const base::Status& status) {
  return status.reason() == kWorkerCrashed || status.reason() == kWorkerTimeout;
}

double Seconds(int64_t nanos) { return static_cast<double>(nanos) * 1e-9; }

int64_t Average(int64_t old, int64_t sample) { return old + (sample - old) / 8; }

// A request of one row of `value`s.
Request Filled(const ModelDescription& description, float value) {
  Request request = ZeroRequest(description, 1);
  for (NamedTensor& input : request.inputs) {
    if (input.tensor.type() != DataType::kFp32) continue;
    auto* out = reinterpret_cast<float*>(input.tensor.mutable_bytes().data());
    std::fill_n(out, input.tensor.element_count(), value);
  }
  return request;
}

}  // namespace

Workers::Workers(const PoolSettings& pool_settings, size_t threads_wanted)
    : settings(pool_settings),
      thread_count(static_cast<int64_t>(threads_wanted)),
      threads("inference", threads_wanted, kMostQueuedWorkers) {}

// The parts of a request that was split; the last one to end answers.
struct BatchedModel::Join {
  std::mutex mutex;
  std::vector<Response> parts;
  size_t left = 0;
  base::Status failure;
  RunTiming timing;
  RunDone done;

  void Add(size_t index, base::Result<Response> part, RunTiming part_timing) {
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
    if (failure.ok()) {
      done(pool::Join(parts), timing);
    } else {
      done(failure, timing);
    }
  }
};

BatchedModel::BatchedModel(std::string key, ModelConfig config, std::unique_ptr<Session> session,
                           std::shared_ptr<Workers> workers, ModelMetrics metrics)
    : key_(std::move(key)),
      config_(std::move(config)),
      session_(std::move(session)),
      elsewhere_(session_->runs_elsewhere() > 0),
      description_(session_->description()),
      workers_(std::move(workers)),
      metrics_(metrics),
      stackable_(description_.batchable) {}

// A model of several answers runs by itself on a pool thread.
void BatchedModel::RunStream(Request request, RunOptions options, RunPart part) {
  if (!config_.decoupled && !description_.decoupled) {
    return Run(std::move(request), std::move(options),
               [part = std::move(part)](base::Result<Response> response, RunTiming timing) {
                 part(std::move(response), timing, true);
               });
  }
  struct Streaming {
    Request request;
    RunOptions options;
    RunPart part;
  };
  auto streaming = std::make_shared<Streaming>(
      Streaming{std::move(request), std::move(options), std::move(part)});
  const int64_t since_ns = base::MonotonicNanos();
  const base::Status submitted =
      workers_->threads.Submit([self = shared_from_this(), streaming, since_ns] {
        self->Stream(streaming->request, streaming->options, streaming->part, since_ns);
      });
  if (!submitted.ok()) streaming->part(submitted, {}, true);
}

void BatchedModel::Stream(const Request& request, const RunOptions& options, const RunPart& part,
                          int64_t since_ns) {
  const int64_t start_ns = base::MonotonicNanos();
  const RunTiming waited{start_ns - since_ns, 0};
  if (IsPast(options.deadline_ns, start_ns)) return part(DeadlineExceeded(), waited, true);
  if (base::Status status = CheckRequest(description_, request); !status.ok())
    return part(std::move(status), waited, true);
  // One answer is held back, so that the last one can be marked as such.
  std::optional<Response> held;
  const base::Status status = session_->RunStream(request, [&](Response response) {
    if (held) part(std::move(*held), {waited.queue_ns, base::MonotonicNanos() - start_ns}, false);
    held = std::move(response);
    return options.cancelled == nullptr || !options.cancelled->load(std::memory_order_relaxed);
  });
  const int64_t end_ns = base::MonotonicNanos();
  const RunTiming timing{waited.queue_ns, end_ns - start_ns};
  counts_.CountRun(1, 1, {.run_ns = timing.run_ns});
  counts_.CountAnswer(status.ok(), timing.queue_ns, end_ns - since_ns);
  if (!status.ok()) {
    if (held) part(std::move(*held), timing, false);
    return part(status, timing, true);
  }
  part(held ? std::move(*held) : Response{}, timing, true);
}

void BatchedModel::Answer(RunDone& done, base::Result<Response> response, RunTiming timing,
                          int64_t since_ns) {
  counts_.CountAnswer(response.ok(), timing.queue_ns, base::MonotonicNanos() - since_ns);
  done(std::move(response), timing);
}

void BatchedModel::Run(Request request, RunOptions options, RunDone done) {
  const int64_t deadline_ns = options.deadline_ns;
  const int64_t now_ns = base::MonotonicNanos();
  if (IsPast(deadline_ns, now_ns)) return done(DeadlineExceeded(), {});
  const int64_t rows = request.inputs.empty() ? 1 : request.inputs.front().tensor.rows();
  if (RunInline(request, rows, now_ns, done)) return;
  // Checked here too, so that a bad request neither waits nor spoils a batch.
  if (base::Status status = CheckRequest(description_, request); !status.ok())
    return done(std::move(status), {});
  Waiting whole;
  whole.stackable = stackable_.load(std::memory_order_relaxed) && HasRows(request);
  whole.rows = whole.stackable ? rows : 1;
  whole.request = std::move(request);
  whole.deadline_ns = deadline_ns;
  whole.enqueued_ns = now_ns;
  whole.done = std::move(done);
  std::vector<Waiting> pieces = Pieces(std::move(whole), workers_->settings.max_batch_rows);
  size_t workers_wanted = 0;
  if (base::Status status = Enqueue(pieces, workers_wanted); !status.ok()) {
    for (Waiting& piece : pieces) piece.done(status, {});
    return;
  }
  StartWorkers(workers_wanted);
}

bool BatchedModel::RunInline(const Request& request, int64_t rows, int64_t start_ns,
                             RunDone& done) {
  const PoolSettings& settings = workers_->settings;
  if (elsewhere_ || waiting_rows_.load(std::memory_order_relaxed) != 0) return false;
  const int64_t estimate_ns = EstimateNs(rows);
  if (estimate_ns < 0 || estimate_ns >= settings.inline_run_us * 1000 ||
      rows > settings.max_batch_rows)
    return false;
  if (workers_->inline_runs.fetch_add(1, std::memory_order_relaxed) >= workers_->thread_count) {
    workers_->inline_runs.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  auto response = session_->Run(request);
  const int64_t run_ns = base::MonotonicNanos() - start_ns;
  workers_->inline_runs.fetch_sub(1, std::memory_order_relaxed);
  if (response.ok()) {
    Measure(rows, run_ns);
    counts_.CountRun(rows, 1, {.run_ns = run_ns});
  }
  metrics_.run_seconds.Observe(Seconds(run_ns));
  metrics_.batch_rows.Observe(static_cast<double>(rows));
  counts_.CountAnswer(response.ok(), 0, run_ns);
  done(std::move(response), {0, run_ns});
  return true;
}

int64_t BatchedModel::EstimateNs(int64_t rows) const {
  const int64_t one = one_row_ns_.load(std::memory_order_relaxed);
  if (one < 0) return -1;
  return std::max(one, rows <= 1 ? 0 : rows * row_ns_.load(std::memory_order_relaxed));
}

// Two threads may overwrite each other's sample: an average loses nothing by it.
void BatchedModel::Measure(int64_t rows, int64_t run_ns) {
  const int64_t one = one_row_ns_.load(std::memory_order_relaxed);
  if (rows <= 1) {
    // One preempted run must not make a cheap model look costly for long.
    const int64_t sample = one < 0 ? run_ns : std::min(run_ns, 8 * one + 1000);
    one_row_ns_.store(one < 0 ? sample : Average(one, sample), std::memory_order_relaxed);
  }
  const int64_t share = run_ns / std::max<int64_t>(rows, 1);
  const int64_t row = row_ns_.load(std::memory_order_relaxed);
  row_ns_.store(row == 0 ? share : Average(row, std::min(share, 8 * row + 1000)),
                std::memory_order_relaxed);
}

std::vector<BatchedModel::Waiting> BatchedModel::Pieces(Waiting whole, int64_t most_rows) {
  std::vector<Waiting> pieces;
  if (whole.rows <= most_rows) {
    pieces.push_back(std::move(whole));
    return pieces;
  }
  auto join = std::make_shared<Join>();
  join->done = std::move(whole.done);
  for (int64_t begin = 0; begin < whole.rows; begin += most_rows) {
    Waiting piece;
    const int64_t end = std::min(whole.rows, begin + most_rows);
    piece.request = SliceRows(whole.request, begin, end);
    piece.stackable = true;
    piece.rows = end - begin;
    piece.deadline_ns = whole.deadline_ns;
    piece.enqueued_ns = whole.enqueued_ns;
    piece.done = [join, index = pieces.size()](base::Result<Response> part, RunTiming timing) {
      join->Add(index, std::move(part), timing);
    };
    pieces.push_back(std::move(piece));
  }
  join->parts.resize(pieces.size());
  join->left = pieces.size();
  return pieces;
}

base::Status BatchedModel::Enqueue(std::vector<Waiting>& pieces, size_t& workers_wanted) {
  const int64_t most = workers_->settings.max_queue_rows;
  int64_t rows = 0;
  for (const Waiting& piece : pieces) rows += piece.rows;
  if (rows > most) {
    return base::InvalidArgument("inputs[0].shape",
                                 std::to_string(rows) + " rows in one request; at most " +
                                     std::to_string(most) + " (inference.max_queue_rows)",
                                 "too_many_rows");
  }
  std::lock_guard lock(mutex_);
  const int64_t waiting = waiting_rows_.load(std::memory_order_relaxed);
  if (waiting + rows > most) {
    return base::ResourceExhausted("queue_full",
                                   "model '" + key_ + "' already has " + std::to_string(waiting) +
                                       " rows waiting; at most " + std::to_string(most));
  }
  waiting_rows_.store(waiting + rows, std::memory_order_relaxed);
  for (Waiting& piece : pieces) queue_.push_back(std::move(piece));
  const int64_t idle = workers_->thread_count - active_workers_;
  workers_wanted = std::min(pieces.size(), static_cast<size_t>(idle));
  active_workers_ += static_cast<int64_t>(workers_wanted);
  return base::Status::Ok();
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

void BatchedModel::FailAll(const base::Status& status) {
  std::deque<Waiting> waiting;
  {
    std::lock_guard lock(mutex_);
    waiting.swap(queue_);
    waiting_rows_.store(0, std::memory_order_relaxed);
  }
  for (Waiting& one : waiting) one.done(status, {base::MonotonicNanos() - one.enqueued_ns, 0});
}

void BatchedModel::Work() {
  while (true) {
    std::vector<Waiting> expired;
    std::vector<Waiting> batch = TakeBatch(expired);
    for (Waiting& late : expired)
      Answer(late.done, DeadlineExceeded(), {base::MonotonicNanos() - late.enqueued_ns, 0},
             late.enqueued_ns);
    if (batch.empty()) return;
    RunBatch(std::move(batch));
    // Other models wait for a thread: to the back of the line.
    if (workers_->threads.QueueLength() > 0 &&
        workers_->threads.Submit([self = shared_from_this()] { self->Work(); }).ok()) {
      return;
    }
  }
}

std::vector<BatchedModel::Waiting> BatchedModel::TakeBatch(std::vector<Waiting>& expired) {
  std::vector<Waiting> batch;
  int64_t rows = 0;
  const int64_t now_ns = base::MonotonicNanos();
  const int64_t most = workers_->settings.max_batch_rows;
  std::lock_guard lock(mutex_);
  while (!queue_.empty()) {
    Waiting& next = queue_.front();
    const bool late = IsPast(next.deadline_ns, now_ns);
    // In order of arrival: one that does not fit the batch begins the next.
    const bool fits =
        batch.empty() || (batch.front().stackable && next.stackable && rows + next.rows <= most &&
                          CanStack(batch.front().request, next.request));
    if (!late && !fits) break;
    waiting_rows_.fetch_sub(next.rows, std::memory_order_relaxed);
    if (!late) rows += next.rows;
    (late ? expired : batch).push_back(std::move(next));
    queue_.pop_front();
  }
  if (batch.empty()) --active_workers_;
  return batch;
}

void BatchedModel::RunBatch(std::vector<Waiting> batch) {
  if (batch.size() > 1 && stackable_.load(std::memory_order_relaxed) && RunStacked(batch)) return;
  for (Waiting& one : batch) {
    if (IsPast(one.deadline_ns, base::MonotonicNanos())) {
      Answer(one.done, DeadlineExceeded(), {base::MonotonicNanos() - one.enqueued_ns, 0},
             one.enqueued_ns);
    } else {
      RunAlone(one);
    }
  }
}

void BatchedModel::RunAlone(Waiting& one) {
  const int64_t start_ns = base::MonotonicNanos();
  auto response = session_->Run(one.request);
  const int64_t run_ns = base::MonotonicNanos() - start_ns;
  if (response.ok()) {
    Measure(one.rows, run_ns);
    counts_.CountRun(one.rows, 1, {.run_ns = run_ns});
  }
  metrics_.queue_seconds.Observe(Seconds(start_ns - one.enqueued_ns));
  metrics_.run_seconds.Observe(Seconds(run_ns));
  metrics_.batch_rows.Observe(static_cast<double>(one.rows));
  Answer(one.done, std::move(response), {start_ns - one.enqueued_ns, run_ns}, one.enqueued_ns);
}

// False: nothing was answered, each has to run alone.
bool BatchedModel::RunStacked(std::vector<Waiting>& batch) {
  std::vector<const Request*> requests;
  int64_t rows = 0;
  for (const Waiting& one : batch) {
    requests.push_back(&one.request);
    rows += one.rows;
  }
  const int64_t begin_ns = base::MonotonicNanos();
  const auto stacked = Stack(requests);
  if (!stacked.ok()) return false;
  const int64_t start_ns = base::MonotonicNanos();
  const auto response = session_->Run(*stacked);
  const int64_t run_ns = base::MonotonicNanos() - start_ns;
  if (!response.ok() && TookItsProcess(response.status())) {
    for (Waiting& one : batch) {
      const RunTiming timing{start_ns - one.enqueued_ns, run_ns};
      Answer(one.done, response.status(), timing, one.enqueued_ns);
    }
    return true;
  }
  if (!response.ok()) return false;  // one of them is at fault: the others shall not pay
  if (!GivesRows(*response, rows)) {
    stackable_.store(false, std::memory_order_relaxed);
    base::Log(base::LogLevel::kWarning, "inference",
              "the model's outputs do not follow its rows: no longer batched", {{"model", key_}});
    return false;
  }
  Measure(rows, run_ns);
  metrics_.run_seconds.Observe(Seconds(run_ns));
  metrics_.batch_rows.Observe(static_cast<double>(rows));
  std::vector<Response> answers;
  answers.reserve(batch.size());
  int64_t begin = 0;
  for (const Waiting& one : batch) {
    answers.push_back(SliceRows(*response, begin, begin + one.rows));
    begin += one.rows;
  }
  counts_.CountRun(rows, batch.size(),
                   {start_ns - begin_ns, run_ns, base::MonotonicNanos() - start_ns - run_ns});
  for (size_t i = 0; i < batch.size(); ++i) {
    Waiting& one = batch[i];
    metrics_.queue_seconds.Observe(Seconds(start_ns - one.enqueued_ns));
    Answer(one.done, std::move(answers[i]), {start_ns - one.enqueued_ns, run_ns}, one.enqueued_ns);
  }
  return true;
}

base::Status BatchedModel::WarmUp(const std::vector<Request>& recorded) {
  for (size_t i = 0; i < recorded.size(); ++i) {
    const auto response = session_->Run(recorded[i]);
    if (!response.ok()) {
      return base::InvalidArgument(
          "model", "recorded input " + std::to_string(i) + ": " + response.status().ToString(),
          "warmup_failed");
    }
  }
  const bool use_recorded = !recorded.empty() && HasRows(recorded.front());
  Request first = use_recorded ? recorded.front() : Filled(description_, 1);
  Request second = use_recorded ? recorded.back() : Filled(description_, 2);
  if (stackable_ && use_recorded) {
    const int64_t last = second.inputs.front().tensor.rows();
    if (HasRows(second)) second = SliceRows(second, last - 1, last);
    first = SliceRows(first, 0, 1);
  }
  if (stackable_) CheckRowsIndependent(first, second);
  constexpr int kRuns = 4;
  for (int i = 0; i < kRuns; ++i) {
    const int64_t start_ns = base::MonotonicNanos();
    if (!session_->Run(first).ok())
      return base::Status::Ok();  // made-up inputs may not suit it; a real run will tell
    // The first run makes the runtime's buffers: it says nothing of the later ones.
    if (i > 0) Measure(1, base::MonotonicNanos() - start_ns);
  }
  return base::Status::Ok();
}

// A model whose first dimensions are free may still mix rows (a mean over them): such a model runs
// each request alone.
void BatchedModel::CheckRowsIndependent(const Request& a, const Request& b) {
  constexpr double kAbsolute = 1e-4,
                   kRelative = 1e-3;  // kernels for several rows may round otherwise
  if (!HasRows(a) || !HasRows(b) || !CanStack(a, b)) return;
  const Request* both[] = {&a, &b};
  const auto stacked = Stack(both);
  if (!stacked.ok()) return;
  const auto apart_a = session_->Run(a);
  const auto apart_b = session_->Run(b);
  const auto together = session_->Run(*stacked);
  if (!apart_a.ok() || !apart_b.ok() || !together.ok()) return;
  if (GivesRows(*together, 2) &&
      CompareOutputs(*apart_a, SliceRows(*together, 0, 1), kAbsolute, kRelative).equal &&
      CompareOutputs(*apart_b, SliceRows(*together, 1, 2), kAbsolute, kRelative).equal) {
    return;
  }
  stackable_ = false;
  base::Log(base::LogLevel::kInfo, "inference",
            "the model answers a row otherwise in company: it is not batched", {{"model", key_}});
}

}  // namespace slipway::inference::pool
