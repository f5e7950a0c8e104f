// SPDX-License-Identifier: Apache-2.0
// POST /api/v1/labels: JSON, CSV or Parquet, by Content-Type.
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "api/native/answers.h"
#include "api/native/native.h"
#include "base/files.h"
#include "base/ids.h"
#include "monitoring/label_table.h"

namespace slipway::api::native {
namespace {

using base::Json;
using monitoring::LabelRow;

constexpr size_t kMostRefusedShown = 100;

Json OutcomeJson(const monitoring::LabelOutcome& outcome) {
  return Json::MakeObject({{"accepted", outcome.accepted},
                           {"duplicate", outcome.duplicate},
                           {"corrected", outcome.corrected},
                           {"unmatched", outcome.unmatched}});
}

base::Result<monitoring::LabelInput> ReadLabel(const Json& json, const std::string& field,
                                               base::Micros now) {
  if (!json.is_object())
    return base::InvalidArgument(field, "expected an object, got " + std::string(json.TypeName()));
  auto annotate = [&field](base::Status status) {
    return base::Status(status.code(), status.reason(), status.message(),
                        field + "." + status.field());
  };
  if (auto status =
          base::RequireOnly(json, {"prediction_id", "request_id", "key", "row", "value", "time"});
      !status.ok()) {
    return annotate(status);
  }
  monitoring::LabelInput label;
  auto prediction = base::OptionalString(json, "prediction_id");
  auto request = base::OptionalString(json, "request_id");
  auto key = base::OptionalString(json, "key");
  auto row = base::OptionalInt(json, "row");
  auto time = base::OptionalString(json, "time");
  for (const base::Status& status :
       {prediction.status(), request.status(), key.status(), row.status(), time.status()}) {
    if (!status.ok()) return annotate(status);
  }
  label.prediction_id = prediction->value_or("");
  label.request_id = request->value_or("");
  label.key = key->value_or("");
  label.row = row->value_or(0);
  label.time = now;
  if (*time) {
    const auto parsed = base::ParseTime(**time);
    if (!parsed.ok()) return base::InvalidArgument(field + ".time", parsed.status().message());
    label.time = *parsed;
  }
  const Json* value = json.Find("value");
  if (value == nullptr)
    return base::InvalidArgument(field + ".value", "missing: expected the true label");
  label.value = TRY(monitoring::LabelValueFromJson(*value, field + ".value"));
  return label;
}

base::Result<Json> AddJsonLabels(const Parts& parts, const net::HttpRequest& request) {
  const Json body = TRY(ReadBody(request, {"endpoint", "labels"}));
  const std::string endpoint = TRY(base::RequireString(body, "endpoint"));
  const Json* list = body.Find("labels");
  if (list == nullptr || !list->is_array())
    return base::InvalidArgument("labels", "expected an array");
  if (list->AsArray().size() > monitoring::kMaxLabelsInBatch) {
    return base::InvalidArgument(
        "labels", "at most " + std::to_string(monitoring::kMaxLabelsInBatch) + " in one call");
  }
  std::vector<monitoring::LabelInput> labels;
  labels.reserve(list->AsArray().size());
  const base::Micros now = parts.clock.Now();
  for (size_t i = 0; i < list->AsArray().size(); ++i) {
    labels.push_back(TRY(ReadLabel(list->AsArray()[i], "labels[" + std::to_string(i) + "]", now)));
  }
  return OutcomeJson(TRY(parts.monitor.AddLabels(endpoint, labels)));
}

base::Result<std::vector<LabelRow>> ReadTable(const Parts& parts, const net::HttpRequest& request,
                                              bool parquet) {
  const base::Micros now = parts.clock.Now();
  if (!parquet) return monitoring::ReadLabelCsv(request.body, now);
  // Parquet is read from its end: from a file.
  const std::string path =
      parts.process.data_folder + "/labels-" + base::RandomHex32() + ".parquet";
  TRY(base::WriteFileAtomically(path, request.body));
  auto rows = monitoring::ReadLabelParquet(path, now);
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  return rows;
}

// The index in "labels[7].key"; nullopt when the field is another one.
std::optional<size_t> IndexOf(std::string_view field) {
  constexpr std::string_view kStart = "labels[";
  size_t index = 0;
  if (!field.starts_with(kStart)) return std::nullopt;
  const auto end =
      std::from_chars(field.data() + kStart.size(), field.data() + field.size(), index);
  return end.ec == std::errc() ? std::optional(index) : std::nullopt;
}

// The status with the row in place of the label's number.
base::Status OfRow(const base::Status& status, const LabelRow& row) {
  const std::string_view field = status.field();
  const size_t dot = field.find("].");
  const std::string column =
      dot == std::string::npos ? "" : ", column " + std::string(field.substr(dot + 2));
  return base::InvalidArgument("row " + std::to_string(row.number) + column, status.message());
}

// Refuses all for one bad row; with ?partial=true takes the good ones and tells of the others.
base::Result<Json> AddTable(const Parts& parts, const net::HttpRequest& request, bool parquet) {
  const auto endpoint = request.GetQuery("endpoint");
  if (!endpoint || endpoint->empty())
    return base::InvalidArgument("endpoint", "expected ?endpoint=NAME beside a table of labels");
  const bool partial = request.GetQuery("partial").value_or("false") == "true";
  std::vector<LabelRow> rows = TRY(ReadTable(parts, request, parquet));
  std::vector<base::Status> refused;
  std::erase_if(rows, [&](const LabelRow& row) {
    if (!row.status.ok()) refused.push_back(row.status);
    return !row.status.ok();
  });
  monitoring::LabelOutcome outcome;
  while ((partial || refused.empty()) && !rows.empty()) {
    std::vector<monitoring::LabelInput> labels;
    for (const LabelRow& row : rows) labels.push_back(row.label);
    auto added = parts.monitor.AddLabels(*endpoint, labels);
    if (added.ok()) {
      outcome = *added;
      break;
    }
    const auto index = IndexOf(added.status().field());
    if (!index || *index >= rows.size()) return added.status();
    refused.push_back(OfRow(added.status(), rows[*index]));
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(*index));
    if (refused.size() > kMostRefusedShown) return refused.back();
  }
  if (!partial && !refused.empty()) return refused.front();
  Json answer = OutcomeJson(outcome);
  Json list = Json::MakeArray();
  for (size_t i = 0; i < std::min(refused.size(), kMostRefusedShown); ++i)
    list.Append(
        Json::MakeObject({{"field", refused[i].field()}, {"message", refused[i].message()}}));
  answer.Set("refused", static_cast<int64_t>(refused.size()));
  answer.Set("refusals", std::move(list));
  return answer;
}

base::Result<Json> AddLabels(const Parts& parts, const net::HttpRequest& request) {
  const std::string_view type = request.GetHeader("content-type");
  if (type.starts_with("text/csv")) return AddTable(parts, request, false);
  if (type.starts_with("application/vnd.apache.parquet") || type.starts_with("application/parquet"))
    return AddTable(parts, request, true);
  return AddJsonLabels(parts, request);
}

}  // namespace

void RegisterLabels(net::Router& router, const Parts& parts) {
  AddJson(router, "POST", "/api/v1/labels",
          [parts](net::HttpRequest& request) { return AddLabels(parts, request); });
}

}  // namespace slipway::api::native
