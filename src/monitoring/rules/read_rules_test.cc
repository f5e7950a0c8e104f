// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "monitoring/rules/rule.h"

namespace slipway::monitoring {
namespace {

std::string ErrorOf(const std::string& yaml) {
  return ReadRules(yaml, "r.yaml", {}).status().message();
}
std::string ErrorOfRule(const std::string& rest) {
  return ErrorOf("rules:\n  - name: a\n    " + rest + "\n");
}

TEST(ReadRules, GivesTheBuiltInOnesTheSettingsThresholds) {
  const auto rules = ReadRules(std::string(DefaultRules()), "built in", {0.3, 0.05, 0.1, 0.7});
  ASSERT_TRUE(rules.ok()) << rules.status().ToString();
  ASSERT_EQ(rules->size(), 4u);
  EXPECT_EQ(rules->at(0).name, "prediction_psi");
  EXPECT_EQ(rules->at(0).threshold, 0.3);
  EXPECT_EQ(rules->at(2).threshold, 0.05);
  EXPECT_TRUE(rules->at(2).against_reference);
  EXPECT_EQ(rules->at(3).threshold, 0.1);
  EXPECT_EQ(rules->at(3).resolve_ratio, 0.7);
}

TEST(ReadRules, ReadsEveryKind) {
  const auto rules = ReadRules(R"(
rules:
  - {name: a, kind: drift, of: feature, metric: ks, threshold: 0.1, windows: 3, feature: "price_*"}
  - {name: b, kind: quality, metric: f1, below: 0.8, least_labels: 500}
  - {name: c, kind: error_rate, above: 0.01, span: 10m, for: 5m, severity: critical}
  - {name: d, kind: latency, quantile: 0.95, above: 200ms, span: 10m, endpoints: ["fraud-*"]}
  - {name: e, kind: volume_drop, against: same_time, days: 5, below: 0.4}
  - {name: f, kind: label_delay, above: 2d}
  - {name: g, kind: label_coverage, below: 0.3}
  - name: h
    kind: slo_burn_rate
    objective: 0.999
    burn: [{span: 3d, confirm: 6h, factor: 1}]
  - {name: i, kind: log_failures}
  - {name: j, kind: latency, above: 1s, enabled: false}
)",
                               "r.yaml", {});
  ASSERT_TRUE(rules.ok()) << rules.status().ToString();
  ASSERT_EQ(rules->size(), 9u);
  EXPECT_EQ(rules->at(0).windows, 3);
  EXPECT_TRUE(rules->at(1).below);
  EXPECT_EQ(rules->at(2).hold, 5 * base::kMinute);
  EXPECT_EQ(rules->at(3).threshold, 0.2);
  EXPECT_TRUE(rules->at(4).same_time);
  EXPECT_EQ(rules->at(7).burn.at(0).span, 3 * base::kDay);
}

TEST(ReadRules, SaysWhereAndWhatWasExpected) {
  EXPECT_EQ(ErrorOfRule("kind: latency\n    abov: 3s"),
            "r.yaml:4:5: rules[0].abov: a rule of kind latency has no such key; did you mean "
            "\"above\"?");
  EXPECT_EQ(ErrorOfRule("kind: latencyy"),
            "r.yaml:3:5: rules[0].kind: unknown kind \"latencyy\"; expected one of drift, quality, "
            "error_rate, latency, volume_drop, label_delay, label_coverage, slo_burn_rate, "
            "log_failures; did you mean \"latency\"?");
  EXPECT_EQ(ErrorOfRule("kind: latency\n    above: 0.25"),
            "r.yaml:4:5: rules[0].above: expected a time from 1us to 1d, such as 5m, got 0.25");
  EXPECT_EQ(ErrorOfRule("kind: error_rate\n    above: 5"),
            "r.yaml:4:5: rules[0].above: expected a number from 0 to 1, got 5");
  EXPECT_EQ(ErrorOfRule("kind: error_rate\n    severity: urgent"),
            "r.yaml:4:5: rules[0].severity: expected one of info, warning, critical, got "
            "\"urgent\"");
  EXPECT_EQ(ErrorOfRule("severity: info"),
            "r.yaml:2:5: rules[0].kind: missing: expected drift, quality, latency, ...");
  EXPECT_EQ(ErrorOf("rules: 3"), "r.yaml:1:1: rules: expected a list of rules");
  EXPECT_NE(ErrorOf("rules:\n  - {name: a, kind: error_rate}\n  - {name: a, kind: error_rate}")
                .find("another rule is called \"a\" already"),
            std::string::npos);
}

TEST(ReadRules, RefusesFreshnessOfFeaturesThatNobodyMeasures) {
  EXPECT_NE(ErrorOfRule("kind: stale_features")
                .find("r.yaml:3:5: rules[0].kind: this server keeps no features"),
            std::string::npos);
}

TEST(ReadRules, KeepsASlowSloWithinWhatIsRemembered) {
  EXPECT_NE(ErrorOfRule("kind: slo_burn_rate\n    objective: 0.99\n    slower_than: 1s\n    burn: "
                        "[{span: 3d, confirm: 6h, factor: 1}]")
                .find("rules[0].burn[0].span: expected a time from 1m to 6h"),
            std::string::npos);
}

TEST(Patterns, MatchWithStars) {
  EXPECT_TRUE(Matches("*", ""));
  EXPECT_TRUE(Matches("fraud-*", "fraud-eu"));
  EXPECT_TRUE(Matches("*-eu", "fraud-eu"));
  EXPECT_TRUE(Matches("f*d*u", "fraud-eu"));
  EXPECT_FALSE(Matches("fraud", "fraud-eu"));
  EXPECT_FALSE(Matches("*x", "fraud-eu"));
}

}  // namespace
}  // namespace slipway::monitoring
