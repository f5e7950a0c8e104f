// SPDX-License-Identifier: Apache-2.0
// Walk of a prediction, step "observe": from an answer or a label to the counts that the judge
// reads.
#include "traffic/evidence.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "traffic/analysis.h"

namespace slipway::traffic {

using base::Json;
using base::Result;
using base::Status;

StepEvidence::StepEvidence(int64_t epoch, base::Micros since, size_t metrics)
    : epoch_(epoch), since_(since), tallies_(metrics) {}

void StepEvidence::Add(const Analyses& analyses, Side side, size_t bucket, const Outcome& outcome) {
  for (size_t i = 0; i < analyses.size(); ++i) {
    if (const auto value = analyses[i]->ValueOf(outcome)) tallies_[i].Add(side, bucket, *value);
  }
  if (side == Side::kOfCandidate && outcome.kind == Outcome::Kind::kAnswer) {
    candidate_answers_[bucket % candidate_answers_.size()].value.fetch_add(
        1, std::memory_order_relaxed);
  }
}

int64_t StepEvidence::candidate_answers() const {
  int64_t total = 0;
  for (const Counter& counter : candidate_answers_)
    total += counter.value.load(std::memory_order_relaxed);
  return total;
}

StepTotals StepEvidence::Totals(size_t metric) const {
  return {tallies_[metric].Totals(Side::kOfStable), tallies_[metric].Totals(Side::kOfCandidate)};
}

Json StepEvidence::Save(const Analyses& analyses) const {
  Json metrics = Json::MakeObject();
  for (size_t i = 0; i < analyses.size(); ++i) metrics.Set(analyses[i]->name(), tallies_[i].Save());
  return Json::MakeObject({{"epoch", epoch_},
                           {"since", since_},
                           {"candidate_answers", candidate_answers()},
                           {"metrics", std::move(metrics)}});
}

Status StepEvidence::Restore(const Analyses& analyses, const Json& saved) {
  candidate_answers_[0].value = TRY(base::RequireInt(saved, "candidate_answers"));
  const Json* metrics = saved.Find("metrics");
  for (size_t i = 0; metrics != nullptr && i < analyses.size(); ++i) {
    const Json* tally = metrics->Find(analyses[i]->name());
    if (tally != nullptr) TRY(tallies_[i].Restore(*tally));
  }
  return Status::Ok();
}

StepEvidence* Evidence::OfEpoch(int64_t epoch) const {
  for (auto it = steps.rbegin(); it != steps.rend(); ++it) {
    if ((*it)->epoch() == epoch) return it->get();
  }
  return nullptr;
}

StepEvidence* Evidence::OfTime(base::Micros predicted) const {
  for (auto it = steps.rbegin(); it != steps.rend(); ++it) {
    if ((*it)->since() <= predicted) return it->get();
  }
  return nullptr;
}

std::vector<MetricFinding> Evidence::Judge(const Analyses& analyses, double alpha) const {
  std::vector<MetricFinding> findings;
  for (size_t i = 0; i < analyses.size(); ++i) {
    std::vector<StepTotals> totals;
    totals.reserve(steps.size());
    for (const auto& step : steps) totals.push_back(step->Totals(i));
    findings.push_back(analyses[i]->Judge(totals, alpha / static_cast<double>(analyses.size())));
  }
  return findings;
}

Json Evidence::Save(const Analyses& analyses) const {
  Json list = Json::MakeArray();
  for (const auto& step : steps) list.Append(step->Save(analyses));
  return Json::MakeObject(
      {{"from_version", from_version}, {"to_version", to_version}, {"steps", std::move(list)}});
}

Result<Evidence> Evidence::Restore(const Analyses& analyses, const Json& saved) {
  Evidence evidence;
  evidence.from_version = TRY(base::RequireInt(saved, "from_version"));
  evidence.to_version = TRY(base::RequireInt(saved, "to_version"));
  const Json* list = saved.Find("steps");
  if (list == nullptr || !list->is_array())
    return base::InvalidArgument("evidence.steps", "expected a list");
  for (const Json& item : list->AsArray()) {
    const int64_t epoch = TRY(base::RequireInt(item, "epoch"));
    const base::Micros since = TRY(base::RequireInt(item, "since"));
    auto step = std::make_shared<StepEvidence>(epoch, since, analyses.size());
    TRY(step->Restore(analyses, item));
    evidence.steps.push_back(std::move(step));
  }
  return evidence;
}

}  // namespace slipway::traffic
