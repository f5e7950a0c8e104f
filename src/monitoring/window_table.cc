// SPDX-License-Identifier: Apache-2.0
// The walk of a prediction after its answer: counted into its window; and of a label: joined to its
// row.
#include "monitoring/window_table.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/log.h"
#include "monitoring/table_builder.h"

namespace slipway::monitoring {

size_t RowKeyHash::operator()(const RowKey& key) const {
  uint64_t hash = key.id.low * 0x9E3779B97F4A7C15ULL;
  hash ^= key.id.high + 0x9E3779B97F4A7C15ULL + (hash << 6) + (hash >> 2);
  hash ^= static_cast<uint64_t>(key.row) * 0xBF58476D1CE4E5B9ULL + (hash << 6) + (hash >> 2);
  return hash ^ (hash >> 29);
}

RowFacts FactsOf(const PredictionView& view, int64_t row, const ScoreRule& rule) {
  RowFacts facts{{view.id, row}, std::string(view.endpoint), view.version, std::string(view.arm),
                 view.time,      view.status_code != 0,      {},           {}};
  if (facts.failed) return facts;
  facts.answer = AnswerOf(view, row, rule);
  for (const std::string& feature : rule.segments) {
    SegmentReader reader(view, feature);
    reader.Skip(row);
    facts.segments.push_back(reader.Next());
  }
  return facts;
}

WindowTable::WindowTable(const MonitorSettings& settings, base::Micros origin,
                         std::map<std::string, ScoreRule> rules)
    : origin_(origin),
      length_(settings.window.micros),
      keep_windows_(settings.keep_windows),
      max_labels_(settings.max_labels_in_memory),
      baseline_rows_(settings.baseline_rows),
      rules_(std::move(rules)) {}

base::Micros WindowTable::WindowStart(base::Micros time) const {
  const base::Micros since = time - origin_;
  const base::Micros whole = since / length_ - (since % length_ < 0 ? 1 : 0);
  return origin_ + whole * length_;
}

const ScoreRule& WindowTable::RuleOf(std::string_view endpoint) const {
  static const ScoreRule kDefault;
  const auto found = rules_.find(std::string(endpoint));
  return found == rules_.end() ? kDefault : found->second;
}

Window* WindowTable::WindowOf(EndpointState& endpoint, base::Micros time) {
  const base::Micros start = WindowStart(time);
  if (start < endpoint.sealed_before) return nullptr;
  const auto found = endpoint.windows.find(start);
  if (found != endpoint.windows.end()) return &found->second;
  Window& window = endpoint.windows[start];
  KeepWithinLimits(endpoint);
  return start < endpoint.sealed_before ? nullptr : &window;
}

// After a window was added.
void WindowTable::KeepWithinLimits(EndpointState& endpoint) {
  Settle(endpoint);
  if (endpoint.windows.size() > kFineWindows) {
    auto window = std::prev(endpoint.windows.end(), static_cast<std::ptrdiff_t>(kFineWindows) + 1);
    for (auto& [key, cell] : window->second.cells) cell.counts.DropFine();
  }
  while (static_cast<int64_t>(endpoint.windows.size()) > keep_windows_) {
    const auto oldest = endpoint.windows.begin();
    endpoint.sealed_before = oldest->first + length_;
    labels_ -= static_cast<int64_t>(oldest->second.labels.size());
    endpoint.windows.erase(oldest);
  }
}

void WindowTable::Settle(EndpointState& endpoint) {
  for (auto& [number, version] : endpoint.versions) {
    if (version.profile != nullptr) version.profile->Settle();
  }
}

void WindowTable::Settle() {
  for (auto& [name, endpoint] : endpoints_) Settle(endpoint);
}

void WindowTable::Count(const PredictionView& view, std::string_view bytes) {
  auto found = endpoints_.find(view.endpoint);
  if (found == endpoints_.end())
    found = endpoints_.emplace(std::string(view.endpoint), EndpointState()).first;
  EndpointState& endpoint = found->second;
  Window* window = WindowOf(endpoint, view.time);
  if (window == nullptr) return;
  Cell& cell = window->cells[{view.version, std::string(view.arm)}];
  ++cell.requests;
  if (view.status_code != 0) {
    ++cell.failed_requests;
    return;
  }
  cell.rows += view.rows;
  for (const auto& row : SegmentsOf(endpoint, view, cell)) {
    for (SegmentCounts* segment : row) {
      if (segment != nullptr) ++segment->rows;
    }
  }
  auto [entry, is_new] = endpoint.versions.try_emplace(view.version);
  VersionState& version = entry->second;
  if (is_new) {
    version.model = view.model;
    unasked_.push_back({found->first, version.model, view.version});
  }
  if (version.profile != nullptr) {
    CountBins(endpoint, version, view, cell);
  } else if (IsTabular(view)) {  // of an image no baseline is made, so none is kept for it
    Hold(endpoint, version, view, bytes);
  }
}

std::vector<std::array<SegmentCounts*, kMaxSegmentFeatures>> WindowTable::SegmentsOf(
    EndpointState& endpoint, const PredictionView& view, Cell& cell) const {
  std::vector<std::array<SegmentCounts*, kMaxSegmentFeatures>> segments;
  const std::vector<std::string>& features = RuleOf(view.endpoint).segments;
  if (features.empty()) return segments;
  segments.resize(static_cast<size_t>(view.rows));
  for (size_t i = 0; i < features.size(); ++i) {
    SegmentReader reader(view, features[i]);
    for (auto& row : segments) {
      const uint8_t id = endpoint.segments.IdOf(i, reader.Next());
      row[i] = &cell.segments[{static_cast<uint8_t>(i), id}];
    }
  }
  return segments;
}

void WindowTable::CountBins(EndpointState& endpoint, VersionState& version,
                            const PredictionView& view, Cell& cell) {
  const Baseline& baseline = version.profile->baseline();
  const auto newest = std::prev(endpoint.windows.end())->first;
  cell.counts.Prepare(
      baseline, (newest - WindowStart(view.time)) / length_ < static_cast<int64_t>(kFineWindows));
  std::vector<SegmentTargets> targets;
  for (const auto& row : SegmentsOf(endpoint, view, cell)) {
    targets.emplace_back();
    for (size_t i = 0; i < row.size(); ++i) {
      if (row[i] == nullptr) continue;
      row[i]->counts.Prepare(baseline, false);
      targets.back()[i] = &row[i]->counts;
    }
  }
  version.profile->Count(view, RuleOf(view.endpoint), cell.counts, targets);
}

// Of a record that waited for its baseline.
void WindowTable::CountHeld(EndpointState& endpoint, VersionState& version,
                            const PredictionView& view) {
  Window* window = WindowOf(endpoint, view.time);
  if (window == nullptr) return;
  CountBins(endpoint, version, view, window->cells[{view.version, std::string(view.arm)}]);
}

void WindowTable::Hold(EndpointState& endpoint, VersionState& version, const PredictionView& view,
                       std::string_view bytes) {
  version.held.emplace_back(bytes);
  version.held_rows += view.rows;
  const bool waits_for_answer =
      (!version.asked || version.asking_failed) && version.held.size() < kMaxHeldRecords;
  if (waits_for_answer || version.held_rows < baseline_rows_) return;
  auto baseline = BaselineFromRecords(version.held, RuleOf(view.endpoint));
  if (baseline.ok()) {
    Adopt(endpoint, version, *std::move(baseline));
    return;
  }
  base::Log(base::LogLevel::kWarning, "monitoring",
            "no baseline can be made of the first predictions",
            {{"endpoint", view.endpoint},
             {"version", view.version},
             {"why", baseline.status().message()}});
  version.held.clear();
  version.held_rows = 0;
}

void WindowTable::Adopt(EndpointState& endpoint, VersionState& version, Baseline baseline) {
  version.profile = std::make_unique<VersionProfile>(std::move(baseline));
  PredictionView view;
  for (const std::string& bytes : version.held) {
    if (ReadPrediction(bytes, view).ok()) CountHeld(endpoint, version, view);
  }
  version.held = {};
  version.held_rows = 0;
}

std::vector<WindowTable::Unasked> WindowTable::TakeUnasked() { return std::exchange(unasked_, {}); }

void WindowTable::SetBaseline(const std::string& endpoint_name, int64_t number,
                              std::optional<Baseline> baseline) {
  EndpointState& endpoint = endpoints_.find(endpoint_name)->second;
  VersionState& version = endpoint.versions[number];
  version.asked = true;
  version.asking_failed = false;
  if (version.profile != nullptr) return;
  if (baseline) {
    Adopt(endpoint, version, *std::move(baseline));
    return;
  }
  // As many held records as make the baseline; the rest is counted against it.
  std::vector<std::string> held = std::exchange(version.held, {});
  version.held_rows = 0;
  PredictionView view;
  for (const std::string& bytes : held) {
    if (!ReadPrediction(bytes, view).ok()) continue;
    if (version.profile != nullptr) {
      CountHeld(endpoint, version, view);
    } else {
      Hold(endpoint, version, view, bytes);
    }
  }
}

void WindowTable::BaselineFailed(const std::string& endpoint, int64_t version) {
  VersionState& state = endpoints_.find(endpoint)->second.versions[version];
  state.asked = true;
  state.asking_failed = true;
}

void WindowTable::RetryFailed() {
  for (auto& [name, endpoint] : endpoints_) {
    for (auto& [number, version] : endpoint.versions) {
      if (version.asking_failed && version.profile == nullptr)
        unasked_.push_back({name, version.model, number});
    }
  }
}

void WindowTable::Withdraw(JoinedLabel& label) const {
  if (label.scored < 0) return;
  label.cell->scored[static_cast<size_t>(label.scored)].score =
      std::numeric_limits<double>::quiet_NaN();
  label.scored = -1;
}

void WindowTable::AddScored(EndpointState& endpoint, JoinedLabel& label,
                            const RowFacts& facts) const {
  if (label.cell == nullptr) return;
  const ScoreRule& rule = RuleOf(facts.endpoint);
  auto row = Pair(facts.answer, label.value, rule, endpoint.classes);
  if (!row) return;
  if (static_cast<int64_t>(label.cell->scored.size()) >= kMaxLabelsInWindow) {
    ++label.cell->labels_beyond_limit;
    return;
  }
  label.scored = static_cast<int64_t>(label.cell->scored.size());
  label.cell->classes = TellsClassesApart(rule, facts.answer.score_width);
  row->segments = label.segments;
  label.cell->scored.push_back(*row);
}

void WindowTable::AddDelay(JoinedLabel& label, const RowFacts& facts, base::Micros delay) {
  if (label.cell == nullptr) return;
  label.cell->label_delay += delay;
  for (size_t i = 0; i < facts.segments.size(); ++i)
    label.cell->segments[{static_cast<uint8_t>(i), label.segments[i]}].label_delay += delay;
}

void ErrorStream::Add(bool is_wrong, base::Micros time) {
  if (detector) {
    const uint8_t bin = is_wrong ? 1 : 0;
    detector->Add({&bin, 1}, time);
    return;
  }
  wrong += is_wrong ? 1 : 0;
  if (++rows >= kErrorReferenceRows) detector.emplace(DetectorPlan::Errors(wrong, rows));
}

void WindowTable::AddError(EndpointState& endpoint, const JoinedLabel& label, const RowFacts& facts,
                           base::Micros time) const {
  const QualityRow& row = label.cell->scored[static_cast<size_t>(label.scored)];
  const bool classes = label.cell->classes;
  if (!classes && row.truth != 0 && row.truth != 1) return;  // a number is never just wrong
  if (!classes && RuleOf(facts.endpoint).task == Task::kRegression) return;
  const bool is_wrong = classes ? row.score != row.truth : (row.score > 0.5) != (row.truth == 1);
  endpoint.versions[facts.version].errors.Add(is_wrong, time);
}

Joined WindowTable::Join(const RowFacts& facts, const LabelValue& value, base::Micros time) {
  const auto found = endpoints_.find(facts.endpoint);
  Window* window = found == endpoints_.end() ? nullptr : WindowOf(found->second, facts.time);
  if (window == nullptr || window->labels_sealed) return Joined::kTooOld;
  auto [entry, is_new] = window->labels.try_emplace(facts.key);
  JoinedLabel& label = entry->second;
  ++window->revision;
  if (!is_new) {
    const bool same = label.value == value;
    if (time < label.time) return same ? Joined::kDuplicate : Joined::kOutdated;
    AddDelay(label, facts, time - label.time);
    label.time = time;
    if (same) return Joined::kDuplicate;
    Withdraw(label);
    label.value = value;
    AddScored(found->second, label, facts);
    return Joined::kCorrected;
  }
  label.value = value;
  label.time = time;
  if (!facts.failed) {
    label.cell = &window->cells[{facts.version, facts.arm}];
    ++label.cell->labelled_rows;
    for (size_t i = 0; i < facts.segments.size(); ++i) {
      label.segments[i] = found->second.segments.Find(i, facts.segments[i]);
      ++label.cell->segments[{static_cast<uint8_t>(i), label.segments[i]}].labelled_rows;
    }
    AddDelay(label, facts, time - facts.time);
    AddScored(found->second, label, facts);
    if (label.scored >= 0) AddError(found->second, label, facts, time);
  }
  if (++labels_ > max_labels_) SealLabels();
  return Joined::kNew;
}

// Of the endpoint with the most labels, the oldest window's.
void WindowTable::SealLabels() {
  Window* oldest = nullptr;
  size_t most = 0;
  for (auto& [name, endpoint] : endpoints_) {
    size_t total = 0;
    Window* first = nullptr;
    for (auto& [start, window] : endpoint.windows) {
      total += window.labels.size();
      if (first == nullptr && !window.labels.empty()) first = &window;
    }
    if (total > most) {
      most = total;
      oldest = first;
    }
  }
  if (oldest == nullptr) return;
  labels_ -= static_cast<int64_t>(oldest->labels.size());
  oldest->labels = {};
  oldest->labels_sealed = true;
}

const JoinedLabel* WindowTable::FindLabel(std::string_view endpoint, base::Micros time,
                                          const RowKey& key) const {
  const auto found = endpoints_.find(endpoint);
  if (found == endpoints_.end()) return nullptr;
  const auto window = found->second.windows.find(WindowStart(time));
  if (window == found->second.windows.end()) return nullptr;
  const auto label = window->second.labels.find(key);
  return label == window->second.labels.end() ? nullptr : &label->second;
}

}  // namespace slipway::monitoring
