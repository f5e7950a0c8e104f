// SPDX-License-Identifier: Apache-2.0
// What a Monitor consists of. Private to this room: monitor.cc (life), monitor_labels.cc,
// monitor_reports.cc and monitor_judge.cc are its parts.
#pragma once

#include <condition_variable>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "monitoring/count_queue.h"
#include "monitoring/keeping.h"
#include "monitoring/monitor.h"
#include "monitoring/outbox.h"
#include "monitoring/pending_labels.h"
#include "monitoring/rules/judge.h"
#include "monitoring/rules/live_counts.h"
#include "monitoring/rules/rule_book.h"
#include "monitoring/window_table.h"

namespace slipway::monitoring {

class SqlTables;

inline constexpr const char* kDriftPart = "drift";  // of a judgement; kept in table judged_windows
inline constexpr const char* kQualityPart = "quality";
inline constexpr const char* kPresencePart =
    "presence";  // of version 0: which versions answered in the endpoint's window
inline constexpr base::Micros kMaxFutureLabel =
    base::kDay;  // a label's time may be so far after now

// Rules out of settings.endpoints; kInvalidArgument naming the key.
base::Result<std::map<std::string, ScoreRule>> ReadScoreRules(const base::Json& endpoints);

struct Monitor::State {
  State(Parts given, MonitorSettings monitor_settings, std::string data_folder);

  // --- monitor.cc
  base::Status Open();
  base::Status Rebuild();
  void Process(std::vector<WrittenRecord>& records);
  void CountOne(storage::RecordPosition position, const std::string& bytes);  // locks
  void CountLive(const PredictionView& view);                                 // under mutex
  void AskBaselines();
  void RunDelivery();

  // --- monitor_archive.cc
  base::Status OpenKeeping();
  void RunArchive();
  // Archives what is closed, then removes what is past its retention.
  base::Status KeepHouse(base::Micros now);
  base::Status ApplyRetention(base::Micros now);

  // --- monitor_labels.cc
  base::Status CheckLabels(const std::vector<LabelInput>& labels) const;
  // Fills in the prediction ids of labels by key, and gives request ids the form that the log has;
  // kInvalidArgument (field "labels[i].key").
  base::Status NameAsLogged(const std::string& endpoint, std::vector<LabelInput>& labels) const;
  base::Status ResolveKeys(const std::string& endpoint, std::vector<LabelInput>& labels) const;
  // The record's facts, and label.prediction_id filled in; nullopt when there is no such prediction
  // yet.
  base::Result<std::optional<RowFacts>> Resolve(
      const std::string& endpoint, LabelInput& label,
      std::pair<std::string, std::string>& last_record) const;
  void CountOutcome(const std::string& endpoint, Joined joined, LabelOutcome& outcome);
  void TellLabelled(const RowFacts& facts, const LabelInput& label) const;
  void JoinPending(const PredictionView& view);  // under mutex
  base::Status MatchForgottenRequests();

  // --- monitor_reports.cc; the first three under mutex
  WindowReport Report(const std::string& name, const EndpointState& endpoint, base::Micros start,
                      const Window& window, const Slice& slice);
  DriftReport DriftOf(const VersionProfile& profile, Span span, const ProfileCounts& counts,
                      int64_t version) const;
  std::optional<WindowQuality> QualityOf(const std::string& name, const EndpointState& endpoint,
                                         base::Micros start, const Window& window,
                                         const Slice& slice);
  // What `query` asks for of one window.
  std::vector<Slice> SlicesOf(const std::string& name, const EndpointState& endpoint,
                              const Window& window, const WindowQuery& query) const;
  // Its place among the endpoint's segment features; kInvalidArgument (field "segment").
  base::Result<size_t> SegmentFeature(const std::string& endpoint,
                                      const std::string& feature) const;
  struct WindowToJudge {
    std::string endpoint;
    std::vector<WindowReport> versions;    // at least one
    std::map<int64_t, DriftReport> drift;  // of the versions that have a baseline
  };
  // Closed windows of which something is left to judge, each endpoint's oldest first.
  std::vector<WindowToJudge> CollectClosed(base::Micros now);

