// SPDX-License-Identifier: Apache-2.0
// `slipway performance estimate --reference FILE --current FILE`: no server is asked.
#include <cmath>
#include <cstdio>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cli/cli.h"
#include "cli/command.h"
#include "cli/table_source.h"
#include "monitoring/estimate.h"
#include "monitoring/labels.h"
#include "monitoring/quality.h"

namespace slipway::cli {
namespace {

using base::Json;

constexpr int kBadInput = 2;
constexpr double kConfidence = 0.95;
constexpr const char* kBlindness =
    "concept drift: where the relation of features and labels has changed, the estimate is what "
    "the "
    "quality would be if it had not";

base::Result<ColumnValues> ReadColumn(TableSource& table, const std::string& name, const char* side,
                                      const char* option) {
  const auto column = table.Find(name);
  if (!column) {
    return base::InvalidArgument(option, std::string(side) + " has no column '" + name + "'");
  }
  return table.Read(*column);
}

base::Result<std::vector<double>> ReadNumbers(TableSource& table, const std::string& name,
                                              const char* side, const char* option) {
  const ColumnValues column = TRY(ReadColumn(table, name, side, option));
  if (const auto* numbers = std::get_if<std::vector<double>>(&column.values)) return *numbers;
  if (const auto* numbers = std::get_if<std::vector<float>>(&column.values))
    return std::vector<double>(numbers->begin(), numbers->end());
  return base::InvalidArgument(option, "column '" + name + "' of " + side + " is not of numbers");
}

// 0 or 1; with `positive` set, 1 is what equals it.
base::Result<std::vector<uint8_t>> ReadClasses(TableSource& table, const std::string& name,
                                               const std::string& positive, const char* side,
                                               const char* option) {
  const ColumnValues column = TRY(ReadColumn(table, name, side, option));
  std::vector<uint8_t> classes;
  const auto add = [&](const monitoring::LabelValue& value) -> base::Status {
    const auto truth = monitoring::BinaryLabel(value, positive);
    if (!truth) {
      return base::InvalidArgument(option, "row " + std::to_string(classes.size()) + " of '" +
                                               name + "' in " + side +
                                               " is neither 0 nor 1 (--positive-label names what "
                                               "counts as 1)");
    }
    classes.push_back(*truth ? 1 : 0);
    return base::Status::Ok();
  };
  if (const auto* texts = std::get_if<std::vector<std::string>>(&column.values)) {
    for (const std::string& text : *texts) TRY(add(text));
    return classes;
  }
  for (const double number : TRY(ReadNumbers(table, name, side, option))) TRY(add(number));
  return classes;
}

Json EstimateJson(const monitoring::Estimate& estimate) {
  return Json::MakeObject(
      {{"value", estimate.value}, {"lower", estimate.lower}, {"upper", estimate.upper}});
}

Json RealizedJson(const std::vector<uint8_t>& labels, const std::vector<double>& scores) {
  const std::vector<double> truths(labels.begin(), labels.end());
  Json json = Json::MakeObject();
  for (const char* name : {"accuracy", "f1", "auc"}) {
    const auto metric = monitoring::ParseMetric(name);
    const auto measured = metric.ok()
                              ? monitoring::MeasureMetric(*metric, truths, scores, kConfidence)
                              : base::Result<monitoring::Estimate>(metric.status());
    json.Set(name, measured.ok() ? EstimateJson(*measured) : Json());
  }
  return json;
}

base::Result<Json> EstimateTables(const EstimateArguments& arguments) {
  if (arguments.method != "cbpe") {
    return base::InvalidArgument("method", "expected cbpe, got '" + arguments.method + "'");
  }
  if (arguments.output != "table" && arguments.output != "json")
    return base::InvalidArgument("output", "expected table or json");
  const auto reference = TRY(OpenTable(arguments.reference, "reference"));
  const auto current = TRY(OpenTable(arguments.current, "current"));
  const auto reference_scores =
      TRY(ReadNumbers(*reference, arguments.score, "the reference", "score"));
  const auto reference_labels = TRY(
      ReadClasses(*reference, arguments.label, arguments.positive_label, "the reference", "label"));
  const auto scores = TRY(ReadNumbers(*current, arguments.score, "the current table", "score"));
  std::vector<uint8_t> called;
  if (!arguments.prediction.empty()) {
    called = TRY(ReadClasses(*current, arguments.prediction, arguments.positive_label,
                             "the current table", "prediction"));
  }
  const monitoring::CbpeEstimate estimate =
      TRY(monitoring::EstimateByConfidence(reference_scores, reference_labels, scores, called));
  Json estimated = Json::MakeObject({{"accuracy", EstimateJson(estimate.accuracy)}});
  estimated.Set("f1", estimate.f1 ? Json(*estimate.f1) : Json());
  estimated.Set("auc", estimate.auc ? Json(*estimate.auc) : Json());
  Json json = Json::MakeObject(
      {{"method", "cbpe"},
       {"n", estimate.n},
       {"reference_n", static_cast<int64_t>(reference_scores.size())},
       {"calibrated", estimate.calibrated},
       {"reference_calibration_error", estimate.reference_error},
       {"reference_calibration_error_calibrated", estimate.reference_error_calibrated},
       {"expected_positives", estimate.expected_positives}});
  json.Set("estimated", std::move(estimated));
  Json realized;
  if (current->Find(arguments.label) && arguments.prediction.empty()) {
    const auto labels = ReadClasses(*current, arguments.label, arguments.positive_label,
                                    "the current table", "label");
    if (labels.ok()) realized = RealizedJson(*labels, scores);
  }
  json.Set("realized", std::move(realized));
  json.Set("blind_to", kBlindness);
  return json;
}

void PrintNumber(const char* name, const Json& estimated, const Json* realized) {
  const Json* value = estimated.Find(name);
  if (value->is_object()) value = value->Find("value");
  std::printf("%-10s %10s", name,
              value->is_null() ? "-" : std::to_string(value->AsDouble()).c_str());
  const Json* truth = realized->is_object() ? realized->Find(name) : nullptr;
  if (truth != nullptr && truth->is_object())
    std::printf(" %10s", std::to_string(truth->Find("value")->AsDouble()).c_str());
  std::printf("\n");
}

}  // namespace

int EstimatePerformance(const EstimateArguments& arguments) {
  const auto json = EstimateTables(arguments);
  if (!json.ok()) {
    std::fprintf(stderr, "slipway: performance estimate: %s\n", json.status().ToString().c_str());
    return kBadInput;
  }
  if (arguments.output == "json") {
    std::printf("%s\n", json->Dump().c_str());
    return 0;
  }
  const Json* realized = json->Find("realized");
  std::printf("%-10s %10s%s\n", "METRIC", "ESTIMATED", realized->is_object() ? "   REALIZED" : "");
  for (const char* name : {"accuracy", "f1", "auc"})
    PrintNumber(name, *json->Find("estimated"), realized);
  std::printf("Blind to %s.\n", kBlindness);
  return 0;
}

}  // namespace slipway::cli
