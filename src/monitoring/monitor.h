// SPDX-License-Identifier: Apache-2.0
// Monitor: the room's one door. Takes predictions and labels, counts them into windows against each
// version's baseline, judges closed windows and raises alerts. What is in memory is a function of
// the two logs: a restart gives the same numbers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/config.h"
#include "base/metrics.h"
#include "base/status.h"
#include "events/events.h"
#include "inference/columns.h"
#include "monitoring/alert_sink.h"
#include "monitoring/alerts.h"
#include "monitoring/drift.h"
#include "monitoring/labels.h"
#include "monitoring/prediction_log.h"
#include "monitoring/sql_engine.h"
#include "monitoring/stats.h"
#include "storage/blobs.h"
#include "storage/database.h"

namespace slipway::monitoring {

struct MonitorSettings {
  base::Duration window{base::kDay};
  std::string window_origin = "1970-01-01T00:00:00Z";  // windows are aligned to it
  base::Duration label_wait{base::kHour};              // a window is judged so long after its end
  int64_t keep_windows = 400;  // of an endpoint, in memory; older ones are in the logs only
  int64_t max_labels_in_memory = 5'000'000;
  int64_t max_pending_labels = 100'000;  // labels whose prediction is not there (yet)
  int64_t recent_requests =
      1'000'000;  // found by request id at once; older ones by a scan at the next tick
  int64_t baseline_rows = 1000;  // a version without a baseline file: its first predictions
  double psi_threshold = 0.2;
  double auc_drop = 0.03;  // under the version's reference
  double error_rate = 0.05;
  int64_t min_labels = 200;    // fewer: quality is not judged
  double resolve_ratio = 0.8;  // an alert ends below threshold * this
  // Of the built-in rules, those that are judged; a rules file stands in their place.
  std::vector<std::string> rules = {"prediction_psi", "feature_psi", "auc_drop", "error_rate"};
  std::string rules_file;
  base::Json routes = base::Json::MakeArray();  // alerts to sinks: see Alerts::ReadRoutes
  std::string durability = "process";           // of predictions: "process" | "power"
  std::string label_durability = "power";
  std::string archive = "file:archive";  // where closed segments go as Parquet; empty: nowhere
  int64_t segment_bytes = 64LL * 1024 * 1024;
  double retention_days = 0;                   // of archived predictions; 0: for ever
  int64_t retention_bytes = 0;                 // of an endpoint's archived predictions; 0: no limit
  std::string redaction_salt;                  // of hashed fields
  base::Duration label_tolerance{base::kDay};  // of labels by key
  base::Duration sql_timeout{10 * base::kSecond};
  int64_t sql_memory_mb = 512;
  int64_t sql_threads = 2;
  // {"<endpoint>": {"score_output": "probabilities", "positive_label": "yes", "task": "binary",
  // "segments": ["origin"], "drop": ["name"], "hash": ["card"], "retention_days": 30,
  // "retention_bytes": 1000000}}
  base::Json endpoints = base::Json::MakeObject();
};
// Of these: archive, segment_bytes, retention, redaction. Part of Describe.
void DescribeKeeping(base::Schema& schema, MonitorSettings& settings);
void DescribeSql(base::Schema& schema, MonitorSettings& settings);  // sql_*; part of Describe
// Settings monitoring.*, alerts.rules_file, alerts.routes
void Describe(base::Schema& schema, MonitorSettings& settings);

struct Span {
  base::Micros start = 0;  // included
  base::Micros end = 0;    // excluded
  friend bool operator==(const Span&, const Span&) = default;
};

// Of the rows whose score lies in (from, to]: how often the label was 1.
struct ReliabilityBin {
  double from = 0;
  double to = 0;
  int64_t n = 0;
  double mean_score = 0;
  Estimate observed;
};

struct WindowQuality {
  Task task = Task::kBinary;
  int64_t n = 0;
  int64_t positives = 0;  // two classes
  // Two classes: auc, pr_auc, log_loss, brier, calibration, accuracy, f1. More: accuracy, macro_f1.
  // Numbers: rmse, mae. What the rows do not define (one class only) is not there.
  std::map<std::string, Estimate, std::less<>> metrics;
  std::vector<ReliabilityBin> reliability;  // two classes; bins without rows are left out
  double mean_label_delay_s = 0;

