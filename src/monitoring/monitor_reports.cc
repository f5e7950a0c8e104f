// SPDX-License-Identifier: Apache-2.0
// What the counts say: windows, drift and quality, computed when somebody asks.
#include <algorithm>
#include <cmath>
#include <utility>

#include "monitoring/monitor_state.h"
#include "monitoring/rules.h"
#include "monitoring/windows/window_quality.h"

namespace slipway::monitoring {
namespace {

void AddTo(std::vector<int64_t>& total, const std::vector<int64_t>& counts) {
  total.resize(std::max(total.size(), counts.size()));
  for (size_t bin = 0; bin < counts.size(); ++bin) total[bin] += counts[bin];
}

bool Matches(const Slice& slice, const std::pair<int64_t, std::string>& version_and_arm) {
  return (!slice.version || version_and_arm.first == *slice.version) &&
         (!slice.arm || version_and_arm.second == *slice.arm);
}

// The id of the slice's segment; nullopt when no row has had that value.
std::optional<SegmentKey> KeyOf(const EndpointState& endpoint, size_t feature,
                                const std::string& value) {
  const uint8_t id = endpoint.segments.Find(feature, value);
  if (id == kOtherSegment && value != endpoint.segments.ValueOf(feature, kOtherSegment))
    return std::nullopt;
  return SegmentKey{static_cast<uint8_t>(feature), id};
}

struct Totals {
  int64_t requests = 0;
  int64_t failed_requests = 0;
  int64_t rows = 0;
  int64_t labelled_rows = 0;
  base::Micros label_delay = 0;
};

// Of a slice of a window; `segment`: of its rows only those.
Totals TotalsOf(const Window& window, const Slice& slice,
                const std::optional<SegmentKey>& segment) {
  Totals totals;
  for (const auto& [key, cell] : window.cells) {
    if (!Matches(slice, key)) continue;
    if (slice.segment_feature.empty()) {
      totals.requests += cell.requests;
      totals.failed_requests += cell.failed_requests;
      totals.rows += cell.rows;
      totals.labelled_rows += cell.labelled_rows;
      totals.label_delay += cell.label_delay;
      continue;
    }
    const auto found = segment ? cell.segments.find(*segment) : cell.segments.end();
    if (found == cell.segments.end()) continue;
    totals.rows += found->second.rows;
    totals.labelled_rows += found->second.labelled_rows;
    totals.label_delay += found->second.label_delay;
  }
  return totals;
}

// The arms of one version together.
BinCounts BinsOf(const Window& window, int64_t version, const VersionProfile& profile) {
  BinCounts total;
  total.features.resize(profile.baseline().features.size());
  for (size_t i = 0; i < total.features.size(); ++i) {
    total.features[i].resize(profile.baseline().features[i].bins.bin_count());
  }
  if (profile.baseline().score) total.score.resize(profile.baseline().score->bins.bin_count());
  for (const auto& [key, cell] : window.cells) {
    if (key.first != version) continue;
    for (size_t i = 0; i < cell.bins.features.size(); ++i)
      AddTo(total.features[i], cell.bins.features[i]);
    AddTo(total.score, cell.bins.score);
  }
  return total;
}

// The version with the most answered rows; the smaller number of equal ones. nullopt when none has
// any.
std::optional<int64_t> MainVersion(const Window& window) {
  std::map<int64_t, int64_t> rows;
  for (const auto& [key, cell] : window.cells) rows[key.first] += cell.rows;
  std::optional<int64_t> main;
  for (const auto& [version, count] : rows) {
    if (count > 0 && (!main || count > rows[*main])) main = version;
  }
  return main;
}

const VersionProfile* ProfileOf(const EndpointState& endpoint, int64_t version) {
  const auto found = endpoint.versions.find(version);
  return found == endpoint.versions.end() ? nullptr : found->second.profile.get();
}

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
  const BinCounts bins = BinsOf(window, *drift_version, *profile);
  const Baseline& baseline = profile->baseline();
  for (size_t i = 0; i < baseline.features.size(); ++i) {
    report.psi[baseline.features[i].bins.name()] =
        drift::Psi(baseline.features[i].counts, bins.features[i]);
  }
  if (baseline.score) report.prediction_psi = drift::Psi(baseline.score->counts, bins.score);
  return report;
}

DriftReport Monitor::State::DriftOf(const VersionProfile& profile, base::Micros start,
                                    const Window& window, int64_t version) const {
  DriftReport report;
  report.window = {start, start + table->window_length()};
  report.closed = report.window.end <= parts.clock.Now();
  report.version = version;
  const Baseline& baseline = profile.baseline();
  report.baseline_source = baseline.source;
  report.baseline_rows = baseline.rows;
  const BinCounts bins = BinsOf(window, version, profile);
  report.features =
      MeasureDrift(baseline.features, bins.features, settings.psi_threshold, kDriftAlpha);
  if (baseline.score) {
    report.prediction = MeasureDrift(std::span(&*baseline.score, 1), std::span(&bins.score, 1),
                                     settings.psi_threshold, kDriftAlpha)[0];
  }
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

base::Result<DriftReport> Monitor::Drift(const std::string& endpoint_name,
                                         std::optional<base::Micros> start,
                                         std::optional<int64_t> version) {
  Flush();
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  const auto endpoint = state.table->endpoints().find(endpoint_name);
  const base::Status no_window = base::NotFound(
      "no_window", "endpoint '" + endpoint_name + "' has no such window with predictions");
  if (endpoint == state.table->endpoints().end() || endpoint->second.windows.empty())
    return no_window;
  const auto& windows = endpoint->second.windows;
  const auto window = start ? windows.find(*start) : std::prev(windows.end());
  if (window == windows.end()) return no_window;
  if (!version) version = MainVersion(window->second);
  if (!version) return no_window;
  const VersionProfile* profile = ProfileOf(endpoint->second, *version);
  if (profile == nullptr) {
    const auto known = endpoint->second.versions.find(*version);
    const int64_t held = known == endpoint->second.versions.end() ? 0 : known->second.held_rows;
    return base::FailedPrecondition(
        "no_baseline",
        "version " + std::to_string(*version) + " of '" + endpoint_name +
            "' brings no baseline; its first predictions will make one: " + std::to_string(held) +
            " of " + std::to_string(state.settings.baseline_rows) + " are there");
  }
  return state.DriftOf(*profile, window->first, window->second, *version);
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
          to_judge.drift.emplace(version, DriftOf(*profile, start, window, version));
        }
      }
      closed.push_back(std::move(to_judge));
    }
  }
  return closed;
}

}  // namespace slipway::monitoring
