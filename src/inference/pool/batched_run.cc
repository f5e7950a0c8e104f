// SPDX-License-Identifier: Apache-2.0
// A prediction, the run in a batch: stacked, run, cut apart, answered.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "inference/pool/batch.h"
#include "inference/pool/batched_model.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference::pool {
namespace {

bool TookItsProcess(const base::Status& status) {
  return status.reason() == kWorkerCrashed || status.reason() == kWorkerTimeout;
}

double Seconds(int64_t nanos) { return static_cast<double>(nanos) * 1e-9; }

}  // namespace

void BatchedModel::Answer(Waiting& one, base::Result<Response> response, RunTiming timing) {
  // The pieces of a request are counted as one when they are joined.
  if (!one.piece)
    counts_->CountAnswer(response.ok(), timing.queue_ns, base::MonotonicNanos() - one.enqueued_ns);
  if (one.part) {
    one.part(std::move(response), timing, true);
  } else {
    one.done(std::move(response), timing);
  }
}

void BatchedModel::Drop(Waiting& one) {
  const int64_t now_ns = base::MonotonicNanos();
  Answer(one, one.Gone() ? CallerGone() : DeadlineExceeded(), {now_ns - one.enqueued_ns, 0});
}

void BatchedModel::RunBatch(std::vector<Waiting> batch) {
  if (batch.size() > 1 && stackable_.load(std::memory_order_relaxed) && RunStacked(batch)) return;
  for (Waiting& one : batch) {
    const bool late = one.deadline_ns != 0 && base::MonotonicNanos() >= one.deadline_ns;
    if (late || one.Gone()) {
      Drop(one);
    } else if (one.part) {
      Stream(one);
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
    pace_.Ran(one.rows, run_ns);
    counts_->CountRun(one.rows, one.counts ? 1 : 0, {.run_ns = run_ns});
    Remember(one.request);
  }
  metrics_.queue_seconds.Observe(Seconds(start_ns - one.enqueued_ns));
  metrics_.run_seconds.Observe(Seconds(run_ns));
  metrics_.batch_rows.Observe(static_cast<double>(one.rows));
  Answer(one, std::move(response), {start_ns - one.enqueued_ns, run_ns});
}

void BatchedModel::Stream(Waiting& one) {
  const int64_t start_ns = base::MonotonicNanos();
  const int64_t queue_ns = start_ns - one.enqueued_ns;
  const auto so_far = [&] { return RunTiming{queue_ns, base::MonotonicNanos() - start_ns}; };
  // One answer is held back, so that the last one can be marked as such.
  std::optional<Response> held;
  bool late = false;
  const base::Status status = session_->RunStream(one.request, [&](Response response) {
    if (held) one.part(std::move(*held), so_far(), false);
    held = std::move(response);
    late = one.deadline_ns != 0 && base::MonotonicNanos() >= one.deadline_ns;
    return !late && !one.Gone();
  });
  const RunTiming timing = so_far();
  metrics_.queue_seconds.Observe(Seconds(queue_ns));
  metrics_.run_seconds.Observe(Seconds(timing.run_ns));
  if (status.ok()) counts_->CountRun(one.rows, 1, {.run_ns = timing.run_ns});
  if (status.ok() && !late && !one.Gone())
    return Answer(one, held ? std::move(*held) : Response{}, timing);
  if (held) one.part(std::move(*held), timing, false);
  if (one.Gone()) return Answer(one, CallerGone(), timing);
  Answer(one, late ? DeadlineExceeded() : status, timing);
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
    for (Waiting& one : batch) Answer(one, response.status(), {start_ns - one.enqueued_ns, run_ns});
    return true;
  }
  if (!response.ok()) return false;  // one of them is at fault: the others shall not pay
  if (!GivesRows(*response, rows)) {
    stackable_.store(false, std::memory_order_relaxed);
    base::Log(base::LogLevel::kWarning, "inference",
              "the model's outputs do not follow its rows: no longer batched", {{"model", key_}});
    return false;
  }
  pace_.Ran(rows, run_ns);
  metrics_.run_seconds.Observe(Seconds(run_ns));
  metrics_.batch_rows.Observe(static_cast<double>(rows));
  std::vector<Response> answers;
  answers.reserve(batch.size());
  int64_t begin = 0;
  for (const Waiting& one : batch) {
    answers.push_back(SliceRows(*response, begin, begin + one.rows));
    begin += one.rows;
  }
  Remember(batch.front().request);
  const auto counted = std::ranges::count_if(batch, [](const Waiting& one) { return one.counts; });
  counts_->CountRun(rows, static_cast<uint64_t>(counted),
                    {start_ns - begin_ns, run_ns, base::MonotonicNanos() - start_ns - run_ns});
  for (size_t i = 0; i < batch.size(); ++i) {
    Waiting& one = batch[i];
    metrics_.queue_seconds.Observe(Seconds(start_ns - one.enqueued_ns));
    Answer(one, std::move(answers[i]), {start_ns - one.enqueued_ns, run_ns});
  }
  return true;
}

}  // namespace slipway::inference::pool