  const Estimate* Find(std::string_view metric) const;
};

// A part of an endpoint's traffic; what is empty stands for all.
struct Slice {
  std::optional<int64_t> version = {};
  std::optional<std::string> arm = {};
  std::string segment_feature = {};  // of monitoring.endpoints.<e>.segments
  std::string segment_value = {};    // "other": values beyond the limit
  friend auto operator<=>(const Slice&, const Slice&) = default;
};
enum class Split { kNone, kVersion, kArm, kSegment };
struct WindowQuery {
  std::optional<base::Micros> from = {};
  std::optional<base::Micros> until = {};
  Slice slice = {};
  Split split = Split::kNone;
};

// One window of an endpoint: of one version, or of all (version empty: counts and quality over all
// versions' rows, drift that of `drift_version`, the version with the most rows, because each
// version has its own bins).
struct WindowReport {
  Span window;
  bool closed = false;  // its end has passed
  std::optional<int64_t> version;
  std::optional<std::string> arm;  // empty: all arms
  std::string segment_feature;     // empty: all segments
  std::string segment_value;
  int64_t requests = 0;         // of a segment: 0, a request may have rows of several
  int64_t failed_requests = 0;  // of a segment: 0
  int64_t predictions = 0;      // rows answered
  int64_t labels = 0;           // rows with a label
  double label_coverage = 0;
  std::optional<WindowQuality> quality;  // of the rows whose label goes with their answer
  std::optional<int64_t> drift_version;
  std::map<std::string, double> psi;  // by feature
  std::optional<double> prediction_psi;
};

// A sequential detector of one stream of a version, as it stands. An episode begins with an alarm
// and ends after 10 000 values without another.
struct DetectorReport {
  std::string stream;  // a feature's name, "prediction" or "errors"
  int64_t values = 0;  // that it has heard
  int64_t alarms = 0;
  double level = 0;           // of the nearest chart, 0 to 1: an alarm
  double smallest_shift = 0;  // numeric: in standard deviations; 0: no chart of the mean
  bool listens = false;       // false: the reference is too small for any chart
  bool in_episode = false;
  std::string what;        // "rises", "falls", "missing", "out_of_range", "unseen", "more 'x'"
  base::Micros began = 0;  // estimate
  base::Micros detected = 0;
};

// Which counters a drift report is made of: of one window, or of all windows in [from, until).
struct DriftQuery {
  std::optional<base::Micros> start = {};  // of a window; empty: the newest
  std::optional<base::Micros> from = {};   // either of them: a span instead of `start`
  std::optional<base::Micros> until = {};
  Slice slice = {};  // version empty: the one with the most rows in the newest window of the span
};

struct DriftReport {
  Span window;
  std::optional<std::string> arm;
  std::string segment_feature;
  std::string segment_value;
  bool closed = false;
  int64_t version = 0;
  std::string baseline_source;
  int64_t baseline_rows = 0;
  std::vector<FeatureDrift> features;
  std::optional<FeatureDrift> prediction;
  std::vector<DetectorReport> detectors;  // of the whole version, whatever the slice
};

// Rows with a two-class label, in log order. All vectors but `columns` have one entry a row, as has
// each column.
struct LabelledTable {
  std::vector<inference::Column>
      columns;  // by signature name; a [N, C] input gives columns "name.0" ... in order
  std::vector<double> scores;   // as answered then, by `versions`
  std::vector<uint8_t> labels;  // 0 or 1
  std::vector<int64_t> versions;
  std::vector<std::string> ids;
  std::vector<base::Micros> times;
};

// A row whose label has just arrived.
struct LabelledPrediction {
  std::string endpoint;
  int64_t version = 0;
  std::string prediction_id;
  base::Micros predicted = 0;
  double score = 0;
  bool label = false;
};

inline constexpr int64_t kMaxSqlRows = 100'000;
inline constexpr int64_t kMaxLabelledRows = 1'000'000;
inline constexpr int64_t kMaxLabelsInWindow =
    1'000'000;  // of one version: further ones are logged and counted only

// Thread-safe. Append is for I/O threads; everything else may block.
class Monitor {
 public:
  // The text of a version's baseline file; nullopt when it has none. Called once a version, on the
  // counting thread.
  using FindBaseline = std::function<base::Result<std::optional<std::string>>(
      const std::string& model, int64_t version)>;
  struct Parts {
    storage::Database& database;  // with this room's migrations ("monitoring/migrations.h")
    events::EventLog& events;
    base::Clock& clock;
    base::Metrics& metrics;
    FindBaseline find_baseline;
    std::vector<std::unique_ptr<AlertSink>> sinks;
    // Told of each scored row whose two-class label arrives, once; under a lock: must be quick.
    std::function<void(const LabelledPrediction&)> on_labelled = {};
    storage::Blobs* archive = nullptr;  // where settings.archive leads
  };
  // `folder`: predictions/ and labels/ are made in it.
  Monitor(Parts parts, MonitorSettings settings, std::string folder);
  ~Monitor();  // Stop()

