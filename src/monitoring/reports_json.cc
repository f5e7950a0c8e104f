// SPDX-License-Identifier: Apache-2.0
// Reports as the native API and the events show them.
#include <utility>

#include "monitoring/monitor.h"

namespace slipway::monitoring {
namespace {

using base::Json;

Json ToJson(const Estimate& estimate) {
  return Json::MakeObject(
      {{"value", estimate.value}, {"lower", estimate.lower}, {"upper", estimate.upper}});
}

Json ToJson(const WindowQuality& quality) {
  Json json = Json::MakeObject({{"task", TaskName(quality.task)}, {"n", quality.n}});
  if (quality.task == Task::kBinary) json.Set("positives", quality.positives);
  for (const auto& [name, estimate] : quality.metrics) json.Set(name, ToJson(estimate));
  json.Set("mean_label_delay_s", quality.mean_label_delay_s);
  if (quality.reliability.empty()) return json;
  Json reliability = Json::MakeArray();
  for (const ReliabilityBin& bin : quality.reliability) {
    reliability.Append(Json::MakeObject({{"from", bin.from},
                                         {"to", bin.to},
                                         {"n", bin.n},
                                         {"mean_score", bin.mean_score},
                                         {"observed", ToJson(bin.observed)}}));
  }
  json.Set("reliability", std::move(reliability));
  return json;
}

Json ToJson(const FeatureDrift& drift) {
  Json json = Json::MakeObject({
      {"name", drift.name},
      {"kind", FeatureKindName(drift.kind)},
      {"n", drift.n},
      {"psi", drift.psi},
      {"threshold", drift.threshold},
      {"judged", drift.judged},
      {"needs_rows", drift.needs_rows},
      {"p_value", drift.p_value},
      {"p_adjusted", drift.p_adjusted},
      {"drifted", drift.drifted},
      {"missing_share", drift.missing_share},
      {"out_of_range_share", drift.out_of_range_share},
      {"unseen_share", drift.unseen_share},
  });
  Json bins = Json::MakeArray();
  for (const drift::BinShare& bin : drift.bins) {
    bins.Append(Json::MakeObject(
        {{"label", bin.label}, {"baseline_share", bin.reference}, {"current_share", bin.current}}));
  }
  json.Set("bins", std::move(bins));
  const Json report = drift::ColumnJson(drift.report);
  json.Set("scores", *report.Find("scores"));
  json.Set("tests", Json::MakeObject({{"judged", drift.report.judged},
                                      {"needs_rows", drift.report.needs_rows},
                                      {"p_value", drift.report.p_value},
                                      {"p_adjusted", drift.report.p_adjusted},
                                      {"drifted", drift.report.drifted},
                                      {"decided_by", *report.Find("decided_by")},
                                      {"parts", *report.Find("tests")}}));
  if (drift.contribution) {
    json.Set("attribution", Json::MakeObject({{"contribution", *drift.contribution},
                                              {"unexplained_share", drift.unexplained_share}}));
  }
  json.Set("baseline_moments", *report.Find("reference_moments"));
  return json.Set("moments", *report.Find("moments"));
}

Json SegmentJson(const std::string& feature, const std::string& value) {
  return feature.empty() ? Json() : Json::MakeObject({{"feature", feature}, {"value", value}});
}

Json WindowJson(const Span& window, bool closed) {
  return Json::MakeObject({{"start", base::FormatTime(window.start)},
                           {"end", base::FormatTime(window.end)},
                           {"closed", closed}});
}

}  // namespace

const Estimate* WindowQuality::Find(std::string_view metric) const {
  const auto found = metrics.find(metric);
  return found == metrics.end() ? nullptr : &found->second;
}

Json ToJson(const WindowReport& report) {
  Json json = WindowJson(report.window, report.closed);
  json.Set("version", report.version ? Json(*report.version) : Json());
  json.Set("arm", report.arm ? Json(*report.arm) : Json());
  json.Set("segment", SegmentJson(report.segment_feature, report.segment_value));
  json.Set("requests", report.requests);
  json.Set("failed_requests", report.failed_requests);
  json.Set("predictions", report.predictions);
  json.Set("labels", report.labels);
  json.Set("label_coverage", report.label_coverage);
  json.Set("quality", report.quality ? ToJson(*report.quality) : Json());
  json.Set("drift_version", report.drift_version ? Json(*report.drift_version) : Json());
  Json psi = Json::MakeObject();
  for (const auto& [feature, value] : report.psi) psi.Set(feature, value);
  json.Set("psi", std::move(psi));
  json.Set("prediction_psi", report.prediction_psi ? Json(*report.prediction_psi) : Json());
  return json;
}

Json ToJson(const DetectorReport& report) {
  Json json = Json::MakeObject({{"stream", report.stream},
                                {"values", report.values},
                                {"alarms", report.alarms},
                                {"level", report.level},
                                {"listens", report.listens},
                                {"smallest_shift", report.smallest_shift}});
  json.Set("episode", report.in_episode
                          ? Json::MakeObject({{"what", report.what},
                                              {"began", base::FormatTime(report.began)},
                                              {"detected", base::FormatTime(report.detected)}})
                          : Json());
  return json;
}

Json ToJson(const DriftReport& report) {
  Json json = Json::MakeObject();
  json.Set("window", WindowJson(report.window, report.closed));
  json.Set("baseline", Json::MakeObject({{"version", report.version},
                                         {"rows", report.baseline_rows},
                                         {"source", report.baseline_source}}));
  Json features = Json::MakeArray();
  for (const FeatureDrift& feature : report.features) features.Append(ToJson(feature));
  json.Set("features", std::move(features));
  json.Set("prediction", report.prediction ? ToJson(*report.prediction) : Json());
  json.Set("arm", report.arm ? Json(*report.arm) : Json());
  json.Set("segment", SegmentJson(report.segment_feature, report.segment_value));
  Json detectors = Json::MakeArray();
  for (const DetectorReport& detector : report.detectors) detectors.Append(ToJson(detector));
  json.Set("detectors", std::move(detectors));
  return json;
}

}  // namespace slipway::monitoring
