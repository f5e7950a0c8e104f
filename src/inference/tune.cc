// SPDX-License-Identifier: Apache-2.0
// How a version is run best: tried, not guessed.
#include "inference/tune.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <future>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "base/threads.h"

namespace slipway::inference {
namespace {

constexpr int64_t kMostThreads = 64;
constexpr int64_t kMostCallers = 256;

std::vector<Trial> Combinations(bool batchable) {
  const auto cores = std::min<int64_t>(static_cast<int64_t>(base::UsableCores()), kMostThreads);
  std::vector<std::pair<int64_t, int64_t>> shapes = {{1, 1}};
  if (cores > 1) shapes.insert(shapes.end(), {{1, cores}, {cores, 1}});
  if (cores > 3) shapes.emplace_back(cores / 2, 2);
  const std::vector<int64_t> rows =
      batchable ? std::vector<int64_t>{0, 8, 32, 128} : std::vector<int64_t>{0};
  std::vector<Trial> trials;
  for (const auto& [instances, threads] : shapes) {
    for (const int64_t batch : rows)
      trials.push_back({.instances = instances, .threads = threads, .batch_rows = batch});
  }
  return trials;
}

int64_t RowsOf(const Request& request) {
  return request.inputs.empty() || request.inputs.front().tensor.shape().empty()
             ? 1
             : std::max<int64_t>(request.inputs.front().tensor.rows(), 1);
}

// What all callers of one trial saw.
struct Seen {
  std::mutex mutex;
  std::vector<int64_t> latencies_ns;
  int64_t rows = 0;
  base::Status failure;
};

void CallUntil(LoadedModel& model, const std::vector<Request>& inputs, size_t first,
               int64_t until_ns, Seen& seen) {
  std::vector<int64_t> latencies;
  int64_t rows = 0;
  base::Status failure;
  // At least one, however late the thread began.
  for (size_t i = first; failure.ok() && (i == first || base::MonotonicNanos() < until_ns); ++i) {
    const Request& input = inputs[i % inputs.size()];
    const int64_t start_ns = base::MonotonicNanos();
    std::promise<base::Status> ran;
    model.Run(input, {}, [&ran](const base::Result<Response>& response, RunTiming) {
      ran.set_value(response.status());
    });
    failure = ran.get_future().get();
    latencies.push_back(base::MonotonicNanos() - start_ns);
    rows += RowsOf(input);
  }
  std::lock_guard lock(seen.mutex);
  seen.latencies_ns.insert(seen.latencies_ns.end(), latencies.begin(), latencies.end());
  seen.rows += rows;
  if (seen.failure.ok()) seen.failure = std::move(failure);
}

base::Status Measure(LoadedModel& model, const std::vector<Request>& inputs,
                     const TuneTarget& target, Trial& trial) {
  Seen seen;
  const int64_t start_ns = base::MonotonicNanos();
  const int64_t until_ns = start_ns + target.trial_ms * 1'000'000;
  std::vector<std::thread> callers;
  const auto count = static_cast<size_t>(std::clamp<int64_t>(target.callers, 1, kMostCallers));
  for (size_t i = 0; i < count; ++i)
    callers.emplace_back([&, i] { CallUntil(model, inputs, i, until_ns, seen); });
  for (std::thread& caller : callers) caller.join();
  TRY(std::move(seen.failure));
  const double seconds = static_cast<double>(base::MonotonicNanos() - start_ns) * 1e-9;
  if (seen.latencies_ns.empty()) return base::Internal("tune_failed", "nothing was measured");
  std::ranges::sort(seen.latencies_ns);
  const auto quantile_ms = [&](double q) {
    const auto at = static_cast<size_t>(q * static_cast<double>(seen.latencies_ns.size() - 1));
    return static_cast<double>(seen.latencies_ns[at]) * 1e-6;
  };
  trial.rows_per_s = static_cast<double>(seen.rows) / seconds;
  trial.p50_ms = quantile_ms(0.5);
  trial.p99_ms = quantile_ms(0.99);
  return base::Status::Ok();
}

void MarkBest(std::vector<Trial>& trials, double latency_ms) {
  const auto better = [latency_ms](const Trial& a, const Trial& b) {
    const bool a_within = latency_ms <= 0 || a.p99_ms <= latency_ms;
    const bool b_within = latency_ms <= 0 || b.p99_ms <= latency_ms;
    if (a_within != b_within) return a_within;
    return a_within ? a.rows_per_s > b.rows_per_s : a.p99_ms < b.p99_ms;
  };
  std::ranges::min_element(trials, better)->best = true;
}

}  // namespace

base::Result<std::vector<Trial>> Tune(ModelPool& pool, const ModelSource& source,
                                      const ModelDescription& description,
                                      const std::vector<Request>& inputs, const TuneTarget& target,
                                      const TuneProgress& progress) {
  std::vector<Trial> trials = Combinations(description.batchable);
  for (size_t i = 0; i < trials.size(); ++i) {
    if (progress && !progress(trials, i))
      return base::Status(base::Code::kCancelled, "tune_cancelled", "the tuning was cancelled");
    Trial& trial = trials[i];
    ModelSource variant = source;
    variant.key = source.key + "#tune" + std::to_string(i);
    variant.config.response_cache = false;
    TRY(ReadScheduling(SchedulingText(trial), variant.config));
    const auto model = TRY(pool.Load(variant));
    const base::Status measured = Measure(*model, inputs, target, trial);
    pool.Unload(variant.key);
    TRY(measured);
  }
  MarkBest(trials, target.latency_ms);
  return trials;
}

std::string SchedulingText(const Trial& trial) {
  return base::Json::MakeObject({{"instances", trial.instances},
                                 {"threads", trial.threads},
                                 {"batch_rows", trial.batch_rows}})
      .Dump();
}

base::Status ReadScheduling(const std::string& text, ModelConfig& config) {
  constexpr int64_t kMostRows = 1'000'000'000;
  const base::Json json = TRY(base::Json::Parse(text));
  const auto number = [&json](const char* key, int64_t least,
                              int64_t most) -> base::Result<int64_t> {
    const base::Json* value = json.is_object() ? json.Find(key) : nullptr;
    if (value == nullptr || !value->is_int() || value->AsInt() < least || value->AsInt() > most) {
      return base::InvalidArgument(
          std::string(kSchedulingTag) + "." + key,
          "expected a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    }
    return value->AsInt();
  };
  const int64_t instances = TRY(number("instances", 1, 1024));
  const int64_t threads = TRY(number("threads", 1, 1024));
  const int64_t rows = TRY(number("batch_rows", 0, kMostRows));
  config.instances = instances;
  config.max_batch_rows = rows;
  config.parameters["intra_op_threads"] = std::to_string(threads);
  return base::Status::Ok();
}

}  // namespace slipway::inference
