// SPDX-License-Identifier: Apache-2.0
// The walk of a drift report: windows' counters added up, compared with the baseline, and what the
// sequential detectors heard; and how a detection becomes an event.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "monitoring/monitor_state.h"
#include "monitoring/rules.h"
#include "monitoring/windows/slices.h"

namespace slipway::monitoring {
namespace {

constexpr const char* kPredictionStream = "prediction";
constexpr const char* kErrorsStream = "errors";

DetectorReport ReportOf(std::string stream, const StreamDetector& detector) {
  DetectorReport report;
  report.stream = std::move(stream);
  report.values = detector.values();
  report.alarms = detector.alarms();
  report.level = detector.level();
  report.smallest_shift = detector.plan().smallest_shift();
  report.listens = detector.plan().chart_count() > 0;
  if (const auto& episode = detector.episode()) {
    report.in_episode = true;
    report.what = episode->what;
    report.began = episode->began;
    report.detected = episode->detected;
  }
  return report;
}

std::vector<DetectorReport> DetectorsOf(const VersionState& version) {
  std::vector<DetectorReport> reports;
  const VersionProfile& profile = *version.profile;
  for (size_t i = 0; i < profile.detectors().size(); ++i) {
    reports.push_back(ReportOf(profile.baseline().features[i].bins.name(), profile.detectors()[i]));
  }
  if (profile.score_detector())
    reports.push_back(ReportOf(kPredictionStream, *profile.score_detector()));
  if (version.errors.detector) reports.push_back(ReportOf(kErrorsStream, *version.errors.detector));
  return reports;
}

base::Status NoBaseline(const std::string& endpoint, int64_t version, int64_t held,
                        int64_t wanted) {
  return base::FailedPrecondition(
      "no_baseline", "version " + std::to_string(version) + " of '" + endpoint +
                         "' brings no baseline; its first predictions will make one: " +
                         std::to_string(held) + " of " + std::to_string(wanted) + " are there");
}

using WindowPlaces = std::vector<std::map<base::Micros, Window>::const_iterator>;

// Rising. `endpoint` has windows.
WindowPlaces WindowsOf(const EndpointState& endpoint, const DriftQuery& query,
                       base::Micros length) {
  WindowPlaces windows;
  if (query.from || query.until) {
    for (auto window = endpoint.windows.begin(); window != endpoint.windows.end(); ++window) {
      const bool before = query.from && window->first + length <= *query.from;
      const bool after = query.until && window->first >= *query.until;
      if (!before && !after) windows.push_back(window);
    }
  } else {
    const auto window =
        query.start ? endpoint.windows.find(*query.start) : std::prev(endpoint.windows.end());
    if (window != endpoint.windows.end()) windows.push_back(window);
  }
  return windows;
}

}  // namespace

DriftReport Monitor::State::DriftOf(const VersionProfile& profile, Span span,
                                    const ProfileCounts& counts, int64_t version) const {
  DriftReport report;
  report.window = span;
  report.closed = report.window.end <= parts.clock.Now();
  report.version = version;
  const Baseline& baseline = profile.baseline();
  report.baseline_source = baseline.source;
  report.baseline_rows = baseline.rows;
  report.features =
      MeasureDrift(baseline.features, counts.features, settings.psi_threshold, kDriftAlpha);
  Attribute(baseline, counts.features, report.features);
  if (baseline.score) {
    report.prediction = MeasureDrift(std::span(&*baseline.score, 1), std::span(&counts.score, 1),
                                     settings.psi_threshold, kDriftAlpha)[0];
  }
  return report;
}

base::Result<Monitor::State::Sliced> Monitor::State::SliceFor(const std::string& name,
                                                              const DriftQuery& query) {
  table->Settle();
  const base::Status no_window =
      base::NotFound("no_window", "endpoint '" + name + "' has no such window with predictions");
  const auto found = table->endpoints().find(name);
  if (found == table->endpoints().end() || found->second.windows.empty()) return no_window;
  const EndpointState& endpoint = found->second;
  const auto windows = WindowsOf(endpoint, query, table->window_length());
  if (windows.empty()) return no_window;
  Sliced sliced;
  sliced.span = {windows.front()->first, windows.back()->first + table->window_length()};
  sliced.slice = query.slice;
  if (!sliced.slice.version) sliced.slice.version = MainVersion(windows.back()->second);
  if (!sliced.slice.version) return no_window;
  std::optional<SegmentKey> segment;
  if (!query.slice.segment_feature.empty()) {
    const size_t feature = TRY(SegmentFeature(name, query.slice.segment_feature));
    segment = KeyOf(endpoint, feature, query.slice.segment_value);
  }
  const auto version = endpoint.versions.find(*sliced.slice.version);
  sliced.profile = ProfileOf(endpoint, *sliced.slice.version);
  if (sliced.profile == nullptr) {
    const int64_t held = version == endpoint.versions.end() ? 0 : version->second.held_rows;
    return NoBaseline(name, *sliced.slice.version, held, settings.baseline_rows);
  }
  sliced.version = &version->second;
  for (const auto& window : windows)
    sliced.counts.Merge(CountsOf(window->second, sliced.slice, segment, *sliced.profile));
  return sliced;
}

base::Result<DriftReport> Monitor::Drift(const std::string& endpoint, const DriftQuery& query) {
  Flush();
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  const State::Sliced sliced = TRY(state.SliceFor(endpoint, query));
  DriftReport report =
      state.DriftOf(*sliced.profile, sliced.span, sliced.counts, *sliced.slice.version);
  report.arm = sliced.slice.arm;
  report.segment_feature = sliced.slice.segment_feature;
  report.segment_value = sliced.slice.segment_value;
  report.detectors = DetectorsOf(*sliced.version);
  return report;
}

base::Result<std::string> Monitor::ExportProfile(const std::string& endpoint,
                                                 const DriftQuery& query) {
  Flush();
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  State::Sliced sliced = TRY(state.SliceFor(endpoint, query));
  const Baseline& baseline = sliced.profile->baseline();
  drift::Profile profile;
  profile.source = endpoint + " version " + std::to_string(*sliced.slice.version);
  for (size_t i = 0; i < baseline.features.size(); ++i) {
    profile.columns.push_back({baseline.features[i].bins, baseline.features[i].type,
                               std::move(sliced.counts.features[i])});
    profile.rows = std::max(profile.rows, profile.columns.back().counts.Rows());
  }
  if (baseline.score) {
    profile.columns.push_back(
        {baseline.score->bins, baseline.score->type, std::move(sliced.counts.score)});
  }
  return drift::EncodeProfile(profile);
}

base::Status Monitor::State::LoadDetections() {
  const storage::Rows rows = TRY(
      parts.database.Query("SELECT endpoint, version, stream, window_start FROM drift_detections"));
  const std::lock_guard lock(judge_mutex);
  for (const storage::Row& row : rows)
    announced.insert({row.Text(0), row.Int(1), row.Text(2), row.Int(3)});
  return base::Status::Ok();
}

// A detection is told apart by its window, so that a replay of the logs, in which values of the
// same moment may change places, does not announce it again.
base::Status Monitor::State::AnnounceDetections() {
  struct Found {
    std::string endpoint;
    int64_t version = 0;
    base::Micros window = 0;
    DetectorReport report;
  };
  std::vector<Found> found;
  {
    const std::lock_guard lock(mutex);
    table->Settle();
    for (const auto& [name, endpoint] : table->endpoints()) {
      for (const auto& [number, version] : endpoint.versions) {
        if (version.profile == nullptr) continue;
        for (DetectorReport& report : DetectorsOf(version)) {
          const base::Micros window = table->WindowStart(report.detected);
          if (report.in_episode && !announced.contains({name, number, report.stream, window}))
            found.push_back({name, number, window, std::move(report)});
        }
      }
    }
  }
  for (const Found& one : found) {
    TRY(parts.database.Write([&](storage::Transaction& transaction) -> base::Status {
      const int64_t inserted = TRY(transaction.Execute(
          "INSERT INTO drift_detections (endpoint, version, stream, window_start, detected, what) "
          "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
          {one.endpoint, one.version, one.report.stream, one.window, one.report.detected,
           one.report.what}));
      if (inserted == 0) return base::Status::Ok();
      events::Event event;
      event.type = "drift.detected";
      event.subject = "endpoint/" + one.endpoint + "/version/" + std::to_string(one.version);
      event.actor = events::Internal("monitoring");
      event.data = ToJson(one.report);
      event.data.Set("endpoint", one.endpoint);
      event.data.Set("version", one.version);
      return parts.events.Append(transaction, event);
    }));
    announced.insert({one.endpoint, one.version, one.report.stream, one.window});
    base::Log(base::LogLevel::kInfo, "monitoring", "a detector heard drift",
              {{"endpoint", one.endpoint},
               {"version", one.version},
               {"stream", one.report.stream},
               {"what", one.report.what}});
  }
  return base::Status::Ok();
}

}  // namespace slipway::monitoring
