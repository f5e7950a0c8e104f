// SPDX-License-Identifier: Apache-2.0
// Versions compete on the newest labelled window.
#include "lifecycle/contest.h"

#include <algorithm>
#include <utility>

#include "inference/columns.h"
#include "lifecycle/run_model.h"
#include "monitoring/stats.h"

namespace slipway::lifecycle {

namespace {

Competitor Enter(const registry::Version& version) {
  Competitor competitor;
  competitor.version = version.number;
  competitor.stage = StageName(version.stage);
  return competitor;
}

}  // namespace

struct Contests::Window {
  monitoring::Span span;
  monitoring::LabelledTable table;
};

const Competitor* Contest::Find(int64_t version) const {
  const auto found = std::find_if(competitors.begin(), competitors.end(),
                                  [&](const Competitor& c) { return c.version == version; });
  return found == competitors.end() ? nullptr : &*found;
}

base::Json ToJson(const Contest& contest) {
  auto number = [](const std::optional<double>& value) {
    return value ? base::Json(*value) : base::Json();
  };
  base::Json competitors = base::Json::MakeArray();
  for (const Competitor& one : contest.competitors) {
    competitors.Append(base::Json::MakeObject({{"version", one.version},
                                               {"stage", one.stage},
                                               {"auc", one.auc},
                                               {"brier", one.brier},
                                               {"n", contest.rows},
                                               {"difference", number(one.difference)},
                                               {"lower", number(one.lower)},
                                               {"upper", number(one.upper)},
                                               {"better", one.better}}));
  }
  return base::Json::MakeObject(
      {{"window", base::Json::MakeObject({{"start", base::FormatTime(contest.window_start)},
                                          {"end", base::FormatTime(contest.window_end)}})},
       {"rows", contest.rows},
       {"production", contest.production},
       {"competitors", std::move(competitors)}});
}

Contests::Contests(registry::Registry& registry, traffic::Endpoints& endpoints,
                   monitoring::Monitor& monitor, ContestRules rules)
    : registry_(registry), endpoints_(endpoints), monitor_(monitor), rules_(rules) {}

base::Result<Contests::Window> Contests::NewestLabelled(const std::string& endpoint) {
  const auto reports = TRY(monitor_.Windows(endpoint, std::nullopt, std::nullopt, std::nullopt));
  int64_t most = 0;
  for (auto report = reports.rbegin(); report != reports.rend(); ++report) {
    most = std::max(most, report->labels);
    if (report->labels < rules_.least_rows) continue;
    Window window{report->window, TRY(monitor_.LabelledRows(endpoint, report->window,
                                                            monitoring::kMaxLabelledRows))};
    if (static_cast<int64_t>(window.table.labels.size()) >= rules_.least_rows) return window;
  }
  return base::FailedPrecondition(
      "too_few_labels", "no window of endpoint " + endpoint +
                            " has enough labelled predictions yet: " + std::to_string(most) +
                            " of " + std::to_string(rules_.least_rows));
}

base::Result<std::vector<double>> Contests::ScoresOf(const Window& window, const std::string& model,
                                                     int64_t version) {
  const auto loaded = TRY(endpoints_.LoadVersion(model, version));
  auto request = inference::RequestFromColumns(window.table.columns, loaded->description());
  if (!request.ok()) {
    return base::FailedPrecondition(
        "cannot_score", "version " + std::to_string(version) + " does not take the logged rows: " +
                            request.status().field() + ": " + request.status().message());
  }
  return ScoreRows(*loaded, std::move(request).TakeValue(), "");
}

base::Result<Contest> Contests::Hold(const std::string& model,
                                     const std::vector<int64_t>& challengers) {
  const auto production = TRY(registry_.InStage(model, registry::Stage::kProduction));
  if (!production)
    return base::FailedPrecondition("no_production", model + " has no version in production");
  const Window window = TRY(NewestLabelled(model));

  Contest contest{model,
                  window.span.start,
                  window.span.end,
                  static_cast<int64_t>(window.table.labels.size()),
                  production->number,
                  {}};
  std::vector<std::vector<double>> scores;
  contest.competitors.push_back(Enter(*production));
  scores.push_back(TRY(ScoresOf(window, model, production->number)));
  for (const int64_t number : challengers) {
    if (contest.Find(number) != nullptr) continue;
    contest.competitors.push_back(Enter(TRY(registry_.GetVersion(model, number))));
    scores.push_back(TRY(ScoresOf(window, model, number)));
  }
  const auto compared =
      TRY(monitoring::CompareAuc(window.table.labels, scores, 0,
                                 {.resamples = rules_.resamples, .confidence = rules_.confidence}));
  for (size_t i = 0; i < compared.size(); ++i) {
    Competitor& competitor = contest.competitors[i];
    competitor.auc = compared[i].auc;
    competitor.brier = compared[i].brier;
    if (i == 0) continue;
    competitor.difference = compared[i].difference;
    competitor.lower = compared[i].lower;
    competitor.upper = compared[i].upper;
    competitor.better = compared[i].difference >= rules_.margin && compared[i].lower > 0;
  }
  return contest;
}

}  // namespace slipway::lifecycle
