// SPDX-License-Identifier: Apache-2.0
#include "monitoring/rules/judge.h"

#include <gtest/gtest.h>

namespace slipway::monitoring {
namespace {

using base::Json;
using base::kHour;
using base::kMinute;

Rule RuleOf(const std::string& yaml) {
  auto rules = ReadRules("rules: [" + yaml + "]", "r.yaml", {});
  EXPECT_TRUE(rules.ok()) << rules.status().ToString();
  return rules.ok() ? rules->at(0) : Rule();
}

WindowFacts Window(const std::string& report, const std::string& drift = "null") {
  return {"flights", 3, 0, kHour, Json::Parse(report).value(), Json::Parse(drift).value(), {}};
}

WindowFacts WithAuc(const std::string& interval) {
  WindowFacts facts =
      Window(R"({"requests": 1000, "quality": {"n": 900, "auc": )" + interval + "}}");
  facts.references["auc"] = 0.755;
  return facts;
}

const char* kAucDrop = "{name: auc_drop, kind: quality, metric: auc, severity: critical}";

TEST(Rules, RaiseAnAlertWhenTheAucFallsUnderTheGatesValue) {
  const auto finding =
      JudgeWindow(RuleOf(kAucDrop), WithAuc(R"({"value": 0.7, "lower": 0.69, "upper": 0.71})"));
  ASSERT_TRUE(finding);
  EXPECT_TRUE(finding->breached);
  EXPECT_FALSE(finding->calm);
  EXPECT_NEAR(finding->value, 0.055, 1e-12);
  EXPECT_EQ(finding->severity, "critical");
  EXPECT_EQ(finding->summary,
            "The AUC of flights version 3 is 0.700 [0.690, 0.710] on 900 labelled rows, 0.055 "
            "under its 0.755 at the gate (threshold 0.030).");
}

TEST(Rules, DoNotRaiseAnAlertForAFallThatChanceExplains) {
  const auto finding =
      JudgeWindow(RuleOf(kAucDrop), WithAuc(R"({"value": 0.7, "lower": 0.6, "upper": 0.8})"));
  EXPECT_FALSE(finding->breached);
  EXPECT_FALSE(finding->calm);
}

TEST(Rules, NeedAReferenceToJudgeAFall) {
  WindowFacts facts = WithAuc(R"({"value": 0.5, "lower": 0.4, "upper": 0.6})");
  facts.references.clear();
  EXPECT_FALSE(JudgeWindow(RuleOf(kAucDrop), facts));
  EXPECT_FALSE(JudgeWindow(RuleOf(kAucDrop), Window(R"({"quality": null})")));
}

TEST(Rules, JudgeAnyMetricOfTheReportAgainstANumber) {
  const Rule rule = RuleOf("{name: b, kind: quality, metric: brier, above: 0.2}");
  const WindowFacts bad =
      Window(R"({"quality": {"n": 50, "brier": {"value": 0.25, "lower": 0.22, "upper": 0.28}}})");
  EXPECT_TRUE(JudgeWindow(rule, bad)->breached);
  const WindowFacts unsure =
      Window(R"({"quality": {"n": 50, "brier": {"value": 0.25, "lower": 0.1, "upper": 0.4}}})");
  EXPECT_FALSE(JudgeWindow(rule, unsure)->breached);
  EXPECT_FALSE(JudgeWindow(RuleOf("{name: b, kind: quality, metric: f1, below: 1}"), bad));
}

const char* kDrift = R"({
  "features": [{"name": "temp", "n": 900, "psi": 7.5, "judged": true, "p_adjusted": 0.0},
               {"name": "hour", "n": 900, "psi": 0.01, "judged": true, "p_adjusted": 0.9}],
  "prediction": {"name": "score", "n": 900, "psi": 0.47, "judged": true, "p_adjusted": 0.0}})";

