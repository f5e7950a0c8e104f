// SPDX-License-Identifier: Apache-2.0
// Analysis: the judge of a rollout. Every metric is the difference (candidate - stable) of a mean;
// larger is worse. Looking at it at any time, as often as one likes, keeps the promised error rate.
//
// Keys are hashed into kJudgeBuckets buckets (Murmur3 with a seed of its own, so independent of the
// assignment to arms). Within a step s (constant weights) arm a has in bucket b: n_asb values with
// sum x_asb; N_as = sum n, m_as = sum x / N_as. The variance of m_as comes from between the
// buckets, so that bursts of retries and users who fail more than others are not taken for
// evidence:
//   V_as = B/(B-1) * sum_b (x_asb - m_as n_asb)^2 / N_as^2            (B: buckets with traffic)
//   d = sum_s w_s (m_cs - m_ss),  V = sum_s w_s^2 (V_cs + V_ss),  w_s ~ M_s = N_cs N_ss / (N_cs +
//   N_ss),  M = sum_s M_s
// Steps are compared within themselves: a bad hour met by more of the candidate's traffic than of
// stable's does not count against it. Bounds: the one-sided asymptotic confidence sequence of
// Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and
// asymptotic confidence sequences" (2021), proposition B.1, with r = M rho^2:
//   lower, upper = d -+ sqrt(V) * sqrt(2 (r + 1) / r * log(1 + sqrt(r + 1) / (2 alpha)))
// rho^2 = (-2 log a + log(1 - 2 log a)) / kTunedFor makes it tightest near M = kTunedFor. V_c has
// floors: see docs/rollouts.md. fail: lower > tolerance. pass: upper < tolerance (non-inferior).
// Otherwise, and with too little data, inconclusive.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"

namespace slipway::traffic {

inline constexpr size_t kJudgeBuckets = 200;
inline constexpr double kTunedFor = 1000;
inline constexpr size_t kLeastBuckets =
    20;  // with traffic, in each arm, before a confidence sequence says anything
inline constexpr int64_t kLeastValues = 50;  // values in each arm before it does

size_t JudgeBucket(std::string_view key);

enum class Side : uint8_t { kOfStable = 0, kOfCandidate = 1 };

// One thing that became known about one prediction.
struct Outcome {
  enum class Kind : uint8_t { kAnswer, kLabel } kind = Kind::kAnswer;
  bool failed = false;   // kAnswer
  int64_t total_ns = 0;  // kAnswer
  double loss = 0;       // kLabel
};

struct BucketSum {
  int64_t count = 0;
  double sum = 0;
};
struct ArmTotals {
  std::vector<BucketSum> buckets;  // kJudgeBuckets
  // Of each bucket's first value: how many were 0, and how many above. One a bucket: nearly
  // independent whatever users do.
  int64_t first_zero = 0;
  int64_t first_above = 0;
  [[nodiscard]] int64_t count() const;
  [[nodiscard]] double sum() const;
};

// What one metric saw in one step. Add is lock-free (relaxed atomics, one cache line a bucket);
// sums are kept in units of 2^-20, so that they do not depend on the order of adding.
class Tally {
 public:
  Tally();
  ~Tally();
  void Add(
      Side side, size_t bucket,
      double value);  // |value| <= kMaxValue, larger ones count as that; not-a-number is dropped
  [[nodiscard]] ArmTotals Totals(Side side) const;
  [[nodiscard]] base::Json Save() const;
  base::Status Restore(const base::Json& saved);
  static constexpr double kMaxValue = 10000;

 private:
  struct Cell;
  std::unique_ptr<Cell[]> cells_;
};

struct StepTotals {
  ArmTotals stable;
  ArmTotals candidate;
};

enum class Finding : uint8_t { kInconclusive, kPass, kFail };
std::string_view FindingName(Finding finding);  // "inconclusive", "pass", "fail"

struct MetricFinding {
  std::string name;
  Finding finding = Finding::kInconclusive;
  int64_t stable_count = 0;
  double stable_mean = 0;
  int64_t candidate_count = 0;
  double candidate_mean = 0;
  std::optional<double> difference;  // absent: too little data
  std::optional<double> lower;
  std::optional<double> upper;
  double alpha = 0;
  double tolerance = 0;
  std::string why;  // one sentence
};
base::Json ToJson(const MetricFinding& finding);

// The seam: one row a metric. Thread-safe, without state: the same totals give the same finding.
class Analysis {
 public:
  virtual ~Analysis() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;
  // The metric's value of an outcome; nothing when the outcome says nothing about it.
  [[nodiscard]] virtual std::optional<double> ValueOf(const Outcome& outcome) const = 0;
  [[nodiscard]] virtual MetricFinding Judge(std::span<const StepTotals> steps,
                                            double alpha) const = 0;
};

std::unique_ptr<Analysis> MakeErrorRateAnalysis(
    double tolerance);  // "error_rate": share of answers that failed
std::unique_ptr<Analysis> MakeLatencyAnalysis(
    double tolerance);  // "latency": mean of log(seconds); 0.4 tolerates 1.5 times
std::unique_ptr<Analysis> MakeLossAnalysis(
    double tolerance);  // "loss": of labelled rows, for instance Brier's (p - y)^2

// Difference and its variance over the steps, as above. `least_candidate_variance` is of one value:
// a floor under V_c.
struct Difference {
  double value = 0;
  double variance = 0;
  double matched = 0;         // M
  size_t stable_buckets = 0;  // with traffic, the most in one step
  size_t candidate_buckets = 0;
};
std::optional<Difference> Compare(std::span<const StepTotals> steps,
                                  double least_candidate_variance);
double ConfidenceRadius(double variance, double matched, double alpha);  // one-sided

}  // namespace slipway::traffic
