// SPDX-License-Identifier: Apache-2.0
// The judging of a closed window: each rule with the sentence that a person gets to read.
#include <array>
#include <cstdio>
#include <string>
#include <utility>

#include "monitoring/rules/judge.h"

namespace slipway::monitoring {
namespace {

using base::Json;

constexpr double kAlpha = 0.05;  // false discovery rate over the features of one window

double NumberOf(const Json& json, std::string_view key, double otherwise) {
  const Json* value = json.Find(key);
  return value != nullptr && value->is_number() ? value->AsDouble() : otherwise;
}

bool FlagOf(const Json& json, std::string_view key) {
  const Json* value = json.Find(key);
  return value != nullptr && value->is_bool() && value->AsBool();
}

Finding Begin(const Rule& rule, const WindowFacts& facts, double value) {
  Finding finding = BeginFinding(rule, facts.endpoint, facts.version, facts.start, value);
  finding.data =
      Json::MakeObject({{"window", Json::MakeObject({{"start", base::FormatTime(facts.start)},
                                                     {"end", base::FormatTime(facts.end)}})}});
  return finding;
}

std::string Subject(const Finding& finding) {
  return finding.endpoint + " version " + std::to_string(finding.version);
}

std::string Threshold(const Finding& finding) {
  return " (threshold " + ShortNumber(finding.threshold) + ")";
}

std::string Named(const Rule& rule) { return rule.metric == "psi" ? "PSI" : rule.metric; }

// What a drift report says of one metric of a feature: PSI stands beside its own test, the other
// distances among the scores and beside the tests that go with them.
struct Distance {
  double value = 0;
  double p_adjusted = 1;
};
std::optional<Distance> DistanceOf(const Rule& rule, const Json& measured) {
  const Json* tests = measured.Find("tests");
  const Json* value = measured.Find(rule.metric);
  const bool beside = value != nullptr && value->is_number();
  if (!beside) {
    const Json* scores = measured.Find("scores");
    const Json* score = scores == nullptr ? nullptr : scores->Find(rule.metric);
    value = score == nullptr ? nullptr : score->Find("value");
  }
  const Json& test = beside || tests == nullptr ? measured : *tests;
  if (value == nullptr || !value->is_number() || !FlagOf(test, "judged")) return std::nullopt;
  return Distance{value->AsDouble(), NumberOf(test, "p_adjusted", 1)};
}

bool HasDrifted(const Rule& rule, const Distance& distance) {
  return distance.value > rule.threshold && (!rule.significant || distance.p_adjusted < kAlpha);
}

std::optional<Finding> JudgePredictions(const Rule& rule, const WindowFacts& facts) {
  const Json* measured = facts.drift.Find("prediction");
  if (measured == nullptr) return std::nullopt;
  const auto distance = DistanceOf(rule, *measured);
  if (!distance) return std::nullopt;
  const auto rows = static_cast<int64_t>(NumberOf(*measured, "n", 0));
  Finding finding = Begin(rule, facts, distance->value);
  finding.breached = HasDrifted(rule, *distance);
  finding.summary = "The predictions of " + Subject(finding) +
                    " have moved from their baseline: " + Named(rule) + " " +
                    ShortNumber(finding.value) + " over " + std::to_string(rows) + " rows" +
                    Threshold(finding) + ".";
  finding.data.Set("n", rows);
  return finding;
}

std::optional<Finding> JudgeFeatures(const Rule& rule, const WindowFacts& facts) {
  const Json* features = facts.drift.Find("features");
  if (features == nullptr || !features->is_array()) return std::nullopt;
  std::string most;
  double greatest = 0;
  Json drifted = Json::MakeObject();
  int64_t matching = 0;
  for (const Json& feature : features->AsArray()) {
    const Json* name = feature.Find("name");
    if (name == nullptr || !name->is_string() || !Matches(rule.feature, name->AsString())) continue;
    ++matching;
    const auto distance = DistanceOf(rule, feature);
    if (!distance) continue;
    if (most.empty() || distance->value > greatest) {
      most = name->AsString();
      greatest = distance->value;
    }
    if (HasDrifted(rule, *distance)) drifted.Set(name->AsString(), distance->value);
  }
  if (most.empty()) return std::nullopt;
  Finding finding = Begin(rule, facts, greatest);
  const size_t count = drifted.AsObject().size();
  finding.breached = count > 0;
  finding.summary = std::to_string(count) + " of " + std::to_string(matching) + " features of " +
                    Subject(finding) + " have drifted; most of all " + most + ": " + Named(rule) +
                    " " + ShortNumber(finding.value) + Threshold(finding) + ".";
  finding.data.Set("features", std::move(drifted));
  return finding;
}

// A metric of the quality report: {"value", "lower", "upper"} or a number.
struct Measured {
  double value = 0;
  double lower = 0;
  double upper = 0;
};
std::optional<Measured> FindMetric(const Json& quality, const std::string& metric) {
  const Json* found = quality.Find(metric);
  if (found == nullptr) {
    const Json* metrics = quality.Find("metrics");
    found = metrics == nullptr ? nullptr : metrics->Find(metric);
  }
  if (found == nullptr) return std::nullopt;
  if (found->is_number()) return Measured{found->AsDouble(), found->AsDouble(), found->AsDouble()};
  const Json* value = found->Find("value");
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return Measured{value->AsDouble(), NumberOf(*found, "lower", value->AsDouble()),
                  NumberOf(*found, "upper", value->AsDouble())};
}

std::optional<Finding> AgainstReference(const Rule& rule, const WindowFacts& facts,
                                        const Measured& metric, int64_t rows) {
  const auto reference = facts.references.find(rule.metric);
  if (reference == facts.references.end()) return std::nullopt;
  std::string title = rule.metric;
  if (title == "auc") title = "AUC";
  Finding finding = Begin(rule, facts, reference->second - metric.value);
  finding.breached =
      finding.value > rule.threshold && (!rule.significant || metric.upper < reference->second);
  finding.summary = "The " + title + " of " + Subject(finding) + " is " +
                    ShortNumber(metric.value) + " [" + ShortNumber(metric.lower) + ", " +
                    ShortNumber(metric.upper) + "] on " + std::to_string(rows) +
                    " labelled rows, " + ShortNumber(finding.value) + " under its " +
                    ShortNumber(reference->second) + " at the gate" + Threshold(finding) + ".";
  finding.data.Set("reference", reference->second);
  return finding;
}

std::optional<Finding> JudgeQuality(const Rule& rule, const WindowFacts& facts) {
  const Json* quality = facts.report.Find("quality");
  if (quality == nullptr || !quality->is_object()) return std::nullopt;
  const auto metric = FindMetric(*quality, rule.metric);
  const auto rows = static_cast<int64_t>(NumberOf(*quality, "n", 0));
  if (!metric || rows < rule.least) return std::nullopt;
  std::optional<Finding> finding;
  if (rule.against_reference) {
    finding = AgainstReference(rule, facts, *metric, rows);
    if (!finding) return std::nullopt;
  } else {
    finding = Begin(rule, facts, metric->value);
    const bool sure = !rule.significant || (rule.below ? metric->upper < rule.threshold
                                                       : metric->lower > rule.threshold);
    finding->breached = finding->breached && sure;
    finding->summary = "The " + rule.metric + " of " + Subject(*finding) + " is " +
                       ShortNumber(metric->value) + " [" + ShortNumber(metric->lower) + ", " +
                       ShortNumber(metric->upper) + "] on " + std::to_string(rows) +
                       " labelled rows" + Threshold(*finding) + ".";
  }
  finding->data.Set(rule.metric, metric->value);
  finding->data.Set("n", rows);
  return finding;
}

std::optional<Finding> JudgeErrors(const Rule& rule, const WindowFacts& facts) {
  const auto requests = static_cast<int64_t>(NumberOf(facts.report, "requests", 0));
  const auto failed = static_cast<int64_t>(NumberOf(facts.report, "failed_requests", 0));
  if (requests < rule.least || requests == 0) return std::nullopt;
  Finding finding = Begin(rule, facts, static_cast<double>(failed) / static_cast<double>(requests));
  finding.summary = std::to_string(failed) + " of " + std::to_string(requests) + " requests to " +
                    Subject(finding) + " failed" + Threshold(finding) + ".";
  return finding;
}

std::optional<Finding> JudgeDelay(const Rule& rule, const WindowFacts& facts) {
  const Json* quality = facts.report.Find("quality");
  if (quality == nullptr || quality->Find("mean_label_delay_s") == nullptr ||
      NumberOf(facts.report, "labels", 0) < static_cast<double>(rule.least))
    return std::nullopt;
  Finding finding = Begin(rule, facts, NumberOf(*quality, "mean_label_delay_s", 0));
  finding.summary = "Labels of " + Subject(finding) + " came " + ShortNumber(finding.value) +
                    " s after their predictions on average" + Threshold(finding) + ".";
  return finding;
}

std::optional<Finding> JudgeCoverage(const Rule& rule, const WindowFacts& facts) {
  const double rows = NumberOf(facts.report, "predictions", 0);
  if (rows < static_cast<double>(rule.least)) return std::nullopt;
  Finding finding = Begin(rule, facts, NumberOf(facts.report, "label_coverage", 0));
  finding.summary = ShortNumber(finding.value * 100) + " % of the predictions of " +
                    Subject(finding) + " have a label (threshold " +
                    ShortNumber(rule.threshold * 100) + " %).";
  return finding;
}

}  // namespace

bool NeedsLabels(const Rule& rule) {
  return rule.kind == RuleKind::kQuality || rule.kind == RuleKind::kLabelDelay;
}

std::string ShortNumber(double value) {
  std::array<char, 64> text{};
  const int length = std::snprintf(text.data(), text.size(), "%.3f", value);
  return {text.data(), std::min(static_cast<size_t>(length), text.size() - 1)};
}

Finding BeginFinding(const Rule& rule, const std::string& endpoint, int64_t version,
                     base::Micros at, double value) {
  Finding finding;
  finding.rule = rule.name;
  finding.severity = rule.severity;
  finding.endpoint = endpoint;
  finding.version = version;
  finding.window_start = at;
  finding.value = value;
  finding.threshold = rule.threshold;
  finding.hold = rule.hold;
  finding.windows = rule.windows;
  finding.labels = rule.labels;
  finding.runbook = rule.runbook;
  finding.breached = rule.below ? value < rule.threshold : value > rule.threshold;
  // Without room between the two (a threshold of 0, a ratio of 1) what is not breached is calm.
  const double back = rule.below && rule.resolve_ratio > 0 ? rule.threshold / rule.resolve_ratio
                                                           : rule.threshold * rule.resolve_ratio;
  finding.calm = rule.below ? value > back : value < back;
  finding.calm = finding.calm || (!finding.breached && back == rule.threshold);
  finding.data = base::Json::MakeObject();
  return finding;
}

std::optional<Finding> JudgeWindow(const Rule& rule, const WindowFacts& facts) {
  std::optional<Finding> finding;
  if (rule.kind == RuleKind::kDrift)
    finding = rule.predictions ? JudgePredictions(rule, facts) : JudgeFeatures(rule, facts);
  if (rule.kind == RuleKind::kQuality) finding = JudgeQuality(rule, facts);
  if (rule.kind == RuleKind::kErrorRate) finding = JudgeErrors(rule, facts);
  if (rule.kind == RuleKind::kLabelDelay) finding = JudgeDelay(rule, facts);
  if (rule.kind == RuleKind::kLabelCoverage) finding = JudgeCoverage(rule, facts);
  return finding;
}

}  // namespace slipway::monitoring