  // --- monitor_drift.cc
  // What a drift query is answered from. Under mutex; the result points into the table.
  struct Sliced {
    Span span;
    Slice slice;  // with its version
    const VersionState* version = nullptr;
    VersionProfile* profile = nullptr;
    ProfileCounts counts;
  };
  base::Result<Sliced> SliceFor(const std::string& endpoint, const DriftQuery& query);
  base::Status LoadDetections();
  // Each episode of a detector that is not announced yet becomes an event, once.
  base::Status AnnounceDetections();

  // --- monitor_judge.cc, all under judge_mutex
  base::Status LoadJudged();
  bool IsJudged(const std::string& endpoint, int64_t version, base::Micros start,
                const std::string& part) const;
  base::Status Judge(const WindowReport& window, const std::string& endpoint,
                     const std::string& part, const std::vector<Finding>& findings,
                     base::Micros now);
  base::Status JudgeWindow(const WindowToJudge& window, base::Micros now);
  void ShowGauges(const WindowToJudge& window);
  base::Status ShowFiring();
  base::Result<std::map<std::string, double>> ReferencesOf(const std::string& endpoint,
                                                           int64_t version);

  // --- monitor_live.cc, all under judge_mutex
  base::Status JudgeLive(base::Micros now);
  // What the live rules say, and the episode keys that they cannot say anything of.
  std::vector<Finding> LiveFindings(const RuleSet& rules, base::Micros now);
  int64_t LogFailuresIn(base::Micros span, base::Micros now) const;
  base::Status RefreshRules(base::Micros now);
  base::Status DropRulelessAlerts(base::Micros now);

  Parts parts;
  const MonitorSettings settings;
  const std::string folder;
  base::Micros origin = 0;
  std::unique_ptr<PredictionLog> log;
  std::unique_ptr<LabelLog> label_log;
  std::map<std::string, KeepRule, std::less<>> keep_rules;
  Redactor redactor;
  base::Counter& archived_segments;
  base::Counter& archive_failures;
  base::Counter& removed_rows;
  std::mutex sql_mutex;  // of making the two
  std::unique_ptr<SqlTables> sql_tables;
  std::unique_ptr<SqlEngine> sql;
  AlertOutbox outbox;
  Alerts alerts;
  Silences silences;
  RuleBook rules;

  std::mutex label_mutex;  // label batches one after the other: the label log's order is the order
                           // of joining. Before `mutex`.
  mutable std::mutex mutex;  // table, live, pending, quality_cache
  std::unique_ptr<WindowTable> table;
  LiveCounts live;
  PendingLabels pending;
  std::map<std::string, base::Counter*, std::less<>> prediction_counters;  // by endpoint
  struct CachedQuality {
    int64_t revision = -1;
    std::optional<WindowQuality> quality;
  };
  std::map<std::tuple<std::string, base::Micros, Slice>, CachedQuality> quality_cache;

  std::mutex judge_mutex;  // one Tick at a time
  std::set<std::tuple<std::string, int64_t, base::Micros, std::string>> judged;
  std::map<std::string, base::Micros> newest_judged;  // by endpoint: start of the window
  // By endpoint, version and stream: start of the window of each announced detection.
  std::set<std::tuple<std::string, int64_t, std::string, base::Micros>> announced;

  base::Micros last_live = std::numeric_limits<base::Micros>::min();  // judgement of live rules
  std::vector<std::pair<base::Micros, double>> log_failures;          // all there were, by time

  std::mutex delivery_mutex;
  std::condition_variable delivery_wake;
  bool stopping = false;
  std::thread delivery;
  std::thread archiving;
  CountQueue queue;  // last: its thread uses the above
};

}  // namespace slipway::monitoring
