// SPDX-License-Identifier: Apache-2.0
#include "monitoring/rules.h"

#include <gtest/gtest.h>

namespace slipway::monitoring {
namespace {

WindowReport WindowOfVersion3() {
  WindowReport window;
  window.window = {0, base::kHour};
  window.version = 3;
  window.requests = 1000;
  window.predictions = 1000;
  return window;
}

WindowReport WithAuc(double value, double lower, double upper) {
  WindowReport window = WindowOfVersion3();
  WindowQuality quality;
  quality.n = 900;
  quality.metrics["auc"] = {value, lower, upper};
  window.quality = quality;
  return window;
}

FeatureDrift Feature(const std::string& name, double psi, bool drifted) {
  FeatureDrift drift;
  drift.name = name;
  drift.psi = psi;
  drift.judged = true;
  drift.drifted = drifted;
  return drift;
}

const Finding* Find(const std::vector<Finding>& findings, const std::string& rule) {
  for (const Finding& finding : findings) {
    if (finding.rule == rule) return &finding;
  }
  return nullptr;
}

TEST(Rules, RaiseAnAlertWhenTheAucFallsUnderTheGatesValue) {
  const auto findings = JudgeQuality(WithAuc(0.70, 0.69, 0.71), 0.755, "flights", {});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_TRUE(findings[0].breached);
  EXPECT_FALSE(findings[0].calm);
  EXPECT_NEAR(findings[0].value, 0.055, 1e-12);
  EXPECT_EQ(findings[0].severity, "critical");
  EXPECT_EQ(findings[0].summary,
            "The AUC of flights version 3 is 0.700 [0.690, 0.710] on 900 labelled rows, 0.055 "
            "under its 0.755 at the gate "
            "(threshold 0.030).");
}

TEST(Rules, DoNotRaiseAnAlertForAFallThatChanceExplains) {
  const auto findings = JudgeQuality(WithAuc(0.70, 0.60, 0.80), 0.755, "flights", {});
  EXPECT_FALSE(findings[0].breached);
  EXPECT_FALSE(findings[0].calm);
}

TEST(Rules, NeedAReferenceToJudgeQuality) {
  EXPECT_TRUE(JudgeQuality(WithAuc(0.5, 0.4, 0.6), std::nullopt, "flights", {}).empty());
  EXPECT_TRUE(JudgeQuality(WindowOfVersion3(), 0.755, "flights", {}).empty());
}

TEST(Rules, GiveDriftOfFeaturesTheLowestSeverity) {
  DriftReport drift;
  drift.features = {Feature("temp", 7.5, true), Feature("hour", 0.01, false)};
  drift.prediction = Feature("score", 0.47, true);
  const auto findings = JudgeDrift(WindowOfVersion3(), &drift, "flights", {});
  ASSERT_EQ(findings.size(), 3u);
  EXPECT_TRUE(Find(findings, "feature_psi")->breached);
  EXPECT_EQ(Find(findings, "feature_psi")->severity, "info");
  EXPECT_EQ(Find(findings, "feature_psi")->data.Find("features")->Dump(), R"({"temp":7.5})");
  EXPECT_TRUE(Find(findings, "prediction_psi")->breached);
  EXPECT_EQ(Find(findings, "prediction_psi")->severity, "warning");
  EXPECT_FALSE(Find(findings, "error_rate")->breached);
  EXPECT_TRUE(Find(findings, "error_rate")->calm);
}

TEST(Rules, AreNeitherBreachedNorCalmBetweenTheThresholds) {
  DriftReport drift;
  drift.prediction = Feature("score", 0.18, false);
  const Finding finding =
      *Find(JudgeDrift(WindowOfVersion3(), &drift, "flights", {}), "prediction_psi");
  EXPECT_FALSE(finding.breached);
  EXPECT_FALSE(finding.calm);
}

TEST(Rules, SayNothingOfTooFewRows) {
  DriftReport drift;
  drift.prediction = Feature("score", 5, true);
  drift.prediction->judged = false;
  WindowReport window = WindowOfVersion3();
  window.requests = 99;
  EXPECT_TRUE(JudgeDrift(window, &drift, "flights", {}).empty());
}

TEST(Rules, RaiseAnAlertWhenRequestsFail) {
  WindowReport window = WindowOfVersion3();
  window.failed_requests = 51;
  EXPECT_TRUE(Find(JudgeDrift(window, nullptr, "flights", {}), "error_rate")->breached);
}

TEST(Rules, CanBeSwitchedOff) {
  MonitorSettings settings;
  settings.rules = {"auc_drop"};
  DriftReport drift;
  drift.prediction = Feature("score", 0.47, true);
  EXPECT_TRUE(JudgeDrift(WindowOfVersion3(), &drift, "flights", settings).empty());
}

}  // namespace
}  // namespace slipway::monitoring
