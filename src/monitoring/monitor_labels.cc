// SPDX-License-Identifier: Apache-2.0
// The walk of a label: checked, resolved to its prediction, written, joined. And back: the labelled
// rows of a window.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "monitoring/monitor_state.h"
#include "monitoring/table_builder.h"

namespace slipway::monitoring {
namespace {

std::string FieldOf(size_t index, const char* name) {
  return "labels[" + std::to_string(index) + "]." + name;
}

const char* NameOf(Joined joined) {
  switch (joined) {
    case Joined::kNew:
      return "new";
    case Joined::kDuplicate:
      return "duplicate";
    case Joined::kCorrected:
      return "corrected";
    case Joined::kOutdated:
      return "outdated";
    case Joined::kTooOld:
      return "too_old";
  }
  return "";
}

}  // namespace

base::Status Monitor::State::CheckLabels(const std::vector<LabelInput>& labels) const {
  if (labels.empty() || labels.size() > kMaxLabelsInBatch) {
    return base::InvalidArgument("labels",
                                 "expected 1 to " + std::to_string(kMaxLabelsInBatch) + " labels");
  }
  const base::Micros latest = parts.clock.Now() + kMaxFutureLabel;
  for (size_t i = 0; i < labels.size(); ++i) {
    const LabelInput& label = labels[i];
    const int names = (label.prediction_id.empty() ? 0 : 1) + (label.request_id.empty() ? 0 : 1) +
                      (label.key.empty() ? 0 : 1);
    if (names != 1) {
      return base::InvalidArgument("labels[" + std::to_string(i) + "]",
                                   "expected either prediction_id or request_id or key");
    }
    if (!label.prediction_id.empty()) {
      const auto id = ParsePredictionId(label.prediction_id);
      if (!id.ok())
        return base::InvalidArgument(FieldOf(i, "prediction_id"), id.status().message());
    }
    if (label.request_id.size() > kMaxLabelText) {
      return base::InvalidArgument(FieldOf(i, "request_id"),
                                   "expected at most " + std::to_string(kMaxLabelText) + " bytes");
    }
    if (label.row < 0) return base::InvalidArgument(FieldOf(i, "row"), "expected 0 or more");
    const double* number = std::get_if<double>(&label.value);
    if (number != nullptr && !std::isfinite(*number)) {
      return base::InvalidArgument(FieldOf(i, "value"), "expected a finite number");
    }
    if (label.time > latest) {
      return base::InvalidArgument(FieldOf(i, "time"), "lies more than a day after now, " +
                                                           base::FormatTime(parts.clock.Now()));
    }
  }
  return base::Status::Ok();
}

base::Result<std::optional<RowFacts>> Monitor::State::Resolve(
    const std::string& endpoint, LabelInput& label,
    std::pair<std::string, std::string>& last_record) const {
  const bool by_id = !label.prediction_id.empty();
  PredictionId id{label.request_id, label.row};
  if (by_id) id = TRY(ParsePredictionId(label.prediction_id));
  const std::string cache_key = (by_id ? "p" : "r") + id.record_id;
  if (last_record.first != cache_key) {
    auto bytes =
        by_id ? log->GetBytes(id.record_id) : log->FindByRequestId(endpoint, label.request_id);
    if (!bytes.ok() && bytes.status().code() == base::Code::kNotFound)
      return std::optional<RowFacts>();
    last_record = {cache_key, TRY(std::move(bytes))};
  }
  PredictionView view;
  TRY(ReadPrediction(last_record.second, view));
  if (view.endpoint != endpoint) {
    return base::InvalidArgument("prediction_id",
                                 "prediction '" + label.prediction_id + "' belongs to endpoint '" +
                                     std::string(view.endpoint) + "', not '" + endpoint + "'");
  }
  if (id.row >= view.rows) return std::optional<RowFacts>();
  label.prediction_id = FormatPredictionId(FormatUlid(view.id), id.row, view.rows);
  return std::optional<RowFacts>(FactsOf(view, id.row, table->RuleOf(endpoint)));
}

void Monitor::State::CountOutcome(const std::string& endpoint, Joined joined,
                                  LabelOutcome& outcome) {
  outcome.duplicate += joined == Joined::kDuplicate ? 1 : 0;
  outcome.corrected += joined == Joined::kCorrected ? 1 : 0;
  outcome.outdated += joined == Joined::kOutdated ? 1 : 0;
  parts.metrics
      .GetCounter("slipway_monitoring_labels", "Labels by what became of them.",
                  {{"endpoint", endpoint}, {"outcome", NameOf(joined)}})
      .Add();
}

void Monitor::State::TellLabelled(const RowFacts& facts, const LabelInput& label) const {
  if (!parts.on_labelled || !facts.answer.score) return;
  const auto binary = BinaryLabel(label.value, table->RuleOf(facts.endpoint).positive_label);
  if (!binary) return;
  parts.on_labelled({facts.endpoint, facts.version, label.prediction_id, facts.time,
                     *facts.answer.score, *binary});
}

void Monitor::State::JoinPending(const PredictionView& view) {
  const std::string endpoint(view.endpoint);
  LabelOutcome outcome;
  for (PendingLabel& label : pending.TakeFor(view)) {
    const RowFacts facts = FactsOf(view, label.input.row, table->RuleOf(endpoint));
    const Joined joined = table->Join(facts, label.input.value, label.input.time);
    CountOutcome(endpoint, joined, outcome);
    if (joined != Joined::kNew) continue;
    label.input.prediction_id = FormatPredictionId(FormatUlid(view.id), label.input.row, view.rows);
    TellLabelled(facts, label.input);
  }
}

// Labels by the id of a request that the index has let go: one reading of the log finds them.
base::Status Monitor::State::MatchForgottenRequests() {
  {
    const std::lock_guard lock(mutex);
    if (!log->HasForgottenRequests() || !pending.TakeNewRequests()) return base::Status::Ok();
  }
  constexpr base::Micros kEver = std::numeric_limits<base::Micros>::max();
  return log->Visit("", -kEver, kEver, [&](const PredictionView& view) {
    const std::lock_guard lock(mutex);
    if (!pending.empty()) JoinPending(view);
    return !pending.empty();
  });
}

base::Result<LabelOutcome> Monitor::AddLabels(const std::string& endpoint,
                                              const std::vector<LabelInput>& labels) {
  State& state = *state_;
  TRY(state.CheckLabels(labels));
  state.queue.Flush();
  const std::lock_guard label_lock(state.label_mutex);
  LabelBatch batch{endpoint, state.parts.clock.Now(), labels};
  TRY(state.NameAsLogged(endpoint, batch.labels));
  std::vector<std::optional<RowFacts>> facts;
  std::pair<std::string, std::string> last_record;
  size_t unresolved = 0;
  for (size_t i = 0; i < batch.labels.size(); ++i) {
    auto resolved = state.Resolve(endpoint, batch.labels[i], last_record);
    if (!resolved.ok() && resolved.status().code() == base::Code::kInvalidArgument) {
      return base::InvalidArgument(FieldOf(i, "prediction_id"), resolved.status().message());
    }
    facts.push_back(TRY(std::move(resolved)));
    unresolved += facts.back() ? 0 : 1;
  }
  {
    const std::lock_guard lock(state.mutex);
    if (state.pending.size() + unresolved >
        static_cast<size_t>(state.settings.max_pending_labels)) {
      return base::ResourceExhausted("too_many_pending_labels",
                                     std::to_string(state.pending.size()) +
                                         " labels wait for predictions that are not there, " +
                                         std::to_string(unresolved) +
                                         " more do not fit (monitoring.max_pending_labels)");
    }
  }
  TRY(state.label_log->Append(batch));
  LabelOutcome outcome;
  outcome.accepted = static_cast<int64_t>(labels.size());
  const std::lock_guard lock(state.mutex);
  last_record = {};
  for (size_t i = 0; i < batch.labels.size(); ++i) {
    LabelInput& label = batch.labels[i];
    // Its prediction may have come while the batch was written.
    if (!facts[i]) {
      auto again = state.Resolve(endpoint, label, last_record);
      if (again.ok()) facts[i] = *std::move(again);
    }
    if (facts[i]) {
      const Joined joined = state.table->Join(*facts[i], label.value, label.time);
      state.CountOutcome(endpoint, joined, outcome);
      if (joined == Joined::kNew) state.TellLabelled(*facts[i], label);
    } else {
      ++outcome.unmatched;
      state.pending.Add(endpoint, {label, 0});
    }
  }
  if (outcome.unmatched > 0) {
    state.parts.metrics
        .GetCounter("slipway_monitoring_labels", "Labels by what became of them.",
                    {{"endpoint", endpoint}, {"outcome", "unmatched"}})
        .Add(static_cast<double>(outcome.unmatched));
  }
  return outcome;
}

std::optional<Label> Monitor::LabelOf(const std::string& prediction_id) {
  const auto id = ParsePredictionId(prediction_id);
  const auto bytes =
      id.ok() ? state_->log->GetBytes(id->record_id) : base::Result<std::string>(id.status());
  PredictionView view;
  if (!bytes.ok() || !ReadPrediction(*bytes, view).ok()) return std::nullopt;
  const std::lock_guard lock(state_->mutex);
  const JoinedLabel* label = state_->table->FindLabel(view.endpoint, view.time, {view.id, id->row});
  if (label == nullptr) return std::nullopt;
  return Label{label->value, label->time, label->time - view.time};
}

namespace {

struct LabelledRow {
  int64_t row = 0;
  double score = 0;
  bool label = false;
};

// The rows of a record that have a score and a two-class label, rising.
std::vector<LabelledRow> LabelledRowsOf(const WindowTable& table, const PredictionView& view) {
  std::vector<LabelledRow> rows;
  const ScoreRule& rule = table.RuleOf(view.endpoint);
  const auto score = view.status_code == 0 ? FindScore(view, rule) : std::nullopt;
  for (int64_t row = 0; score && row < view.rows; ++row) {
    const JoinedLabel* label = table.FindLabel(view.endpoint, view.time, {view.id, row});
    const auto truth =
        label == nullptr ? std::nullopt : BinaryLabel(label->value, rule.positive_label);
    if (truth && !std::isnan(score->At(row))) rows.push_back({row, score->At(row), *truth});
  }
  return rows;
}

}  // namespace

base::Result<LabelledTable> Monitor::LabelledRows(const std::string& endpoint, Span span,
                                                  int64_t limit) {
  if (limit < 1 || limit > kMaxLabelledRows) {
    return base::InvalidArgument("limit", "expected 1 to " + std::to_string(kMaxLabelledRows));
  }
  Flush();
  const State& state = *state_;
  int64_t total = 0;
  TRY(state.log->Visit(endpoint, span.start, span.end, [&](const PredictionView& view) {
    const std::lock_guard lock(state.mutex);
    total += static_cast<int64_t>(LabelledRowsOf(*state.table, view).size());
    return true;
  }));
  int64_t skip = std::max<int64_t>(0, total - limit);
  LabelledTable labelled;
  TableBuilder builder;
  TRY(state.log->Visit(endpoint, span.start, span.end, [&](const PredictionView& view) {
    std::vector<LabelledRow> rows;
    {
      const std::lock_guard lock(state.mutex);
      rows = LabelledRowsOf(*state.table, view);
    }
    const int64_t skipped = std::min(skip, static_cast<int64_t>(rows.size()));
    skip -= skipped;
    rows.erase(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(skipped));
    if (rows.empty() || !builder.Fits(view)) return true;
    std::vector<int64_t> numbers;
    const std::string id = FormatUlid(view.id);
    for (const LabelledRow& row : rows) {
      numbers.push_back(row.row);
      labelled.scores.push_back(row.score);
      labelled.labels.push_back(row.label ? 1 : 0);
      labelled.versions.push_back(view.version);
      labelled.ids.push_back(FormatPredictionId(id, row.row, view.rows));
      labelled.times.push_back(view.time);
    }
    builder.AddRows(view, numbers);
    return static_cast<int64_t>(labelled.labels.size()) < limit;
  }));
  labelled.columns = builder.Take();
  return labelled;
}

}  // namespace slipway::monitoring
