// SPDX-License-Identifier: Apache-2.0
// Gate: a challenger must beat what is in production, on a registered holdout where there is one,
// else on what production lately saw. Both are scored here, on the same rows.
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lifecycle/gates.h"
#include "lifecycle/run_model.h"
#include "monitoring/quality.h"

namespace slipway::lifecycle {
namespace {

using base::Json;

constexpr int64_t kMostResamples = 10'000;
constexpr int64_t kUsualLeastRows = 50;

// What the policy asks for.
struct Contract {
  std::string holdout;  // empty: the newest of the model's own name, if there is one
  monitoring::Metric metric;
  double margin = 0;
  monitoring::BootstrapSettings bootstrap;
  std::string output;        // of the model; empty: its last floating one
  double segment_loss = 0;   // most that a segment may lose
  int64_t segment_rows = 0;  // smaller ones are not judged
};

base::Result<Contract> ReadContract(const Json& options, const ContestRules& rules) {
  TRY(base::RequireOnly(options, {"holdout", "metric", "margin", "confidence", "resamples",
                                  "output", "segment_loss", "segment_rows"}));
  Contract contract;
  contract.holdout = TRY(base::OptionalString(options, "holdout")).value_or("");
  contract.metric =
      TRY(monitoring::ParseMetric(TRY(base::OptionalString(options, "metric")).value_or("auc")));
  contract.margin = TRY(base::OptionalDouble(options, "margin"))
                        .value_or(contract.metric.name == "auc" ? rules.margin : 0);
  contract.bootstrap = {
      .resamples = TRY(base::OptionalInt(options, "resamples")).value_or(rules.resamples),
      .confidence = TRY(base::OptionalDouble(options, "confidence")).value_or(rules.confidence)};
  contract.output = TRY(base::OptionalString(options, "output")).value_or("");
  contract.segment_loss = TRY(base::OptionalDouble(options, "segment_loss")).value_or(0.0);
  contract.segment_rows = TRY(base::OptionalInt(options, "segment_rows")).value_or(kUsualLeastRows);
  if (contract.bootstrap.resamples < 100 || contract.bootstrap.resamples > kMostResamples)
    return base::InvalidArgument("resamples", "expected 100 to 10000");
  if (!(contract.bootstrap.confidence >= 0.5 && contract.bootstrap.confidence < 1))
    return base::InvalidArgument("confidence", "expected 0.5 to below 1");
  if (!(contract.margin >= 0)) return base::InvalidArgument("margin", "expected a number from 0");
  if (!(contract.segment_loss >= 0))
    return base::InvalidArgument("segment_loss", "expected a number from 0");
  return contract;
}

Json ToJson(const monitoring::Gain& gain) {
  return Json::MakeObject({{"production", gain.reference},
                           {"candidate", gain.challenger},
                           {"gain", gain.gain},
                           {"lower", gain.lower},
                           {"upper", gain.upper}});
}

// Labels and both versions' scores of the same rows.
struct Scored {
  std::vector<double> labels, production, candidate;
};

base::Result<monitoring::Gain> GainOf(const Contract& contract, const Scored& scored) {
  return monitoring::MeasureGain(contract.metric, scored.labels, scored.production,
                                 scored.candidate, contract.bootstrap);
}

// Every segment that is large enough: its gain on record, and a sentence for each that loses more
// than it may.
std::string JudgeSegments(const Contract& contract, const Holdout& holdout, const HoldoutRows& rows,
                          const Scored& scored, Json& evidence) {
  std::string losers;
  Json segments = Json::MakeArray();
  for (size_t column = 0; column < rows.segments.size(); ++column) {
    std::map<std::string, Scored> parts;
    for (size_t row = 0; row < scored.labels.size(); ++row) {
      Scored& part = parts[rows.segments[column][row]];
      part.labels.push_back(scored.labels[row]);
      part.production.push_back(scored.production[row]);
      part.candidate.push_back(scored.candidate[row]);
    }
    for (const auto& [value, part] : parts) {
      if (static_cast<int64_t>(part.labels.size()) < contract.segment_rows) continue;
      const auto gain = GainOf(contract, part);
      Json json = gain.ok() ? ToJson(*gain) : Json::MakeObject({{"why", gain.status().message()}});
      json.Set("segment", holdout.shape.segments[column])
          .Set("value", value)
          .Set("rows", static_cast<int64_t>(part.labels.size()));
      segments.Append(std::move(json));
      if (!gain.ok() || gain->gain >= -contract.segment_loss) continue;
      char text[200];
      std::snprintf(text, sizeof text, "; where %.60s is %.60s it loses %.4f and may lose %.4f",
                    holdout.shape.segments[column].c_str(), value.c_str(), -gain->gain,
                    contract.segment_loss);
      losers += text;
    }
  }
  evidence.Set("segments", std::move(segments));
  return losers;
}

class BetterThanProductionGate final : public registry::Gate {
 public:
  BetterThanProductionGate(Contests& contests, Holdouts& holdouts, traffic::Endpoints& endpoints)
      : contests_(contests), holdouts_(holdouts), endpoints_(endpoints) {}
  std::string_view name() const override { return "better_than_production"; }
  std::string_view help() const override {
    return "Better than production on the registered holdout, else on the newest labelled window. "
           "{holdout, metric: auc, margin: 0.005, confidence, resamples, output, segment_loss, "
           "segment_rows}.";
  }
  // At the door of staging: what a rollout then promotes was judged on live traffic already.
  bool Guards(registry::Stage stage) const override { return stage == registry::Stage::kStaging; }
  base::Status CheckOptions(const Json& options) const override {
    return ReadContract(options, contests_.rules()).status();
  }

