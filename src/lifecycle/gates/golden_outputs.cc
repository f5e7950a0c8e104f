// SPDX-License-Identifier: Apache-2.0
// Gate: what was exported answers as the source model did.
#include <algorithm>
#include <cstdio>

#include "base/files.h"
#include "inference/compare.h"
#include "lifecycle/gates.h"
#include "lifecycle/golden.h"
#include "lifecycle/run_model.h"

namespace slipway::lifecycle {
namespace {

constexpr int64_t kMostGoldenBytes = 256LL * 1024 * 1024;

class GoldenOutputsGate final : public registry::Gate {
 public:
  GoldenOutputsGate(registry::Registry& registry, traffic::Endpoints& endpoints)
      : registry_(registry), endpoints_(endpoints) {}
  std::string_view name() const override { return "golden_outputs"; }
  std::string_view help() const override {
    return "It answers the golden rows as the source model did.";
  }
  bool Guards(registry::Stage stage) const override {
    return stage == registry::Stage::kStaging || stage == registry::Stage::kProduction;
  }

  registry::Verdict Check(const registry::GateContext& context) override {
    registry::Verdict verdict;
    verdict.gate = name();
    const base::Status status = Compare(context.version, verdict);
    if (status.ok()) return verdict;
    verdict.outcome = registry::Outcome::kFail;
    verdict.summary =
        status.field().empty() ? status.message() : status.field() + ": " + status.message();
    return verdict;
  }

 private:
  base::Status Compare(const registry::Version& version, registry::Verdict& verdict) {
    const std::string folder = TRY(registry_.Materialize(version));
    const auto text = base::ReadFile(folder + "/" + std::string(kGoldenPath), kMostGoldenBytes);
    if (!text.ok()) {
      return base::FailedPrecondition(
          "no_golden",
          "the version has no golden set: log rows with the source model's answers as artifact " +
              std::string(kGoldenPath) + " of the run before registering (docs/gates.md)");
    }
    const base::Json file = TRY(base::Json::Parse(*text));
    const auto model = TRY(endpoints_.LoadVersion(version.model, version.number));
    GoldenSet golden = TRY(ParseGolden(file, model->description()));
    const inference::Response actual = TRY(RunAndWait(*model, std::move(golden.request)));
    const inference::Comparison comparison =
        inference::CompareOutputs(golden.expected, actual, golden.absolute, golden.relative);
    Report(golden, comparison, verdict);
    return base::Status::Ok();
  }

  static void Report(const GoldenSet& golden, const inference::Comparison& comparison,
                     registry::Verdict& verdict) {
    base::Json outputs = base::Json::MakeArray();
    double worst = 0;
    for (const inference::OutputComparison& output : comparison.outputs) {
      worst = std::max(worst, output.max_absolute_difference);
      base::Json rows = base::Json::MakeArray();
      for (const int64_t row : output.worst_rows) rows.Append(row);
      outputs.Append(base::Json::MakeObject({{"name", output.name},
                                             {"equal", output.equal},
                                             {"difference", output.difference},
                                             {"max_abs_diff", output.max_absolute_difference},
                                             {"worst_rows", std::move(rows)}}));
    }
    char text[160];
    std::snprintf(text, sizeof text, " on %lld golden rows (largest difference %.3g, allowed %.3g)",
                  static_cast<long long>(golden.rows), worst, golden.absolute);
    verdict.summary =
        (comparison.equal ? "equal to the source model" : comparison.Summary()) + std::string(text);
    verdict.outcome = comparison.equal ? registry::Outcome::kPass : registry::Outcome::kFail;
    verdict.evidence = base::Json::MakeObject({{"rows", golden.rows},
                                               {"absolute", golden.absolute},
                                               {"relative", golden.relative},
                                               {"outputs", std::move(outputs)}});
  }

  registry::Registry& registry_;
  traffic::Endpoints& endpoints_;
};

}  // namespace

std::unique_ptr<registry::Gate> MakeGoldenOutputsGate(registry::Registry& registry,
                                                      traffic::Endpoints& endpoints) {
  return std::make_unique<GoldenOutputsGate>(registry, endpoints);
}

}  // namespace slipway::lifecycle
