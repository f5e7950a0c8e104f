// SPDX-License-Identifier: Apache-2.0
// The truth of a prediction: its values, and the log that makes it durable before it is
// acknowledged.
#include "monitoring/labels.h"

#include <cmath>
#include <utility>

#include "monitoring/record_codec.h"

namespace slipway::monitoring {

std::string LabelText(const LabelValue& value) {
  if (const std::string* text = std::get_if<std::string>(&value)) return *text;
  return ToJson(value).Dump();
}

std::string_view TaskName(Task task) {
  switch (task) {
    case Task::kAuto:
      return "auto";
    case Task::kBinary:
      return "binary";
    case Task::kMulticlass:
      return "multiclass";
    case Task::kRegression:
      return "regression";
  }
  return "";
}

base::Json ToJson(const LabelValue& value) {
  return std::visit([](const auto& held) { return base::Json(held); }, value);
}

base::Result<LabelValue> LabelValueFromJson(const base::Json& value, const std::string& field) {
  if (value.is_bool()) return LabelValue(value.AsBool());
  if (value.is_number()) return LabelValue(value.AsDouble());
  if (!value.is_string()) {
    return base::InvalidArgument(
        field, "expected a boolean, number or string, got " + std::string(value.TypeName()));
  }
  if (value.AsString().size() > kMaxLabelText) {
    return base::InvalidArgument(
        field, "a label's text has at most " + std::to_string(kMaxLabelText) + " bytes");
  }
  return LabelValue(value.AsString());
}

std::optional<bool> BinaryLabel(const LabelValue& value, const std::string& positive_label) {
  if (!positive_label.empty()) return LabelText(value) == positive_label;
  if (const bool* truth = std::get_if<bool>(&value)) return *truth;
  const double* number = std::get_if<double>(&value);
  if (number != nullptr && (*number == 0 || *number == 1)) return *number == 1;
  return std::nullopt;
}

base::Result<std::unique_ptr<LabelLog>> LabelLog::Open(const std::string& folder,
                                                       const storage::SegmentSettings& settings,
                                                       base::Metrics& metrics) {
  auto segments = TRY(storage::Segments::Open(folder, settings, "labels", metrics));
  return std::unique_ptr<LabelLog>(new LabelLog(std::move(segments)));
}

base::Status LabelLog::Append(const LabelBatch& batch) {
  TRY(segments_->Append(EncodeLabels(batch)));
  return base::Status::Ok();
}

base::Status LabelLog::Visit(const std::function<void(const LabelBatch&)>& visit) const {
  TRY(VisitFrom({}, visit));
  return base::Status::Ok();
}

base::Result<storage::RecordPosition> LabelLog::VisitFrom(
    storage::RecordPosition from, const std::function<void(const LabelBatch&)>& visit) const {
  base::Status failure;
  TRY(segments_->Scan(from, [&](storage::RecordPosition position, std::string_view bytes) {
    auto batch = DecodeLabels(bytes);
    if (!batch.ok()) {
      failure = std::move(batch).TakeStatus();
      return false;
    }
    visit(*batch);
    from = storage::After(position, bytes.size());
    return true;
  }));
  TRY(std::move(failure));
  return from;
}

}  // namespace slipway::monitoring
