// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "judge": how the two arms are compared. Formulas: analysis.h; why they
// are so: docs/rollouts.md.
#include "traffic/analysis.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/hash.h"
#include "base/json.h"
#include "base/status.h"

namespace slipway::traffic {

using base::Json;
using base::Result;
using base::Status;

namespace {

constexpr uint32_t kJudgeSeed = 0x6a756467;  // "judg": never the router's seed, which is 0
constexpr double kUnitsPerOne = 1048576;
constexpr size_t kSides = 2;

enum First : uint8_t { kNone = 0, kZero = 1, kAbove = 2 };

struct SideMoments {
  double count = 0;
  double mean = 0;
  double variance = 0;  // of the mean
  size_t buckets = 0;
};

SideMoments Moments(const ArmTotals& totals) {
  SideMoments moments;
  double sum = 0;
  for (const BucketSum& bucket : totals.buckets) {
    moments.count += static_cast<double>(bucket.count);
    sum += bucket.sum;
    if (bucket.count > 0) ++moments.buckets;
  }
  if (moments.buckets < 2) return moments;
  moments.mean = sum / moments.count;
  double squares = 0;
  for (const BucketSum& bucket : totals.buckets) {
    const double off = bucket.sum - moments.mean * static_cast<double>(bucket.count);
    squares += off * off;
  }
  const auto buckets = static_cast<double>(moments.buckets);
  moments.variance = buckets / (buckets - 1) * squares / (moments.count * moments.count);
  return moments;
}

}  // namespace

size_t JudgeBucket(std::string_view key) { return base::Murmur3(key, kJudgeSeed) % kJudgeBuckets; }

int64_t ArmTotals::count() const {
  int64_t total = 0;
  for (const BucketSum& bucket : buckets) total += bucket.count;
  return total;
}

double ArmTotals::sum() const {
  double total = 0;
  for (const BucketSum& bucket : buckets) total += bucket.sum;
  return total;
}

struct alignas(64) Tally::Cell {
  std::atomic<int64_t> count{0};
  std::atomic<int64_t> units{0};
  std::atomic<uint8_t> first{kNone};
};

Tally::Tally() : cells_(std::make_unique<Cell[]>(kSides * kJudgeBuckets)) {}
Tally::~Tally() = default;

void Tally::Add(Side side, size_t bucket, double value) {
  if (std::isnan(value)) return;
  Cell& cell = cells_[static_cast<size_t>(side) * kJudgeBuckets + bucket % kJudgeBuckets];
  const double bounded = std::clamp(value, -kMaxValue, kMaxValue);
  uint8_t none = kNone;
  if (cell.first.load(std::memory_order_relaxed) == kNone) {
    cell.first.compare_exchange_strong(none, value > 0 ? kAbove : kZero, std::memory_order_relaxed);
  }
  cell.units.fetch_add(std::llround(bounded * kUnitsPerOne), std::memory_order_relaxed);
  cell.count.fetch_add(1, std::memory_order_relaxed);
}

ArmTotals Tally::Totals(Side side) const {
  ArmTotals totals;
  totals.buckets.resize(kJudgeBuckets);
  for (size_t i = 0; i < kJudgeBuckets; ++i) {
    const Cell& cell = cells_[static_cast<size_t>(side) * kJudgeBuckets + i];
    totals.buckets[i].count = cell.count.load(std::memory_order_relaxed);
    totals.buckets[i].sum =
        static_cast<double>(cell.units.load(std::memory_order_relaxed)) / kUnitsPerOne;
    const uint8_t first = cell.first.load(std::memory_order_relaxed);
    if (first == kZero) ++totals.first_zero;
    if (first == kAbove) ++totals.first_above;
  }
  return totals;
}

// [[stable: count, units, first, count, ...], [candidate: ...]]
Json Tally::Save() const {
  Json saved = Json::MakeArray();
  for (size_t side = 0; side < kSides; ++side) {
    Json::Array numbers;
    numbers.reserve(kJudgeBuckets * 3);
    for (size_t i = 0; i < kJudgeBuckets; ++i) {
      const Cell& cell = cells_[side * kJudgeBuckets + i];
      numbers.emplace_back(cell.count.load(std::memory_order_relaxed));
      numbers.emplace_back(cell.units.load(std::memory_order_relaxed));
      numbers.emplace_back(static_cast<int64_t>(cell.first.load(std::memory_order_relaxed)));
    }
    saved.Append(std::move(numbers));
  }
  return saved;
}

Status Tally::Restore(const Json& saved) {
  const auto bad = [] {
    return base::InvalidArgument("evidence", "expected two lists of 600 integers");
  };
  if (!saved.is_array() || saved.AsArray().size() != kSides) return bad();
  for (size_t side = 0; side < kSides; ++side) {
    const Json& numbers = saved.AsArray()[side];
    if (!numbers.is_array() || numbers.AsArray().size() != kJudgeBuckets * 3) return bad();
    const Json::Array& list = numbers.AsArray();
    if (!std::all_of(list.begin(), list.end(), [](const Json& item) { return item.is_int(); }))
      return bad();
    for (size_t i = 0; i < kJudgeBuckets; ++i) {
      Cell& cell = cells_[side * kJudgeBuckets + i];
      cell.count.store(list[i * 3].AsInt(), std::memory_order_relaxed);
      cell.units.store(list[i * 3 + 1].AsInt(), std::memory_order_relaxed);
      cell.first.store(static_cast<uint8_t>(list[i * 3 + 2].AsInt()), std::memory_order_relaxed);
    }
  }
  return Status::Ok();
}

std::optional<Difference> Compare(std::span<const StepTotals> steps,
                                  double least_candidate_variance) {
  Difference result;
  double weighted_difference = 0;
  double weighted_variance = 0;
  for (const StepTotals& step : steps) {
    const SideMoments stable = Moments(step.stable);
    const SideMoments candidate = Moments(step.candidate);
    if (stable.buckets < 2 || candidate.buckets < 2) continue;
    const double matched = stable.count * candidate.count / (stable.count + candidate.count);
    const double floor =
        std::max(least_candidate_variance, stable.variance * stable.count) / candidate.count;
    result.matched += matched;
    weighted_difference += matched * (candidate.mean - stable.mean);
    weighted_variance +=
        matched * matched * (stable.variance + std::max(candidate.variance, floor));
    result.stable_buckets = std::max(result.stable_buckets, stable.buckets);
    result.candidate_buckets = std::max(result.candidate_buckets, candidate.buckets);
  }
  if (result.matched <= 0) return std::nullopt;
  result.value = weighted_difference / result.matched;
  result.variance = weighted_variance / (result.matched * result.matched);
  return result;
}

double ConfidenceRadius(double variance, double matched, double alpha) {
  const double rho_squared = (-2 * std::log(alpha) + std::log(1 - 2 * std::log(alpha))) / kTunedFor;
  const double r = matched * rho_squared;
  return std::sqrt(variance) *
         std::sqrt(2 * (r + 1) / r * std::log(1 + std::sqrt(r + 1) / (2 * alpha)));
}

std::string_view FindingName(Finding finding) {
  switch (finding) {
    case Finding::kPass:
      return "pass";
    case Finding::kFail:
      return "fail";
    case Finding::kInconclusive:
      break;
  }
  return "inconclusive";
}

Json ToJson(const MetricFinding& finding) {
  const auto number = [](const std::optional<double>& value) {
    return value ? Json(*value) : Json();
  };
  return Json::MakeObject(
      {{"name", finding.name},
       {"verdict", FindingName(finding.finding)},
       {"stable", Json::MakeObject({{"n", finding.stable_count}, {"mean", finding.stable_mean}})},
       {"candidate",
        Json::MakeObject({{"n", finding.candidate_count}, {"mean", finding.candidate_mean}})},
       {"difference", number(finding.difference)},
       {"lower", number(finding.lower)},
       {"upper", number(finding.upper)},
       {"alpha", finding.alpha},
       {"tolerance", finding.tolerance},
       {"why", finding.why}});
}

}  // namespace slipway::traffic