  // Reads the logs (kDataLoss when one is damaged) and starts the counting and delivery threads.
  base::Status Start();
  void Stop();  // counts what is queued; idempotent

  base::Status Append(const PredictionRecord& record);  // see PredictionLog::Append
  // All or nothing, durable when it returns. kInvalidArgument naming "labels[i]...";
  // kResourceExhausted (reason "too_many_pending_labels").
  base::Result<LabelOutcome> AddLabels(const std::string& endpoint,
                                       const std::vector<LabelInput>& labels);

  base::Result<LoggedPrediction> GetPrediction(const std::string& prediction_id);
  base::Result<PredictionPage> ListPredictions(const PredictionFilter& filter);
  PredictionCount Count(const std::string& endpoint);
  std::vector<std::string> Endpoints();  // that have predictions
  std::optional<Label> LabelOf(const std::string& prediction_id);
  // The monitored score of a row; nullopt when the record has no such output.
  std::optional<double> ScoreOf(const LoggedPrediction& prediction) const;

  // Newest last. Windows that overlap [from, until); `version` empty: all versions together.
  base::Result<std::vector<WindowReport>> Windows(const std::string& endpoint,
                                                  std::optional<base::Micros> from,
                                                  std::optional<base::Micros> until,
                                                  std::optional<int64_t> version);
  // The same for a part of the traffic, and each window split by version, by arm or by segment.
  // kInvalidArgument (field "segment") when the endpoint has no such segment feature.
  base::Result<std::vector<WindowReport>> WindowsBy(const std::string& endpoint,
                                                    const WindowQuery& query);
  // kNotFound (reason "no_window"), kFailedPrecondition (reason "no_baseline": its message says how
  // many rows it waits for), kInvalidArgument (field "segment").
  base::Result<DriftReport> Drift(const std::string& endpoint, const DriftQuery& query);
  // The same counters as a profile's bytes (drift/profile.h), the score as column "prediction":
  // profiles of one version add up over time and over replicas. Errors as Drift.
  base::Result<std::string> ExportProfile(const std::string& endpoint, const DriftQuery& query);
  Span WindowAt(base::Micros time) const;
  // The newest `limit` (at most kMaxLabelledRows) labelled rows of the span.
  base::Result<LabelledTable> LabelledRows(const std::string& endpoint, Span span, int64_t limit);

  // What a version achieved at its gate; kept in the database. Rule auc_drop reads metric "auc".
  base::Status SetReference(const std::string& endpoint, int64_t version, const std::string& metric,
                            double value);
  base::Result<std::optional<double>> GetReference(const std::string& endpoint, int64_t version,
                                                   const std::string& metric);

  // One SELECT over the views `predictions`, `labels` and `label_log`: see sql_engine.h for limits
  // and errors.
  base::Result<SqlAnswer> Query(const std::string& query, int64_t max_rows);

  base::Result<std::vector<Alert>> ListAlerts(const AlertFilter& filter);
  base::Result<Alert> GetAlert(const std::string& id);
  base::Result<Alert> AcknowledgeAlert(const std::string& id, const events::Actor& actor,
                                       const std::string& why);
  Silences& silences();
  // {"version", "source", "text", "rules": [...], "sinks": [names]}: what is in force.
  base::Json RulesJson();
  // A rules file as text takes the place of the one in force; empty: the configured file is read
  // again. All or nothing; what no longer has a rule is resolved.
  base::Status ApplyRules(const std::string& text, const events::Actor& actor,
                          const std::string& why);
  base::Result<base::Json> RuleVersions(int64_t limit);  // newest first
  // Everything appended before the call is counted and can be found.
  void Flush();
  // One idempotent step: judges the live rules, and the windows that have closed by `now` (drift
  // once at end + label_wait, quality once from then on as soon as min_labels are there), writing
  // event "window.judged" (subject "endpoint/<e>/version/<n>", data: the window's report, "part":
  // "drift" | "quality", "breached": [rules]) and the alerts in one transaction each.
  base::Status Tick(base::Micros now);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

base::Json ToJson(const WindowReport& report);
base::Json ToJson(const DetectorReport& report);
base::Json ToJson(const DriftReport& report);

}  // namespace slipway::monitoring