  registry::Verdict Check(const registry::GateContext& context) override {
    registry::Verdict verdict;
    if (!context.production || context.production->number == context.version.number) {
      verdict.summary = "no other version is in production to compare with";
      return verdict;
    }
    const base::Status judged = Judge(context, verdict);
    if (judged.ok()) return verdict;
    verdict.outcome = registry::Outcome::kFail;
    verdict.summary = judged.message();
    return verdict;
  }

 private:
  base::Status Judge(const registry::GateContext& context, registry::Verdict& verdict) {
    const Contract contract = TRY(ReadContract(context.options, contests_.rules()));
    const auto holdout =
        holdouts_.Find(contract.holdout.empty() ? context.version.model : contract.holdout);
    if (holdout.ok()) return OnTheHoldout(context, contract, *holdout, verdict);
    if (!contract.holdout.empty() || holdout.status().code() != base::Code::kNotFound)
      return holdout.status();
    if (contract.metric.name != "auc") {
      return base::FailedPrecondition(
          "holdout_not_found", std::string(contract.metric.name) +
                                   " is measured on a holdout, and none is registered: `slipway "
                                   "holdouts add " +
                                   context.version.model + " FILE COLUMN`");
    }
    OnTheWindow(context, verdict);
    return {};
  }

  void OnTheWindow(const registry::GateContext& context, registry::Verdict& verdict) {
    const auto contest = contests_.Hold(context.version.model, {context.version.number});
    if (!contest.ok()) {
      const bool too_few = contest.status().reason() == "too_few_labels";
      verdict.outcome = too_few ? registry::Outcome::kNotRun : registry::Outcome::kFail;
      verdict.summary = contest.status().message();
      return;
    }
    const Competitor& challenger = *contest->Find(context.version.number);
    verdict.outcome = challenger.better ? registry::Outcome::kPass : registry::Outcome::kFail;
    char text[256];
    std::snprintf(text, sizeof text,
                  "AUC %+.4f [%+.4f, %+.4f] against production version %lld on %lld labelled rows; "
                  "needs %+.4f and a lower bound above 0",
                  challenger.difference.value_or(0), challenger.lower.value_or(0),
                  challenger.upper.value_or(0), static_cast<long long>(contest->production),
                  static_cast<long long>(contest->rows), contests_.rules().margin);
    verdict.summary = text;
    verdict.evidence = lifecycle::ToJson(*contest);
  }

  base::Result<std::vector<double>> ScoresOf(const Contract& contract, const Holdout& holdout,
                                             const HoldoutRows& rows, const std::string& model,
                                             int64_t number) {
    const auto loaded = TRY(endpoints_.LoadVersion(model, number));
    auto request = RequestOf(rows, holdout.shape, loaded->description());
    if (!request.ok()) {
      return base::FailedPrecondition(
          "cannot_score", "version " + std::to_string(number) +
                              " does not take the rows of holdout " + holdout.name + ": " +
                              request.status().field() + ": " + request.status().message());
    }
    return ScoreRows(*loaded, std::move(request).TakeValue(), contract.output);
  }

  base::Status OnTheHoldout(const registry::GateContext& context, const Contract& contract,
                            const Holdout& holdout, registry::Verdict& verdict) {
    const HoldoutRows rows = TRY(holdouts_.Load(holdout));
    const std::string& model = context.version.model;
    Scored scored{rows.labels,
                  TRY(ScoresOf(contract, holdout, rows, model, context.production->number)),
                  TRY(ScoresOf(contract, holdout, rows, model, context.version.number))};
    const monitoring::Gain gain = TRY(GainOf(contract, scored));
    char text[400];
    std::snprintf(text, sizeof text,
                  "%s %.4f against %.4f of production version %lld on the %lld rows of holdout "
                  "%s@%lld: better by %+.4f [%+.4f, %+.4f]; needs %+.4f and a lower bound above 0",
                  std::string(contract.metric.name).c_str(), gain.challenger, gain.reference,
                  static_cast<long long>(context.production->number),
                  static_cast<long long>(holdout.rows), holdout.name.c_str(),
                  static_cast<long long>(holdout.version), gain.gain, gain.lower, gain.upper,
                  contract.margin);
    verdict.summary = text;
    verdict.evidence = ToJson(gain);
    verdict.evidence.Set("metric", contract.metric.name)
        .Set("margin", contract.margin)
        .Set("confidence", contract.bootstrap.confidence)
        .Set("resamples", contract.bootstrap.resamples)
        .Set("holdout", lifecycle::ToJson(holdout));
    const std::string losers = JudgeSegments(contract, holdout, rows, scored, verdict.evidence);
    verdict.summary += losers;
    const bool better = gain.gain >= contract.margin && gain.lower > 0 && losers.empty();
    verdict.outcome = better ? registry::Outcome::kPass : registry::Outcome::kFail;
    return {};
  }

  Contests& contests_;
  Holdouts& holdouts_;
  traffic::Endpoints& endpoints_;
};

}  // namespace

std::unique_ptr<registry::Gate> MakeBetterThanProductionGate(Contests& contests, Holdouts& holdouts,
                                                             traffic::Endpoints& endpoints) {
  return std::make_unique<BetterThanProductionGate>(contests, holdouts, endpoints);
}

}  // namespace slipway::lifecycle
