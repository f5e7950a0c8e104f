// SPDX-License-Identifier: Apache-2.0
// What the counts say: windows, drift and quality, computed when somebody asks.
#include <algorithm>
#include <cmath>
#include <utility>

#include "monitoring/monitor_state.h"
#include "monitoring/rules.h"
#include "monitoring/windows/slices.h"
#include "monitoring/windows/window_quality.h"

namespace slipway::monitoring {
namespace {

// Those that are judged: what only answered without the registry is nobody's production.
std::vector<int64_t> JudgedVersionsIn(const Window& window) {
  std::vector<int64_t> versions;
  for (const auto& [key, cell] : window.cells) {
    if (key.second == kUnmanagedArm) continue;
    if (versions.empty() || versions.back() != key.first) versions.push_back(key.first);
  }
  return versions;
}

}  // namespace

base::Result<size_t> Monitor::State::SegmentFeature(const std::string& endpoint,
                                                    const std::string& feature) const {
  const std::vector<std::string>& features = table->RuleOf(endpoint).segments;
  const auto found = std::find(features.begin(), features.end(), feature);
  if (found == features.end()) {
    return base::InvalidArgument("segment", "endpoint '" + endpoint + "' has no segment feature '" +
                                                feature + "' (monitoring.endpoints." + endpoint +
                                                ".segments)");
  }
  return static_cast<size_t>(found - features.begin());
}

std::optional<WindowQuality> Monitor::State::QualityOf(const std::string& name,
                                                       const EndpointState& endpoint,
                                                       base::Micros start, const Window& window,
                                                       const Slice& slice) {
  CachedQuality& cached = quality_cache[{name, start, slice}];
  if (cached.revision == window.revision) return cached.quality;
  cached = {window.revision, std::nullopt};
  std::optional<SegmentKey> segment;
  if (!slice.segment_feature.empty()) {
    const auto feature = SegmentFeature(name, slice.segment_feature);
    if (feature.ok()) segment = KeyOf(endpoint, *feature, slice.segment_value);
    if (!segment) return std::nullopt;
  }
  std::vector<QualityRow> rows;
  bool classes = false;
  for (const auto& [key, cell] : window.cells) {
    if (!Matches(slice, key)) continue;
    classes = classes || cell.classes;
    std::copy_if(cell.scored.begin(), cell.scored.end(), std::back_inserter(rows),
                 [&](const QualityRow& row) {
                   return !std::isnan(row.score) &&
                          (!segment || row.segments[segment->first] == segment->second);
                 });
  }
  const Task task = classes ? Task::kMulticlass : table->RuleOf(name).task;
  cached.quality = MeasureWindow(rows, task, endpoint.classes.Names(), kConfidence);
  if (cached.quality) {
    const Totals totals = TotalsOf(window, slice, segment);
    cached.quality->mean_label_delay_s = static_cast<double>(totals.label_delay) /
                                         static_cast<double>(totals.labelled_rows) /
                                         static_cast<double>(base::kSecond);
  }
  return cached.quality;
}

WindowReport Monitor::State::Report(const std::string& name, const EndpointState& endpoint,
                                    base::Micros start, const Window& window, const Slice& slice) {
  WindowReport report;
  report.window = {start, start + table->window_length()};
  report.closed = report.window.end <= parts.clock.Now();
  report.version = slice.version;
  report.arm = slice.arm;
  report.segment_feature = slice.segment_feature;
  report.segment_value = slice.segment_value;
  std::optional<SegmentKey> segment;
  if (!slice.segment_feature.empty()) {
    const auto feature = SegmentFeature(name, slice.segment_feature);
    if (feature.ok()) segment = KeyOf(endpoint, *feature, slice.segment_value);
  }
  const Totals totals = TotalsOf(window, slice, segment);
  report.requests = totals.requests;
  report.failed_requests = totals.failed_requests;
  report.predictions = totals.rows;
  report.labels = totals.labelled_rows;
  if (report.predictions > 0) {
    report.label_coverage =
        static_cast<double>(report.labels) / static_cast<double>(report.predictions);
  }
  report.quality = QualityOf(name, endpoint, start, window, slice);
  if (!slice.segment_feature.empty() || slice.arm) return report;
  const std::optional<int64_t> drift_version = slice.version ? slice.version : MainVersion(window);
  const VersionProfile* profile = drift_version ? ProfileOf(endpoint, *drift_version) : nullptr;
  if (profile == nullptr) return report;
  report.drift_version = drift_version;
  const ProfileCounts counts = CountsOf(window, {.version = drift_version}, std::nullopt, *profile);
  const Baseline& baseline = profile->baseline();
  for (size_t i = 0; i < baseline.features.size(); ++i) {
    report.psi[baseline.features[i].bins.name()] =
        drift::Psi(baseline.features[i].counts.bins, counts.features[i].bins);
  }
  if (baseline.score)
    report.prediction_psi = drift::Psi(baseline.score->counts.bins, counts.score.bins);
  return report;
}

std::vector<Slice> Monitor::State::SlicesOf(const std::string& name, const EndpointState& endpoint,
                                            const Window& window, const WindowQuery& query) const {
  std::set<Slice> slices;
  const auto feature = query.split == Split::kSegment
                           ? SegmentFeature(name, query.slice.segment_feature)
                           : base::Result<size_t>(size_t{0});
  for (const auto& [key, cell] : window.cells) {
    if (!Matches(query.slice, key)) continue;
    Slice slice = query.slice;
    if (query.split == Split::kVersion) slice.version = key.first;
    if (query.split == Split::kArm) slice.arm = key.second;
    if (query.split != Split::kSegment) {
      slices.insert(slice);
      continue;
    }
    for (const auto& [segment, counts] : cell.segments) {
      if (!feature.ok() || segment.first != *feature) continue;
      slice.segment_value = endpoint.segments.ValueOf(*feature, segment.second);
      slices.insert(slice);
    }
  }
  return {slices.begin(), slices.end()};
}

base::Result<std::vector<WindowReport>> Monitor::WindowsBy(const std::string& endpoint,
                                                           const WindowQuery& query) {
  Flush();
  State& state = *state_;
  if (!query.slice.segment_feature.empty())
    TRY(state.SegmentFeature(endpoint, query.slice.segment_feature));
  std::vector<WindowReport> reports;
  const std::lock_guard lock(state.mutex);
  state.table->Settle();
  const auto found = state.table->endpoints().find(endpoint);
  if (found == state.table->endpoints().end()) return reports;
  for (const auto& [start, window] : found->second.windows) {
    if ((query.from && start + state.table->window_length() <= *query.from) ||
        (query.until && start >= *query.until))
      continue;
    for (const Slice& slice : state.SlicesOf(endpoint, found->second, window, query))
      reports.push_back(state.Report(endpoint, found->second, start, window, slice));
  }
  return reports;
}

base::Result<std::vector<WindowReport>> Monitor::Windows(const std::string& endpoint,
                                                         std::optional<base::Micros> from,
                                                         std::optional<base::Micros> until,
                                                         std::optional<int64_t> version) {
  return WindowsBy(endpoint, {from, until, {.version = version}, Split::kNone});
}

Span Monitor::WindowAt(base::Micros time) const {
  const base::Micros start = state_->table->WindowStart(time);
  return {start, start + state_->table->window_length()};
}

std::optional<double> Monitor::ScoreOf(const LoggedPrediction& prediction) const {
  PredictionRecord row = prediction.record;
  row.rows = 1;  // its tensors are cut to the one row
  const auto bytes = EncodePrediction(row);
  PredictionView view;
  if (row.status_code != 0 || !bytes.ok() || !ReadPrediction(*bytes, view).ok())
    return std::nullopt;
  const auto score = FindScore(view, state_->table->RuleOf(row.endpoint));
  if (!score || std::isnan(score->At(0))) return std::nullopt;
  return score->At(0);
}

std::vector<Monitor::State::WindowToJudge> Monitor::State::CollectClosed(base::Micros now) {
  std::vector<WindowToJudge> closed;
  const std::lock_guard lock(mutex);
  table->Settle();
  for (const auto& [name, endpoint] : table->endpoints()) {
    for (const auto& [start, window] : endpoint.windows) {
      if (start + table->window_length() + settings.label_wait.micros > now) break;
      WindowToJudge to_judge;
      to_judge.endpoint = name;
      bool open_parts = false;
      for (const int64_t version : JudgedVersionsIn(window)) {
        open_parts = open_parts || !IsJudged(name, version, start, kDriftPart) ||
                     !IsJudged(name, version, start, kQualityPart);
      }
      if (!open_parts) continue;
      for (const int64_t version : JudgedVersionsIn(window)) {
        to_judge.versions.push_back(Report(name, endpoint, start, window, {.version = version}));
        const VersionProfile* profile = ProfileOf(endpoint, version);
        if (profile != nullptr && !IsJudged(name, version, start, kDriftPart)) {
          const ProfileCounts counts =
              CountsOf(window, {.version = version}, std::nullopt, *profile);
          const Span span{start, start + table->window_length()};
          to_judge.drift.emplace(version, DriftOf(*profile, span, counts, version));
        }
      }
      closed.push_back(std::move(to_judge));
    }
  }
  return closed;
}

}  // namespace slipway::monitoring
