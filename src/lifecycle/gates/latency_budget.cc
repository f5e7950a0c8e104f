// SPDX-License-Identifier: Apache-2.0
// Gate: it answers within the time and the memory that the policy gives it, measured here.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "base/clock.h"
#include "lifecycle/gates.h"
#include "lifecycle/run_model.h"

namespace slipway::lifecycle {
namespace {

constexpr int64_t kUsualRuns = 200;
constexpr int64_t kMostRuns = 100'000;
constexpr int64_t kWarmUpRuns = 5;

struct Budget {
  std::optional<double> p50_ms, p99_ms, memory_mb;
  int64_t runs = kUsualRuns;
};

base::Result<Budget> ReadBudget(const base::Json& options) {
  TRY(base::RequireOnly(options, {"p50_ms", "p99_ms", "memory_mb", "runs"}));
  Budget budget{TRY(base::OptionalDouble(options, "p50_ms")),
                TRY(base::OptionalDouble(options, "p99_ms")),
                TRY(base::OptionalDouble(options, "memory_mb")),
                TRY(base::OptionalInt(options, "runs")).value_or(kUsualRuns)};
  if (budget.runs < 1 || budget.runs > kMostRuns)
    return base::InvalidArgument("runs", "expected 1 to 100000");
  if (!budget.p50_ms && !budget.p99_ms && !budget.memory_mb)
    return base::InvalidArgument("p99_ms", "expected p50_ms, p99_ms or memory_mb");
  return budget;
}

class LatencyBudgetGate final : public registry::Gate {
 public:
  explicit LatencyBudgetGate(traffic::Endpoints& endpoints) : endpoints_(endpoints) {}
  std::string_view name() const override { return "latency_budget"; }
  std::string_view help() const override {
    return "One row is answered in time: {p50_ms, p99_ms, memory_mb, runs: 200}.";
  }
  bool Guards(registry::Stage) const override { return false; }
  base::Status CheckOptions(const base::Json& options) const override {
    return ReadBudget(options).status();
  }

  registry::Verdict Check(const registry::GateContext& context) override {
    registry::Verdict verdict;
    const base::Status measured = Measure(context, verdict);
    if (measured.ok()) return verdict;
    verdict.outcome = registry::Outcome::kFail;
    verdict.summary = "it could not be measured: " + measured.message();
    return verdict;
  }

 private:
  base::Status Measure(const registry::GateContext& context, registry::Verdict& verdict) {
    const Budget budget = TRY(ReadBudget(context.options));
    const auto model = TRY(endpoints_.LoadVersion(context.version.model, context.version.number));
    std::vector<double> took_ms;
    for (int64_t run = -kWarmUpRuns; run < budget.runs; ++run) {
      const int64_t started = base::MonotonicNanos();
      TRY(RunAndWait(*model, traffic::ZeroRow(model->description())));
      if (run >= 0) took_ms.push_back(static_cast<double>(base::MonotonicNanos() - started) / 1e6);
    }
    std::sort(took_ms.begin(), took_ms.end());
    const auto quantile = [&](double q) {
      const double rank = std::ceil(q * static_cast<double>(took_ms.size()));
      return took_ms[static_cast<size_t>(std::max(rank, 1.0)) - 1];
    };
    const double memory_mb = static_cast<double>(model->memory_bytes()) / 1e6;
    const bool memory_known = memory_mb > 0;
    std::string over;
    const auto hold = [&](const char* what, double value, const std::optional<double>& most) {
      if (!most || value <= *most) return;
      char text[96];
      std::snprintf(text, sizeof text, "%s%s %.3g exceeds %.3g", over.empty() ? "" : "; ", what,
                    value, *most);
      over += text;
    };
    hold("p50 ms", quantile(0.5), budget.p50_ms);
    hold("p99 ms", quantile(0.99), budget.p99_ms);
    if (budget.memory_mb && !memory_known)
      over += std::string(over.empty() ? "" : "; ") + "this runtime does not tell its memory";
    else
      hold("memory MB", memory_mb, budget.memory_mb);
    verdict.outcome = over.empty() ? registry::Outcome::kPass : registry::Outcome::kFail;
    char text[160];
    std::snprintf(text, sizeof text, "one row takes %.3g ms at p50, %.3g ms at p99 of %lld runs",
                  quantile(0.5), quantile(0.99), static_cast<long long>(budget.runs));
    verdict.summary = over.empty() ? text : over + " (" + text + ")";
    verdict.evidence = base::Json::MakeObject(
        {{"runs", budget.runs},
         {"p50_ms", quantile(0.5)},
         {"p99_ms", quantile(0.99)},
         {"memory_mb", memory_known ? base::Json(memory_mb) : base::Json()}});
    return {};
  }

  traffic::Endpoints& endpoints_;
};

}  // namespace

std::unique_ptr<registry::Gate> MakeLatencyBudgetGate(traffic::Endpoints& endpoints) {
  return std::make_unique<LatencyBudgetGate>(endpoints);
}

}  // namespace slipway::lifecycle
