// SPDX-License-Identifier: Apache-2.0
// `slipway drift --reference FILE --current FILE`: no server is asked.
#include "cli/drift.h"

#include <cstdio>
#include <utility>

#include "base/files.h"
#include "cli/command.h"
#include "cli/render.h"
#include "drift/report_html.h"

namespace slipway::cli {
namespace {

using base::Json;

constexpr int kBadInput = 2;

base::Result<DriftReference> OpenReference(const DriftArguments& arguments) {
  DriftReference reference;
  for (const char* ending : {".csv", ".npz", ".parquet", ".pq"}) {
    if (!arguments.reference.ends_with(ending)) continue;
    reference.table = TRY(OpenTable(arguments.reference, "reference"));
    return reference;
  }
  const std::string bytes = TRY(base::ReadFile(arguments.reference, drift::kMaxProfileBytes));
  if (!drift::LooksLikeProfile(bytes)) {
    return base::InvalidArgument("reference",
                                 "expected a .parquet, .csv or .npz file, or a profile that "
                                 "--save-profile has written, got '" +
                                     arguments.reference + "'");
  }
  reference.profile = TRY(drift::DecodeProfile(bytes));
  return reference;
}

std::string FormatOf(const std::string& output) {
  for (const char* format : {"json", "html"}) {
    if (output == format || output.ends_with(std::string(".") + format)) return format;
  }
  return "table";
}

bool IsFile(const std::string& output) {
  return output != "table" && output != "json" && output != "html";
}

base::Status CheckArguments(const DriftArguments& arguments) {
  if (!arguments.compat.empty() && arguments.compat != "evidently")
    return base::InvalidArgument("compat", "expected 'evidently', got '" + arguments.compat + "'");
  if (arguments.fail_on != "drift" && arguments.fail_on != "threshold" &&
      arguments.fail_on != "never") {
    return base::InvalidArgument(
        "fail-on", "expected drift, threshold or never, got '" + arguments.fail_on + "'");
  }
  if (!(arguments.alpha > 0 && arguments.alpha < 1))
    return base::InvalidArgument("alpha", "expected a number between 0 and 1");
  if (arguments.threshold && !(*arguments.threshold >= 0))
    return base::InvalidArgument("threshold", "expected a number not below 0");
  if (arguments.current.empty() && arguments.save_profile.empty())
    return base::InvalidArgument("current", "expected a table to compare with the reference");
  if (!arguments.compat.empty() && FormatOf(arguments.output) == "html")
    return base::InvalidArgument("output", "the page is of our own report, without --compat");
  return base::Status::Ok();
}

// What a person reads of a column in one line.
std::string VerdictText(const drift::ColumnReport& column) {
  if (!column.judged) {
    return "needs " + std::to_string(column.needs_rows) + " more rows" +
           (column.reference_is_small ? " in the reference" : "");
  }
  const std::string above = column.above_threshold ? "above threshold" : "";
  if (!column.drifted) return above.empty() ? "-" : above;
  return "DRIFT (" + std::string(column.decided_by) + ")" + (above.empty() ? "" : ", " + above);
}

Json ScoreJson(const drift::ColumnReport& column, std::string_view metric) {
  const drift::Score* score = column.Find(metric);
  return score == nullptr ? Json() : Json(score->value);
}

std::string ReportTable(const drift::Report& report, const std::vector<std::string>& metrics) {
  std::vector<Column> columns = {{"COLUMN", "name"}, {"KIND", "kind"}, {"ROWS", "rows"}};
  std::vector<std::string> shown = metrics;
  if (shown.empty()) shown = {"psi", "js", "wasserstein_normed", "ks"};
  for (const std::string& metric : shown) columns.push_back({metric, metric});
  columns.insert(columns.end(), {{"MISSING", "missing_share"}, {"P", "p"}, {"VERDICT", "verdict"}});
  Json::Array rows;
  for (const drift::ColumnReport& column : report.columns) {
    Json row = Json::MakeObject({{"name", column.name},
                                 {"kind", drift::FeatureKindName(column.kind)},
                                 {"rows", column.rows},
                                 {"missing_share", column.missing_share},
                                 {"p", column.judged ? Json(column.p_adjusted) : Json()},
                                 {"verdict", VerdictText(column)}});
    for (const std::string& metric : shown) row.Set(metric, ScoreJson(column, metric));
    rows.push_back(std::move(row));
  }
  std::string text = Table(columns, rows);
  for (const drift::SchemaChange& change : report.schema) {
    text += "column " + change.column + ": " + std::string(change.change);
    if (change.change == "type")
      text += ", " + change.reference_type + " -> " + change.current_type;
    text += "\n";
  }
  return text + std::to_string(report.drifted) + " of " + std::to_string(report.columns.size()) +
         " columns drifted, " + std::to_string(report.above_threshold) +
         " above the threshold of PSI, " + std::to_string(report.unjudged) + " not judged\n";
}

std::string EvidentlyTable(const Json& report) {
  static const std::vector<Column> kColumns = {{"COLUMN", "column"},       {"KIND", "kind"},
                                               {"METHOD", "method"},       {"SCORE", "score"},
                                               {"THRESHOLD", "threshold"}, {"DRIFT", "drifted"}};
  return Table(kColumns, report.Find("columns")->AsArray()) +
         "data set drift: " + (report.Find("dataset_drift")->AsBool() ? "yes" : "no") + " (" +
         Cell(report, "columns_drifted") + " of " + Cell(report, "columns_compared") +
         " columns)\n";
}

// To the file, with the table on standard output, or to standard output alone.
base::Status Show(const DriftArguments& arguments, const std::string& text,
                  const std::string& table) {
  if (IsFile(arguments.output)) TRY(base::WriteFileAtomically(arguments.output, text));
  const std::string& shown = IsFile(arguments.output) ? table : text;
  std::fwrite(shown.data(), 1, shown.size(), stdout);
  return base::Status::Ok();
}

bool Fails(const DriftArguments& arguments, const drift::Report& report) {
  if (arguments.fail_on == "never") return false;
  for (const drift::SchemaChange& change : report.schema) {
    if (change.change != "added") return true;
  }
  return (arguments.fail_on == "threshold" ? report.above_threshold : report.drifted) > 0;
}

base::Result<bool> RunAsEvidently(const DriftArguments& arguments, const DriftReference& reference,
                                  const TableSource& current) {
  const Json json = TRY(CompareAsEvidently(arguments, reference, current));
  const std::string table = EvidentlyTable(json);
  TRY(Show(arguments, FormatOf(arguments.output) == "json" ? json.Dump(2) + "\n" : table, table));
  return arguments.fail_on != "never" && json.Find("dataset_drift")->AsBool();
}

// Whether there is drift.
base::Result<bool> Run(const DriftArguments& arguments) {
  TRY(CheckArguments(arguments));
  DriftReference reference = TRY(OpenReference(arguments));
  if (arguments.current.empty()) {
    if (!reference.table)
      return base::InvalidArgument("reference", "expected a table to make a profile of");
    const drift::Profile profile = TRY(ProfileTable(arguments, *reference.table));
    TRY(base::WriteFileAtomically(arguments.save_profile, drift::EncodeProfile(profile)));
    return false;
  }
  const std::unique_ptr<TableSource> current = TRY(OpenTable(arguments.current, "current"));
  if (!arguments.compat.empty()) return RunAsEvidently(arguments, reference, *current);
  const Compared compared = TRY(CompareTables(arguments, reference, *current));
  if (!arguments.save_profile.empty()) {
    TRY(base::WriteFileAtomically(arguments.save_profile, drift::EncodeProfile(compared.profile)));
  }
  const bool failed = Fails(arguments, compared.report);
  const std::string table = ReportTable(compared.report, arguments.metrics);
  const std::string format = FormatOf(arguments.output);
  if (format == "json") {
    Json json = drift::ReportJson(compared.report);
    json.Set("failed", failed);
    TRY(Show(arguments, json.Dump(2) + "\n", table));
  } else {
    TRY(Show(arguments, format == "html" ? drift::ReportHtml(compared.report) : table, table));
  }
  return failed;
}

}  // namespace

int Drift(const DriftArguments& arguments) {
  const auto drifted = Run(arguments);
  if (drifted.ok()) return *drifted ? 1 : 0;
  const base::Status& status = drifted.status();
  std::fprintf(stderr, "slipway: %s%s%s\n", status.field().c_str(),
               status.field().empty() ? "" : ": ", status.message().c_str());
  return kBadInput;
}

}  // namespace slipway::cli
