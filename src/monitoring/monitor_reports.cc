// SPDX-License-Identifier: Apache-2.0
// What the counts say: windows, drift and quality, computed when somebody asks.
#include <algorithm>
#include <cmath>
#include <utility>

#include "monitoring/monitor_state.h"
#include "monitoring/rules.h"

namespace slipway::monitoring {
namespace {

void AddTo(std::vector<int64_t>& total, const std::vector<int64_t>& counts) {
  total.resize(std::max(total.size(), counts.size()));
  for (size_t bin = 0; bin < counts.size(); ++bin) total[bin] += counts[bin];
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

std::vector<int64_t> VersionsIn(const Window& window) {
  std::vector<int64_t> versions;
  for (const auto& [key, cell] : window.cells) {
    if (versions.empty() || versions.back() != key.first) versions.push_back(key.first);
  }
  return versions;
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

std::optional<WindowQuality> Monitor::State::QualityOf(base::Micros start, const Window& window,
                                                       const std::string& endpoint,
                                                       std::optional<int64_t> version) {
  CachedQuality& cached = quality_cache[{endpoint, start, version.value_or(-1)}];
  if (cached.revision == window.revision) return cached.quality;
  cached = {window.revision, std::nullopt};
  std::vector<ScoredLabel> scored;
  int64_t labels = 0;
  base::Micros delay = 0;
  for (const auto& [key, cell] : window.cells) {
    if (version && key.first != *version) continue;
    labels += cell.labelled_rows;
    delay += cell.label_delay;
    std::copy_if(cell.scored.begin(), cell.scored.end(), std::back_inserter(scored),
                 [](const ScoredLabel& row) { return !std::isnan(row.score); });
  }
  if (auto estimates = MeasureQuality(scored, kConfidence)) {
    const double mean_delay = static_cast<double>(delay) / static_cast<double>(labels) /
                              static_cast<double>(base::kSecond);
    cached.quality = WindowQuality{*estimates, mean_delay};
  }
  return cached.quality;
}

WindowReport Monitor::State::Report(const std::string& name, const EndpointState& endpoint,
                                    base::Micros start, const Window& window,
                                    std::optional<int64_t> version) {
  WindowReport report;
  report.window = {start, start + table->window_length()};
  report.closed = report.window.end <= parts.clock.Now();
  report.version = version;
  for (const auto& [key, cell] : window.cells) {
    if (version && key.first != *version) continue;
    report.requests += cell.requests;
    report.failed_requests += cell.failed_requests;
    report.predictions += cell.rows;
    report.labels += cell.labelled_rows;
  }
  if (report.predictions > 0) {
    report.label_coverage =
        static_cast<double>(report.labels) / static_cast<double>(report.predictions);
  }
  report.quality = QualityOf(start, window, name, version);
  const std::optional<int64_t> drift_version = version ? version : MainVersion(window);
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

std::vector<WindowReport> Monitor::State::ReportsOf(
    const std::string& endpoint, std::optional<base::Micros> from,
    std::optional<base::Micros> until,
    const std::function<std::vector<std::optional<int64_t>>(const Window&)>& choose) {
  std::vector<WindowReport> reports;
  const std::lock_guard lock(mutex);
  const auto found = table->endpoints().find(endpoint);
  if (found == table->endpoints().end()) return reports;
  for (const auto& [start, window] : found->second.windows) {
    if ((from && start + table->window_length() <= *from) || (until && start >= *until)) continue;
    for (const std::optional<int64_t>& version : choose(window)) {
      reports.push_back(Report(endpoint, found->second, start, window, version));
    }
  }
  return reports;
}

base::Result<std::vector<WindowReport>> Monitor::Windows(const std::string& endpoint,
                                                         std::optional<base::Micros> from,
                                                         std::optional<base::Micros> until,
                                                         std::optional<int64_t> version) {
  Flush();
  return state_->ReportsOf(endpoint, from, until, [&](const Window& window) {
    const std::vector<int64_t> versions = VersionsIn(window);
    const bool there =
        !version || std::find(versions.begin(), versions.end(), *version) != versions.end();
    return there ? std::vector<std::optional<int64_t>>{version}
                 : std::vector<std::optional<int64_t>>{};
  });
}

base::Result<std::vector<WindowReport>> Monitor::WindowsByVersion(
    const std::string& endpoint, std::optional<base::Micros> from,
    std::optional<base::Micros> until) {
  Flush();
  return state_->ReportsOf(endpoint, from, until, [](const Window& window) {
    const std::vector<int64_t> versions = VersionsIn(window);
    return std::vector<std::optional<int64_t>>(versions.begin(), versions.end());
  });
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
        to_judge.versions.push_back(Report(name, endpoint, start, window, version));
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
