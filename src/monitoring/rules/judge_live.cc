// SPDX-License-Identifier: Apache-2.0
// The judging of what happens now, from counts by the minute.
#include <algorithm>
#include <string>
#include <vector>

#include "monitoring/rules/judge.h"

namespace slipway::monitoring {
namespace {

constexpr int kMilli = 1000;

std::string Within(base::Micros span) { return " in " + base::FormatDuration(span); }

double ShareOf(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::optional<Finding> Latency(const Rule& rule, const std::string& endpoint,
                               const LiveFacts& facts) {
  const auto sum = facts.counts.Over(endpoint, facts.now - rule.span, facts.now, true);
  if (sum.latency.count() < rule.least) return std::nullopt;
  Finding finding = BeginFinding(rule, endpoint, 0, facts.now, sum.latency.Quantile(rule.quantile));
  finding.summary = "The " + base::Json(rule.quantile).Dump() + " quantile of answer times of " +
                    endpoint + " is " + ShortNumber(finding.value * kMilli) + " ms over " +
                    std::to_string(sum.latency.count()) + " requests" + Within(rule.span) +
                    " (threshold " + ShortNumber(rule.threshold * kMilli) + " ms).";
  return finding;
}

std::optional<Finding> Errors(const Rule& rule, const std::string& endpoint,
                              const LiveFacts& facts) {
  const auto sum = facts.counts.Over(endpoint, facts.now - rule.span, facts.now, false);
  if (sum.requests < rule.least) return std::nullopt;
  Finding finding = BeginFinding(rule, endpoint, 0, facts.now, ShareOf(sum.failed, sum.requests));
  finding.summary = std::to_string(sum.failed) + " of " + std::to_string(sum.requests) +
                    " requests to " + endpoint + " failed" + Within(rule.span) + " (threshold " +
                    ShortNumber(rule.threshold) + ").";
  return finding;
}

// Requests to expect in the span; nullopt while too little of the past is known.
std::optional<double> Expected(const Rule& rule, const std::string& endpoint,
                               const LiveFacts& facts) {
  const base::Micros first = facts.counts.FirstSeen(endpoint);
  const base::Micros begin = facts.now - rule.span;
  if (!rule.same_time) {
    const base::Micros from = std::max(begin - rule.trailing, first);
    if (begin - from < rule.trailing / 2) return std::nullopt;
    const auto sum = facts.counts.Over(endpoint, from, begin, false);
    return static_cast<double>(sum.requests) * static_cast<double>(rule.span) /
           static_cast<double>(begin - from);
  }
  std::vector<int64_t> former;
  for (int64_t day = 1; day <= rule.days; ++day) {
    const base::Micros back = day * base::kDay;
    if (begin - back < first) break;
    former.push_back(facts.counts.Over(endpoint, begin - back, facts.now - back, false).requests);
  }
  if (former.empty()) return std::nullopt;
  std::sort(former.begin(), former.end());
  const size_t middle = former.size() / 2;
  if (former.size() % 2 == 1) return static_cast<double>(former[middle]);
  return static_cast<double>(former[middle - 1] + former[middle]) / 2;
}

std::optional<Finding> Volume(const Rule& rule, const std::string& endpoint,
                              const LiveFacts& facts) {
  const auto expected = Expected(rule, endpoint, facts);
  if (!expected || *expected < static_cast<double>(rule.least)) return std::nullopt;
  const auto sum = facts.counts.Over(endpoint, facts.now - rule.span, facts.now, false);
  const double share = static_cast<double>(sum.requests) / *expected;
  Finding finding = BeginFinding(rule, endpoint, 0, facts.now, share);
  finding.summary =
      endpoint + " had " + std::to_string(sum.requests) + " requests" + Within(rule.span) + ", " +
      ShortNumber(share) + " of the " + ShortNumber(*expected) + " that " +
      (rule.same_time ? "former days had at this time" : "the time before lets expect") +
      " (threshold " + ShortNumber(rule.threshold) + ").";
  finding.data.Set("expected", *expected);
  return finding;
}

// How many times too fast the error budget burns in a span.
double BurnOver(const Rule& rule, const std::string& endpoint, const LiveFacts& facts,
                base::Micros span, int64_t& requests) {
  const bool slow = rule.slower_than > 0;
  const auto sum = facts.counts.Over(endpoint, facts.now - span, facts.now, slow);
  requests = sum.requests;
  int64_t bad = sum.failed;
  if (slow)
    bad += sum.latency.CountAbove(static_cast<double>(rule.slower_than) /
                                  static_cast<double>(base::kSecond));
  return ShareOf(bad, sum.requests) / (1 - rule.objective);
}

// The google "Site Reliability Workbook", chapter 5: breached when long and short span both burn.
std::optional<Finding> BurnRate(const Rule& rule, const std::string& endpoint,
                                const LiveFacts& facts) {
  double worst = -1;
  double burn = 0;
  const BurnWindow* at = nullptr;
  for (const BurnWindow& window : rule.burn) {
    int64_t requests = 0;
    int64_t confirmed = 0;
    const double slow = BurnOver(rule, endpoint, facts, window.span, requests);
    const double quick = BurnOver(rule, endpoint, facts, window.confirm, confirmed);
    if (requests < rule.least) continue;
    const double ratio = std::min(slow, quick) / window.factor;
    if (ratio <= worst) continue;
    worst = ratio;
    burn = std::min(slow, quick);
    at = &window;
  }
  if (at == nullptr) return std::nullopt;
  Finding finding = BeginFinding(rule, endpoint, 0, facts.now, burn);
  finding.threshold = at->factor;
  finding.breached = worst >= 1;
  finding.calm = worst < rule.resolve_ratio;
  finding.summary =
      "The error budget of " + endpoint + " (objective " + base::Json(rule.objective).Dump() +
      ") burns " + ShortNumber(burn) + " times too fast over " + base::FormatDuration(at->span) +
      " and " + base::FormatDuration(at->confirm) + " (threshold " + ShortNumber(at->factor) + ").";
  return finding;
}

std::optional<Finding> LogFailures(const Rule& rule, const std::string& endpoint,
                                   const LiveFacts& facts) {
  Finding finding =
      BeginFinding(rule, endpoint, 0, facts.now, static_cast<double>(facts.log_failures));
  finding.summary = std::to_string(facts.log_failures) +
                    " records could not be written to the logs" + Within(rule.span) +
                    " (threshold " + ShortNumber(rule.threshold) + ").";
  return finding;
}

}  // namespace

std::optional<Finding> JudgeLive(const Rule& rule, const std::string& endpoint,
                                 const LiveFacts& facts) {
  switch (rule.kind) {
    case RuleKind::kLatency:
      return Latency(rule, endpoint, facts);
    case RuleKind::kErrorRate:
      return Errors(rule, endpoint, facts);
    case RuleKind::kVolumeDrop:
      return Volume(rule, endpoint, facts);
    case RuleKind::kBurnRate:
      return BurnRate(rule, endpoint, facts);
    case RuleKind::kLogFailures:
      return LogFailures(rule, endpoint, facts);
    default:
      return std::nullopt;
  }
}

}  // namespace slipway::monitoring
