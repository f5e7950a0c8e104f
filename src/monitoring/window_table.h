// SPDX-License-Identifier: Apache-2.0
// WindowTable: the counts of every window of every endpoint, and the labels joined to their rows. A
// pure function of the records and labels it was given: their order within a log matters only where
// labels contradict each other. Private to this room.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "monitoring/labels.h"
#include "monitoring/monitor.h"
#include "monitoring/version_profile.h"
#include "monitoring/windows/segments.h"
#include "monitoring/windows/truth.h"

namespace slipway::monitoring {

inline constexpr int64_t kErrorReferenceRows = 2000;  // first labelled rows of a version
inline constexpr size_t kFineWindows = 8;             // newest windows that keep fine histograms
inline constexpr size_t kMaxHeldRecords = 100'000;  // of a version whose baseline is not known yet

struct RowKey {
  UlidBits id;
  int64_t row = 0;
  friend bool operator==(const RowKey&, const RowKey&) = default;
};
struct RowKeyHash {
  size_t operator()(const RowKey& key) const;
};

// What joining a label needs to know of its prediction.
struct RowFacts {
  RowKey key;
  std::string endpoint;
  int64_t version = 0;
  std::string arm;
  base::Micros time = 0;
  bool failed = false;
  Answer answer;
  std::vector<std::string> segments;  // values, one a segment feature of the rule
};
RowFacts FactsOf(const PredictionView& view, int64_t row, const ScoreRule& rule);

// The arm of models that are served without the registry: counted, but never judged.
inline constexpr std::string_view kUnmanagedArm = "unmanaged";

enum class Joined { kNew, kDuplicate, kCorrected, kOutdated, kTooOld };

// Of the rows of one version and arm in one segment.
struct SegmentCounts {
  int64_t rows = 0;
  int64_t labelled_rows = 0;
  base::Micros label_delay = 0;
  ProfileCounts counts;  // without fine histograms
};
using SegmentKey = std::pair<uint8_t, uint8_t>;  // segment feature, value id

// One version's part of a window (one arm of it).
struct Cell {
  int64_t requests = 0;
  int64_t failed_requests = 0;
  int64_t rows = 0;  // answered
  ProfileCounts counts;
  std::vector<QualityRow> scored;
  bool classes = false;  // `scored` tells more than two classes apart
  std::map<SegmentKey, SegmentCounts> segments;
  int64_t labelled_rows = 0;
  base::Micros label_delay = 0;  // sum over labelled rows
  int64_t labels_beyond_limit = 0;
};

struct JoinedLabel {
  LabelValue value;
  base::Micros time = 0;
  Cell* cell = nullptr;  // nullptr: of a failed prediction
  int64_t scored = -1;   // place in cell->scored
  SegmentIds segments{};
};

struct Window {
  std::map<std::pair<int64_t, std::string>, Cell> cells;  // by version and arm
  int64_t revision = 0;                                   // rises with every joined label
  std::unordered_map<RowKey, JoinedLabel, RowKeyHash> labels;
  bool labels_sealed = false;  // dropped to bound the memory: quality stands as it is
};

// Right and wrong answers of a version in the order of their labels: the first make the reference
// of the detector that hears the rest.
struct ErrorStream {
  int64_t wrong = 0;
  int64_t rows = 0;
  std::optional<StreamDetector> detector;

  void Add(bool is_wrong, base::Micros time);
};

// Where a version's baseline stands.
struct VersionState {
  std::string model;
  bool asked = false;  // for its baseline file
  bool asking_failed = false;
  std::unique_ptr<VersionProfile> profile;  // set once
  std::vector<std::string> held;            // encoded records that wait for it
  int64_t held_rows = 0;
  ErrorStream errors;
};

struct EndpointState {
  SegmentIndex segments;
  ClassIndex classes;
  std::map<int64_t, VersionState> versions;
  std::map<base::Micros, Window> windows;  // by start
  base::Micros sealed_before = std::numeric_limits<base::Micros>::min();
};

// Not thread-safe.
class WindowTable {
 public:
  WindowTable(const MonitorSettings& settings, base::Micros origin,
              std::map<std::string, ScoreRule> rules);

  base::Micros WindowStart(base::Micros time) const;
  base::Micros window_length() const { return length_; }
  const ScoreRule& RuleOf(std::string_view endpoint) const;

  void Count(const PredictionView& view, std::string_view bytes);
  Joined Join(const RowFacts& facts, const LabelValue& value, base::Micros time);
  // Versions that nobody has looked for a baseline for.
  struct Unasked {
    std::string endpoint;
    std::string model;
    int64_t version = 0;
  };
  std::vector<Unasked> TakeUnasked();
  // nullopt: the version has none, its first rows will make one. Rows held so far are counted.
  void SetBaseline(const std::string& endpoint, int64_t version, std::optional<Baseline> baseline);
  // Looking failed: asked again after RetryFailed.
  void BaselineFailed(const std::string& endpoint, int64_t version);
  void RetryFailed();

  // Profiles count rows many at a time: after this they have counted all.
  void Settle();
  const std::map<std::string, EndpointState, std::less<>>& endpoints() const { return endpoints_; }
  const JoinedLabel* FindLabel(std::string_view endpoint, base::Micros time,
                               const RowKey& key) const;

 private:
  Window* WindowOf(EndpointState& endpoint, base::Micros time);
  void CountBins(EndpointState& endpoint, VersionState& version, const PredictionView& view,
                 Cell& cell);
  void CountHeld(EndpointState& endpoint, VersionState& version, const PredictionView& view);
  void Hold(EndpointState& endpoint, VersionState& version, const PredictionView& view,
            std::string_view bytes);
  void Adopt(EndpointState& endpoint, VersionState& version, Baseline baseline);
  // The segments of each row; empty where the endpoint has no segment features.
  std::vector<std::array<SegmentCounts*, kMaxSegmentFeatures>> SegmentsOf(
      EndpointState& endpoint, const PredictionView& view, Cell& cell) const;
  static void Settle(EndpointState& endpoint);
  void KeepWithinLimits(EndpointState& endpoint);
  void AddScored(EndpointState& endpoint, JoinedLabel& label, const RowFacts& facts) const;
  void Withdraw(JoinedLabel& label) const;
  void AddError(EndpointState& endpoint, const JoinedLabel& label, const RowFacts& facts,
                base::Micros time) const;
  static void AddDelay(JoinedLabel& label, const RowFacts& facts, base::Micros delay);
  void SealLabels();

  const base::Micros origin_;
  const base::Micros length_;
  const int64_t keep_windows_;
  const int64_t max_labels_;
  const int64_t baseline_rows_;
  const std::map<std::string, ScoreRule> rules_;
  std::map<std::string, EndpointState, std::less<>> endpoints_;
  std::vector<Unasked> unasked_;
  int64_t labels_ = 0;
};

}  // namespace slipway::monitoring