TEST(Rules, SayWhichFeaturesHaveDrifted) {
  const auto finding =
      JudgeWindow(RuleOf("{name: f, kind: drift, severity: info}"), Window("{}", kDrift));
  EXPECT_TRUE(finding->breached);
  EXPECT_EQ(finding->severity, "info");
  EXPECT_EQ(finding->data.Find("features")->Dump(), R"({"temp":7.5})");
  EXPECT_EQ(finding->summary,
            "1 of 2 features of flights version 3 have drifted; most of all temp: PSI 7.500 "
            "(threshold 0.200).");
  const auto one =
      JudgeWindow(RuleOf("{name: f, kind: drift, feature: \"ho*\"}"), Window("{}", kDrift));
  EXPECT_FALSE(one->breached);
  EXPECT_TRUE(one->calm);
}

TEST(Rules, JudgeAnyDistanceOfTheDriftReportByItsOwnTests) {
  const Rule rule = RuleOf("{name: k, kind: drift, metric: ks, threshold: 0.1}");
  const WindowFacts facts = Window("{}", R"({"features": [
    {"name": "a", "psi": 0, "judged": true, "p_adjusted": 0.9,
     "scores": {"ks": {"value": 0.3}}, "tests": {"judged": true, "p_adjusted": 0.001}},
    {"name": "b", "scores": {"ks": {"value": 0.4}}, "tests": {"judged": false}}]})");
  const auto finding = JudgeWindow(rule, facts);
  ASSERT_TRUE(finding);
  EXPECT_TRUE(finding->breached);
  EXPECT_EQ(finding->data.Find("features")->Dump(), R"({"a":0.3})");
}

TEST(Rules, AreNeitherBreachedNorCalmBetweenTheThresholds) {
  const Rule rule = RuleOf("{name: p, kind: drift, of: prediction}");
  EXPECT_TRUE(JudgeWindow(rule, Window("{}", kDrift))->breached);
  const auto between = JudgeWindow(
      rule, Window("{}", R"({"prediction": {"psi": 0.18, "judged": true, "p_adjusted": 0.01}})"));
  EXPECT_FALSE(between->breached);
  EXPECT_FALSE(between->calm);
}

TEST(Rules, SayNothingOfTooFewRows) {
  const Rule drift = RuleOf("{name: p, kind: drift, of: prediction}");
  EXPECT_FALSE(JudgeWindow(drift, Window("{}", R"({"prediction": {"psi": 5, "judged": false}})")));
  EXPECT_FALSE(JudgeWindow(drift, Window("{}")));
  const Rule errors = RuleOf("{name: e, kind: error_rate}");
  EXPECT_FALSE(JudgeWindow(errors, Window(R"({"requests": 99, "failed_requests": 99})")));
  EXPECT_TRUE(JudgeWindow(errors, Window(R"({"requests": 100, "failed_requests": 6})"))->breached);
}

TEST(Rules, JudgeLabels) {
  const Rule delay = RuleOf("{name: d, kind: label_delay, above: 1h}");
  EXPECT_TRUE(
      JudgeWindow(delay, Window(R"({"labels": 9, "quality": {"mean_label_delay_s": 4000}})"))
          ->breached);
  const Rule coverage = RuleOf("{name: c, kind: label_coverage, below: 0.5}");
  EXPECT_TRUE(
      JudgeWindow(coverage, Window(R"({"predictions": 10, "label_coverage": 0.4})"))->breached);
  const auto back = JudgeWindow(coverage, Window(R"({"predictions": 10, "label_coverage": 0.55})"));
  EXPECT_FALSE(back->breached);
  EXPECT_FALSE(back->calm);  // 0.5 / 0.8
}

