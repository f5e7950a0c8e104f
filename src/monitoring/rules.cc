// SPDX-License-Identifier: Apache-2.0
// The judging of a closed window: four rules, each with the sentence that a person gets to read.
#include "monitoring/rules.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

namespace slipway::monitoring {
namespace {

std::string Number(double value) {
  std::array<char, 32> text{};
  const int length = std::snprintf(text.data(), text.size(), "%.3f", value);
  return {text.data(), static_cast<size_t>(length)};
}

bool Wanted(const MonitorSettings& settings, std::string_view rule) {
  return std::find(settings.rules.begin(), settings.rules.end(), rule) != settings.rules.end();
}

// What an operator should look at first. Drift of a feature alone does no harm that anybody has
// seen.
Finding Begin(const char* rule, const char* severity, const WindowReport& window,
              const std::string& endpoint, double value, double threshold) {
  Finding finding;
  finding.rule = rule;
  finding.severity = severity;
  finding.endpoint = endpoint;
  finding.version = window.version.value_or(0);
  finding.window_start = window.window.start;
  finding.value = value;
  finding.threshold = threshold;
  finding.data = base::Json::MakeObject(
      {{"window", base::Json::MakeObject({{"start", base::FormatTime(window.window.start)},
                                          {"end", base::FormatTime(window.window.end)}})}});
  return finding;
}

std::string Subject(const Finding& finding) {
  return finding.endpoint + " version " + std::to_string(finding.version);
}

std::optional<Finding> PredictionPsi(const WindowReport& window, const DriftReport& drift,
                                     const std::string& endpoint, const MonitorSettings& settings) {
  if (!drift.prediction || !drift.prediction->judged) return std::nullopt;
  const FeatureDrift& prediction = *drift.prediction;
  Finding finding =
      Begin("prediction_psi", "warning", window, endpoint, prediction.psi, settings.psi_threshold);
  finding.breached = prediction.drifted;
  finding.calm = prediction.psi < settings.psi_threshold * settings.resolve_ratio;
  finding.summary = "The predictions of " + Subject(finding) +
                    " have moved from their baseline: PSI " + Number(prediction.psi) + " over " +
                    std::to_string(prediction.n) + " rows (threshold " +
                    Number(settings.psi_threshold) + ").";
  finding.data.Set("n", prediction.n);
  return finding;
}

std::optional<Finding> FeaturePsi(const WindowReport& window, const DriftReport& drift,
                                  const std::string& endpoint, const MonitorSettings& settings) {
  const FeatureDrift* most = nullptr;
  base::Json drifted = base::Json::MakeObject();
  int64_t drifted_count = 0;
  for (const FeatureDrift& feature : drift.features) {
    if (!feature.judged) continue;
    if (most == nullptr || feature.psi > most->psi) most = &feature;
    if (!feature.drifted) continue;
    drifted.Set(feature.name, feature.psi);
    ++drifted_count;
  }
  if (most == nullptr) return std::nullopt;
  Finding finding =
      Begin("feature_psi", "info", window, endpoint, most->psi, settings.psi_threshold);
  finding.breached = drifted_count > 0;
  finding.calm = most->psi < settings.psi_threshold * settings.resolve_ratio;
  finding.summary = std::to_string(drifted_count) + " of " + std::to_string(drift.features.size()) +
                    " features of " + Subject(finding) + " have drifted; most of all " +
                    most->name + ": PSI " + Number(most->psi) + " (threshold " +
                    Number(settings.psi_threshold) + ").";
  finding.data.Set("features", std::move(drifted));
  return finding;
}

std::optional<Finding> ErrorRate(const WindowReport& window, const std::string& endpoint,
                                 const MonitorSettings& settings) {
  if (window.requests < kLeastRequestsForErrors) return std::nullopt;
  const double rate =
      static_cast<double>(window.failed_requests) / static_cast<double>(window.requests);
  Finding finding = Begin("error_rate", "critical", window, endpoint, rate, settings.error_rate);
  finding.breached = rate > settings.error_rate;
  finding.calm = rate < settings.error_rate * settings.resolve_ratio;
  finding.summary = std::to_string(window.failed_requests) + " of " +
                    std::to_string(window.requests) + " requests to " + Subject(finding) +
                    " failed (threshold " + Number(settings.error_rate) + ").";
  return finding;
}

}  // namespace

std::vector<Finding> JudgeDrift(const WindowReport& window, const DriftReport* drift,
                                const std::string& endpoint, const MonitorSettings& settings) {
  std::vector<Finding> findings;
  const auto add = [&](std::optional<Finding> finding) {
    if (finding) findings.push_back(*std::move(finding));
  };
  if (drift != nullptr && Wanted(settings, "prediction_psi"))
    add(PredictionPsi(window, *drift, endpoint, settings));
  if (drift != nullptr && Wanted(settings, "feature_psi"))
    add(FeaturePsi(window, *drift, endpoint, settings));
  if (Wanted(settings, "error_rate")) add(ErrorRate(window, endpoint, settings));
  return findings;
}

std::vector<Finding> JudgeQuality(const WindowReport& window, std::optional<double> reference_auc,
                                  const std::string& endpoint, const MonitorSettings& settings) {
  const Estimate* measured = window.quality ? window.quality->Find("auc") : nullptr;
  if (!reference_auc || measured == nullptr || !Wanted(settings, "auc_drop")) return {};
  const Estimate& auc = *measured;
  const double drop = *reference_auc - auc.value;
  Finding finding = Begin("auc_drop", "critical", window, endpoint, drop, settings.auc_drop);
  finding.breached = drop > settings.auc_drop && auc.upper < *reference_auc;
  finding.calm = drop < settings.auc_drop * settings.resolve_ratio;
  finding.summary = "The AUC of " + Subject(finding) + " is " + Number(auc.value) + " [" +
                    Number(auc.lower) + ", " + Number(auc.upper) + "] on " +
                    std::to_string(window.quality->n) + " labelled rows, " + Number(drop) +
                    " under its " + Number(*reference_auc) + " at the gate (threshold " +
                    Number(settings.auc_drop) + ").";
  finding.data.Set("reference", *reference_auc);
  finding.data.Set("auc", auc.value);
  finding.data.Set("n", window.quality->n);
  return {std::move(finding)};
}

}  // namespace slipway::monitoring
