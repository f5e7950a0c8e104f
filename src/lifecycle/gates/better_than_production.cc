// SPDX-License-Identifier: Apache-2.0
// Gate: a challenger must beat what is in production on what production lately saw.
#include <cstdio>

#include "lifecycle/gates.h"

namespace slipway::lifecycle {
namespace {

class BetterThanProductionGate final : public registry::Gate {
 public:
  explicit BetterThanProductionGate(Contests& contests) : contests_(contests) {}
  std::string_view name() const override { return "better_than_production"; }
  std::string_view help() const override {
    return "Better than production on the newest labelled window.";
  }
  // At the door of staging: what a rollout then promotes was judged on live traffic already.
  bool Guards(registry::Stage stage) const override { return stage == registry::Stage::kStaging; }

  registry::Verdict Check(const registry::GateContext& context) override {
    registry::Verdict verdict;
    verdict.gate = name();
    if (!context.production || context.production->number == context.version.number) {
      verdict.summary = "no other version is in production to compare with";
      return verdict;
    }
    const auto contest = contests_.Hold(context.version.model, {context.version.number});
    if (!contest.ok()) {
      const bool too_few = contest.status().reason() == "too_few_labels";
      verdict.outcome = too_few ? registry::Outcome::kNotRun : registry::Outcome::kFail;
      verdict.summary = contest.status().message();
      return verdict;
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
    verdict.evidence = ToJson(*contest);
    return verdict;
  }

 private:
  Contests& contests_;
};

}  // namespace

std::unique_ptr<registry::Gate> MakeBetterThanProductionGate(Contests& contests) {
  return std::make_unique<BetterThanProductionGate>(contests);
}

}  // namespace slipway::lifecycle