TEST(LiveRules, JudgeAQuantileOfTheAnswerTimes) {
  LiveCounts counts;
  counts.Add("flights", 10 * kMinute, false, 1'000'000, 95);
  counts.Add("flights", 10 * kMinute, false, 400'000'000, 5);
  const LiveFacts facts{counts, 11 * kMinute, 0};
  const auto p99 = JudgeLive(RuleOf("{name: l, kind: latency, above: 250ms}"), "flights", facts);
  EXPECT_TRUE(p99->breached);
  EXPECT_NEAR(p99->value, 0.4, 0.06);
  const auto p50 =
      JudgeLive(RuleOf("{name: l, kind: latency, quantile: 0.5, above: 250ms}"), "flights", facts);
  EXPECT_NEAR(p50->value, 0.001, 0.0002);
  EXPECT_FALSE(JudgeLive(RuleOf("{name: l, kind: latency, above: 250ms}"), "flights",
                         {counts, 30 * kMinute, 0}));
}

TEST(LiveRules, CompareTheVolumeWithTheTimeBefore) {
  LiveCounts counts;
  for (int minute = 0; minute < 120; ++minute)
    counts.Add("flights", minute * kMinute, false, 1000, minute < 105 ? 10 : 2);
  const Rule rule = RuleOf("{name: v, kind: volume_drop, span: 15m}");
  const auto now = JudgeLive(rule, "flights", {counts, 120 * kMinute, 0});
  EXPECT_NEAR(now->value, 0.2, 1e-9);
  EXPECT_TRUE(now->breached);
  EXPECT_FALSE(JudgeLive(rule, "flights", {counts, 105 * kMinute, 0})->breached);
  EXPECT_FALSE(JudgeLive(rule, "flights", {counts, 20 * kMinute, 0}));  // too little is known
}

TEST(LiveRules, CompareTheVolumeWithFormerDaysAtThisTime) {
  LiveCounts counts;
  for (int day = 0; day < 4; ++day) {
    const base::Micros noon = day * base::kDay + 12 * kHour;
    for (int minute = 0; minute < 60; ++minute)
      counts.Add("flights", noon + minute * kMinute, false, 1000, day == 3 ? 1 : 10);
  }
  const Rule rule =
      RuleOf("{name: v, kind: volume_drop, against: same_time, span: 1h, below: 0.5}");
  const auto finding = JudgeLive(rule, "flights", {counts, 3 * base::kDay + 13 * kHour, 0});
  EXPECT_NEAR(finding->value, 0.1, 1e-9);
  EXPECT_TRUE(finding->breached);
}

TEST(LiveRules, BurnAnErrorBudgetOnlyWhileBothSpansBurn) {
  LiveCounts counts;
  const auto minutes = [&](int from, int until, int64_t bad) {
    for (int minute = from; minute < until; ++minute) {
      counts.Add("flights", minute * kMinute, false, 1000, 100 - bad);
      if (bad > 0) counts.Add("flights", minute * kMinute, true, 1000, bad);
    }
  };
  const Rule rule = RuleOf(
      "{name: s, kind: slo_burn_rate, objective: 0.99, burn: [{span: 1h, confirm: 5m, factor: "
      "14.4}]}");
  minutes(0, 60, 0);
  EXPECT_FALSE(JudgeLive(rule, "flights", {counts, 60 * kMinute, 0})->breached);
  minutes(60, 90, 40);  // 40 % of half an hour: 20 times the budget over the hour
  const auto burning = JudgeLive(rule, "flights", {counts, 90 * kMinute, 0});
  EXPECT_TRUE(burning->breached);
  EXPECT_NEAR(burning->value, 20, 1e-9);
  minutes(90, 100, 0);  // the short span is clean again
  const auto after = JudgeLive(rule, "flights", {counts, 100 * kMinute, 0});
  EXPECT_FALSE(after->breached);
  EXPECT_TRUE(after->calm);
}

TEST(LiveRules, CountWhatTheLogsCouldNotTake) {
  const LiveCounts counts;
  const Rule rule = RuleOf("{name: l, kind: log_failures}");
  EXPECT_TRUE(JudgeLive(rule, "(server)", {counts, 0, 1})->breached);
  const auto none = JudgeLive(rule, "(server)", {counts, 0, 0});
  EXPECT_FALSE(none->breached);
  EXPECT_TRUE(none->calm);
}

}  // namespace
}  // namespace slipway::monitoring
