// SPDX-License-Identifier: Apache-2.0
// The room's door: start (both logs are read, everything else follows from them), stop, and the
// path of a prediction.
#include "monitoring/monitor.h"

#include <chrono>
#include <utility>

#include "base/log.h"
#include "monitoring/monitor_state.h"
#include "monitoring/sql_tables.h"

namespace slipway::monitoring {
namespace {

constexpr std::chrono::seconds kDeliveryRest{1};
constexpr int64_t kMaxBaselineRows = 100'000;
constexpr int64_t kLabelSegmentBytes = 64LL * 1024 * 1024;
constexpr std::string_view kShadowArm = "shadow";  // nobody waits for its answers

storage::SegmentSettings LogSettings(const std::string& durability, int64_t segment_bytes) {
  storage::SegmentSettings settings;
  settings.segment_bytes = segment_bytes;
  settings.durability =
      durability == "power" ? storage::Durability::kPower : storage::Durability::kProcess;
  return settings;
}

}  // namespace

void DescribeKeeping(base::Schema& schema, MonitorSettings& settings) {
  constexpr int64_t kGiga = 1024LL * 1024 * 1024;
  schema.Add("monitoring.archive", &settings.archive,
             "Where closed segments of the prediction log go as Parquet files: file:<folder>, "
             "s3://bucket/prefix, gs://bucket/prefix; empty: they stay segments.");
  schema.Add("monitoring.segment_bytes", &settings.segment_bytes,
             "Size at which a segment of the prediction log is closed.", 64 * 1024, kGiga);
  schema.Add("monitoring.retention_days", &settings.retention_days,
             "Age in days past which archived predictions are removed; 0: never.", 0.0, 100'000.0);
  schema.Add("monitoring.retention_bytes", &settings.retention_bytes,
             "Bytes of an endpoint's archived predictions past which the oldest are removed; 0: no "
             "limit.",
             0, 1'000'000 * kGiga);
  schema.Add("monitoring.label_tolerance", &settings.label_tolerance,
             "How long before a label's time the prediction of its key may have been made.",
             base::Duration{0}, base::Duration{3660 * base::kDay});
  schema.Add("monitoring.redaction_salt", &settings.redaction_salt,
             "Secret of at least 16 bytes under which fields named by hash are hashed.");
}

void Describe(base::Schema& schema, MonitorSettings& settings) {
  const base::Duration year{366 * base::kDay};
  schema.Add("monitoring.window", &settings.window,
             "Length of the windows that predictions are counted in.",
             base::Duration{base::kSecond}, year);
  schema.Add("monitoring.window_origin", &settings.window_origin,
             "A moment at which a window begins (RFC 3339).");
  schema.Add("monitoring.label_wait", &settings.label_wait,
             "How long after its end a window is judged.", base::Duration{0}, year);
  schema.Add("monitoring.keep_windows", &settings.keep_windows,
             "Windows of an endpoint that are kept in memory.", 1, 100'000);
  schema.Add(
      "monitoring.max_labels_in_memory", &settings.max_labels_in_memory,
      "Joined labels kept in memory; past it the quality of the oldest window stands as it is.",
      1000, 1'000'000'000);
  schema.Add("monitoring.max_pending_labels", &settings.max_pending_labels,
             "Labels that may wait for their prediction; past it label posts are refused.", 0,
             100'000'000);
  schema.Add("monitoring.recent_requests", &settings.recent_requests,
             "Requests whose labels join at once by request id; older ones join at the next tick.",
             1000, 100'000'000);
  schema.Add("monitoring.baseline_rows", &settings.baseline_rows,
             "Predictions that make the baseline of a version that brings none.", 20,
             kMaxBaselineRows);
  schema.Add("monitoring.psi_threshold", &settings.psi_threshold,
             "PSI above which a feature or the predictions have drifted.", 0.0, 100.0);
  schema.Add("monitoring.auc_drop", &settings.auc_drop,
             "Fall of the AUC under the version's gate value that raises an alert.", 0.0, 1.0);
  schema.Add("monitoring.error_rate", &settings.error_rate,
             "Share of failed requests that raises an alert.", 0.0, 1.0);
  schema.Add("monitoring.min_labels", &settings.min_labels,
             "Labelled rows below which quality is not judged.", 10, 1'000'000);
  schema.Add("monitoring.resolve_ratio", &settings.resolve_ratio,
             "An alert ends below its threshold times this.", 0.0, 1.0);
  schema.Add("monitoring.rules", &settings.rules,
             "Of the built-in rules, those that are judged: prediction_psi, feature_psi, auc_drop, "
             "error_rate.");
  schema.Add("alerts.rules_file", &settings.rules_file,
             "File of alert rules (YAML) in place of the built-in ones; read at the start and by "
             "POST /api/v1/alerts/rules.");
  schema.AddJson("alerts.routes", &settings.routes,
                 "Which sinks hear of an alert: list of {match: {label: pattern}, sinks: [names]}; "
                 "the first that matches; none: all sinks.");
  schema.AddChoice("monitoring.durability", &settings.durability,
                   "What a logged prediction survives: process (kill -9) or power (loss of power).",
                   {"process", "power"});
  schema.AddChoice(
      "monitoring.label_durability", &settings.label_durability,
      "What an acknowledged label survives: process (kill -9) or power (loss of power).",
      {"process", "power"});
  schema.AddJson("monitoring.endpoints", &settings.endpoints,
                 "By endpoint: score_output (name of the output that is the score), positive_label "
                 "(label that counts as 1), task (auto, binary, multiclass, regression), segments "
                 "(features by which quality and drift are told apart, at most 4), drop and hash "
                 "(fields that are not logged as they are), retention_days, retention_bytes.");
  DescribeKeeping(schema, settings);
  DescribeSql(schema, settings);
}

namespace {

base::Result<Task> ReadTask(const base::Json& given, const std::string& field) {
  const std::string name = TRY(base::OptionalString(given, "task")).value_or("auto");
  for (const Task task : {Task::kAuto, Task::kBinary, Task::kMulticlass, Task::kRegression}) {
    if (TaskName(task) == name) return task;
  }
  return base::InvalidArgument(
      field + ".task", "expected auto, binary, multiclass or regression, got '" + name + "'");
}

base::Result<std::vector<std::string>> ReadSegments(const base::Json& given,
                                                    const std::string& field) {
  std::vector<std::string> segments;
  const base::Json* list = given.Find("segments");
  if (list == nullptr || list->is_null()) return segments;
  const base::Status expected = base::InvalidArgument(
      field + ".segments",
      "expected a list of at most " + std::to_string(kMaxSegmentFeatures) + " feature names");
  if (!list->is_array() || list->AsArray().size() > kMaxSegmentFeatures) return expected;
  for (const base::Json& name : list->AsArray()) {
    if (!name.is_string() || name.AsString().empty()) return expected;
    segments.push_back(name.AsString());
  }
  return segments;
}

}  // namespace

base::Result<std::map<std::string, ScoreRule>> ReadScoreRules(const base::Json& endpoints) {
  std::map<std::string, ScoreRule> rules;
  if (endpoints.is_null()) return rules;
  if (!endpoints.is_object()) {
    return base::InvalidArgument("monitoring.endpoints",
                                 "expected a mapping of endpoint -> settings");
  }
  for (const auto& [name, given] : endpoints.AsObject()) {
    const std::string field = "monitoring.endpoints." + name;
    if (!given.is_object())
      return base::InvalidArgument(
          field, "expected a mapping with score_output, positive_label, task and segments");
    TRY(base::RequireOnly(given, {"score_output", "positive_label", "task", "segments", "drop",
                                  "hash", "retention_days", "retention_bytes"})
            .Annotate(field));
    ScoreRule& rule = rules[name];
    rule.score_output = TRY(base::OptionalString(given, "score_output")).value_or("");
    rule.positive_label = TRY(base::OptionalString(given, "positive_label")).value_or("");
    rule.task = TRY(ReadTask(given, field));
    rule.segments = TRY(ReadSegments(given, field));
  }
  return rules;
}

Monitor::State::State(Parts given, MonitorSettings monitor_settings, std::string data_folder)
    : parts(std::move(given)),
      settings(std::move(monitor_settings)),
      folder(std::move(data_folder)),
      archived_segments(parts.metrics.GetCounter("slipway_monitoring_archived_segments",
                                                 "Closed segments that became Parquet files.")),
      archive_failures(parts.metrics.GetCounter("slipway_monitoring_archive_failures",
                                                "Attempts to archive or to remove that failed.")),
      removed_rows(parts.metrics.GetCounter("slipway_monitoring_removed_predictions",
                                            "Archived predictions that retention removed.")),
      outbox(parts.database, std::move(parts.sinks), parts.metrics),
      alerts(parts.database, parts.events, outbox.SinkNames()),
      silences(parts.database, parts.events),
      rules(
          parts.database, parts.events,
          {settings.psi_threshold, settings.auc_drop, settings.error_rate, settings.resolve_ratio},
          settings.rules_file, settings.rules),
      queue([this](std::vector<WrittenRecord>& records) { Process(records); }) {}

base::Status Monitor::State::Open() {
  alerts.SetRoutes(TRY(Alerts::ReadRoutes(settings.routes, outbox.SinkNames())));
  TRY(rules.Start(parts.clock.Now()));
  origin = TRY(base::ParseTime(settings.window_origin));
  table = std::make_unique<WindowTable>(settings, origin, TRY(ReadScoreRules(settings.endpoints)));
  TRY(OpenKeeping());
  log = TRY(PredictionLog::Open(folder + "/predictions",
                                LogSettings(settings.durability, settings.segment_bytes),
                                settings.recent_requests, parts.metrics, parts.archive));
  label_log = TRY(LabelLog::Open(folder + "/labels",
                                 LogSettings(settings.label_durability, kLabelSegmentBytes),
                                 parts.metrics));
  return base::Status::Ok();
}

// Labels that were logged by request id (their prediction was not there yet) find it while the
// predictions are read; then all labels are joined in their own order, exactly as it happened.
base::Status Monitor::State::Rebuild() {
  int64_t ordinal = 0;
  PendingLabels early;
  TRY(label_log->Visit([&](const LabelBatch& batch) {
    for (const LabelInput& label : batch.labels) {
      if (label.prediction_id.empty()) early.Add(batch.endpoint, {label, ordinal});
      ++ordinal;
    }
  }));
  std::map<int64_t, std::string> found;
  TRY(log->LoadIndex([&](std::string_view bytes, const PredictionView& view) {
    {
      const std::lock_guard lock(mutex);
      table->Count(view, bytes);
      CountLive(view);
    }
    AskBaselines();
    for (const PendingLabel& label : early.TakeFor(view)) {
      found[label.ordinal] = FormatPredictionId(FormatUlid(view.id), label.input.row, view.rows);
    }
  }));
  ordinal = 0;
  base::Status failure;
  std::pair<std::string, std::string> last_record;
  TRY(label_log->Visit([&](const LabelBatch& batch) {
    for (LabelInput label : batch.labels) {
      const auto id = found.find(ordinal++);
      if (id != found.end()) label.prediction_id = id->second;
      auto facts = Resolve(batch.endpoint, label, last_record);
      if (!facts.ok()) failure = facts.status();
      if (facts.ok() && *facts) {
        const std::lock_guard lock(mutex);
        table->Join(**facts, label.value, label.time);
      } else {
        pending.Add(batch.endpoint, {label, 0});
      }
    }
  }));
  return failure;
}

void Monitor::State::CountLive(const PredictionView& view) {
  if (view.arm == kShadowArm || view.time < parts.clock.Now() - kCountsKept) return;
  live.Add(view.endpoint, view.time, view.status_code != 0, view.total_ns);
}

void Monitor::State::CountOne(storage::RecordPosition position, const std::string& bytes) {
  thread_local PredictionView view;
  if (!ReadPrediction(bytes, view).ok()) return;  // cannot be: this process encoded it
  const std::lock_guard lock(mutex);
  log->AddToIndex(position, view);
  table->Count(view, bytes);
  CountLive(view);
  auto counter = prediction_counters.find(view.endpoint);
  if (counter == prediction_counters.end()) {
    const std::string endpoint(view.endpoint);
    base::Counter& made =
        parts.metrics.GetCounter("slipway_monitoring_predictions",
                                 "Predictions (rows) that were logged.", {{"endpoint", endpoint}});
    counter = prediction_counters.emplace(endpoint, &made).first;
  }
  counter->second->Add(static_cast<double>(view.rows));
  if (!pending.empty()) JoinPending(view);
}

void Monitor::State::Process(std::vector<WrittenRecord>& records) {
  for (const WrittenRecord& record : records) CountOne(record.position, record.bytes);
  AskBaselines();
}

// Blocks (registry, files): on the counting thread, or at start.
void Monitor::State::AskBaselines() {
  std::vector<WindowTable::Unasked> unasked;
  {
    const std::lock_guard lock(mutex);
    unasked = table->TakeUnasked();
  }
  for (const WindowTable::Unasked& version : unasked) {
    const auto text = parts.find_baseline ? parts.find_baseline(version.model, version.version)
                                          : base::Result<std::optional<std::string>>(std::nullopt);
    auto baseline = text.ok() && *text ? ParseBaseline(**text)
                                       : base::Result<Baseline>(base::NotFound("none", "none"));
    const bool broken = text.ok() && *text && !baseline.ok();
    if (!text.ok() || broken) {
      const base::Status& why = text.ok() ? baseline.status() : text.status();
      base::Log(base::LogLevel::kWarning, "monitoring", "a version's baseline could not be read",
                {{"model", version.model}, {"version", version.version}, {"why", why.ToString()}});
    }
    const std::lock_guard lock(mutex);
    if (!text.ok()) {
      table->BaselineFailed(version.endpoint, version.version);
    } else {
      table->SetBaseline(
          version.endpoint, version.version,
          baseline.ok() ? std::optional<Baseline>(*std::move(baseline)) : std::nullopt);
    }
  }
}

void Monitor::State::RunDelivery() {
  std::unique_lock lock(delivery_mutex);
  while (!stopping) {
    lock.unlock();
    const auto delivered = outbox.DeliverDue(parts.clock.Now());
    if (!delivered.ok()) {
      base::Log(base::LogLevel::kWarning, "monitoring", "alerts cannot be read from the database",
                {{"why", delivered.status().ToString()}});
    }
    const base::Status repeated = outbox.Repeat(parts.clock.Now());
    if (!repeated.ok()) {
      base::Log(base::LogLevel::kWarning, "monitoring", "firing alerts cannot be told of again",
                {{"why", repeated.ToString()}});
    }
    lock.lock();
    delivery_wake.wait_for(lock, kDeliveryRest, [&] { return stopping; });
  }
}

Monitor::Monitor(Parts parts, MonitorSettings settings, std::string folder)
    : state_(std::make_unique<State>(std::move(parts), std::move(settings), std::move(folder))) {}

Monitor::~Monitor() { Stop(); }

base::Status Monitor::Start() {
  State& state = *state_;
  TRY(state.Open());
  TRY(state.Rebuild());
  TRY(state.LoadJudged());
  TRY(state.LoadDetections());
  TRY(state.DropRulelessAlerts(state.parts.clock.Now()));
  state.log->Follow([&state](storage::RecordPosition position, std::string bytes) {
    WrittenRecord record{position, std::move(bytes)};
    if (!state.queue.Push(record)) state.CountOne(record.position, record.bytes);
  });
  state.queue.Start();
  state.delivery = std::thread([&state] { state.RunDelivery(); });
  if (state.parts.archive != nullptr)
    state.archiving = std::thread([&state] { state.RunArchive(); });
  return base::Status::Ok();
}

void Monitor::Stop() {
  state_->queue.Stop();
  {
    const std::lock_guard lock(state_->delivery_mutex);
    state_->stopping = true;
    state_->delivery_wake.notify_all();
  }
  if (state_->delivery.joinable()) state_->delivery.join();
  if (state_->archiving.joinable()) state_->archiving.join();
}

base::Status Monitor::Append(const PredictionRecord& record) {
  CHECK(state_->log != nullptr, "Monitor::Start comes before the first Append");
  if (state_->redactor.Touches(record.endpoint))
    return state_->log->Append(state_->redactor.Apply(record));
  return state_->log->Append(record);
}

void Monitor::Flush() { state_->queue.Flush(); }

base::Result<LoggedPrediction> Monitor::GetPrediction(const std::string& prediction_id) {
  Flush();
  return state_->log->Get(prediction_id);
}

base::Result<PredictionPage> Monitor::ListPredictions(const PredictionFilter& filter) {
  Flush();
  return state_->log->List(filter);
}

PredictionCount Monitor::Count(const std::string& endpoint) {
  Flush();
  return state_->log->Count(endpoint);
}

std::vector<std::string> Monitor::Endpoints() {
  Flush();
  return state_->log->Endpoints();
}

}  // namespace slipway::monitoring
