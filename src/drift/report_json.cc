// SPDX-License-Identifier: Apache-2.0
// A drift report as JSON; docs/drift.md names every member.
#include "drift/report.h"

namespace slipway::drift {
namespace {

using base::Json;

Json MomentsJson(const Moments& moments) {
  if (moments.n == 0) return nullptr;
  return Json::MakeObject({{"n", moments.n},
                           {"mean", moments.mean},
                           {"variance", moments.Variance()},
                           {"min", moments.least},
                           {"max", moments.most}});
}

Json ScoresJson(const ColumnReport& column) {
  Json scores = Json::MakeObject();
  for (const Score& score : column.scores) {
    Json one = Json::MakeObject({{"value", score.value}});
    one.Set("p_value", score.p_value ? Json(*score.p_value) : Json());
    if (score.error > 0) one.Set("error", score.error);
    scores.Set(score.name, std::move(one));
  }
  return scores;
}

Json TestsJson(const ColumnReport& column) {
  Json tests = Json::MakeObject();
  for (const TestPart& test : column.tests) {
    tests.Set(test.name, Json::MakeObject({{"share", test.share}, {"p_value", test.p_value}}));
  }
  return tests;
}

Json BinsJson(const ColumnReport& column) {
  Json bins = Json::MakeArray();
  for (const BinShare& bin : column.bins) {
    bins.Append(Json::MakeObject(
        {{"label", bin.label}, {"reference", bin.reference}, {"current", bin.current}}));
  }
  return bins;
}

}  // namespace

Json ColumnJson(const ColumnReport& column) {
  Json json = Json::MakeObject({
      {"column", column.name},
      {"kind", FeatureKindName(column.kind)},
      {"reference_rows", column.reference_rows},
      {"rows", column.rows},
      {"drifted", column.drifted},
      {"above_threshold", column.above_threshold},
      {"judged", column.judged},
      {"needs_rows", column.needs_rows},
      {"needs_rows_of", column.reference_is_small ? "reference" : "current"},
      {"p_value", column.p_value},
      {"p_adjusted", column.p_adjusted},
      {"decided_by", column.decided_by.empty() ? Json() : Json(column.decided_by)},
      {"reference_missing_share", column.reference_missing_share},
      {"missing_share", column.missing_share},
      {"out_of_range_share", column.out_of_range_share},
      {"unseen_share", column.unseen_share},
  });
  json.Set("scores", ScoresJson(column));
  json.Set("tests", TestsJson(column));
  json.Set("reference_moments", MomentsJson(column.reference_moments));
  json.Set("moments", MomentsJson(column.moments));
  json.Set("bins", BinsJson(column));
  return json;
}

base::Json ReportJson(const Report& report) {
  Json schema = Json::MakeArray();
  for (const SchemaChange& change : report.schema) {
    schema.Append(Json::MakeObject({{"column", change.column},
                                    {"change", change.change},
                                    {"reference_type", change.reference_type},
                                    {"current_type", change.current_type}}));
  }
  Json columns = Json::MakeArray();
  for (const ColumnReport& column : report.columns) columns.Append(ColumnJson(column));
  Json json = Json::MakeObject({{"format", 1},
                                {"reference", report.reference},
                                {"current", report.current},
                                {"reference_rows", report.reference_rows},
                                {"rows", report.rows},
                                {"threshold", report.psi_threshold},
                                {"alpha", report.alpha},
                                {"columns_drifted", report.drifted},
                                {"columns_above_threshold", report.above_threshold},
                                {"columns_not_judged", report.unjudged}});
  json.Set("schema_changes", std::move(schema));
  json.Set("columns", std::move(columns));
  return json;
}

}  // namespace slipway::drift
