// SPDX-License-Identifier: Apache-2.0
// Labels: the truth that arrives later for a prediction, and its own durable log
// (docs/formats/labels.md).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/status.h"
#include "storage/segments.h"

namespace slipway::monitoring {

using LabelValue = std::variant<bool, double, std::string>;
base::Json ToJson(const LabelValue& value);  // numbers that are whole print as integers
// A JSON boolean, number or string. kInvalidArgument naming `field` for anything else.
base::Result<LabelValue> LabelValueFromJson(const base::Json& value, const std::string& field);
// As a class is named: a text itself, a number's shortest decimal, "true" and "false".
std::string LabelText(const LabelValue& value);

// What labels mean (setting monitoring.endpoints.<e>.task). kAuto: the answers and labels tell.
enum class Task { kAuto, kBinary, kMulticlass, kRegression };
std::string_view TaskName(Task task);  // "auto", "binary", "multiclass", "regression"
// 0 or 1; nullopt when the value is not of a two-class problem. With `positive_label` set, 1 is the
// value that prints as it; without, booleans and the numbers 0 and 1 speak for themselves and
// everything else is not binary.
std::optional<bool> BinaryLabel(const LabelValue& value, const std::string& positive_label);

inline constexpr size_t kMaxLabelsInBatch = 100'000;
inline constexpr size_t kMaxLabelText = 1024;  // bytes of a label's text or of a request id

// Joined by prediction id (".row" included) or, when that is empty, by (request_id, row), or by the
// routing key: the newest prediction of it at or before `time`, which must be there.
struct LabelInput {
  std::string prediction_id;
  std::string request_id;
  int64_t row = 0;
  LabelValue value;
  base::Micros time = 0;  // when the truth became known
  std::string key = {};   // gone once the prediction is found: it is not in the log
};

struct Label {
  LabelValue value;
  base::Micros time = 0;
  base::Micros delay = 0;  // time - the prediction's time
};

// Of one batch. accepted = all that are now in the log, whatever became of them; the others tell
// what became of them.
struct LabelOutcome {
  int64_t accepted = 0;
  int64_t duplicate = 0;  // same value again
  int64_t corrected = 0;  // another value, with a label time not older: it holds now
  int64_t outdated = 0;   // another value, with an older label time
  int64_t unmatched = 0;  // no such prediction (yet): kept, and joined when it comes
};

// One batch as it stands in the log.
struct LabelBatch {
  std::string endpoint;
  base::Micros arrived = 0;
  std::vector<LabelInput> labels;
};

// Thread-safe.
class LabelLog {
 public:
  static base::Result<std::unique_ptr<LabelLog>> Open(const std::string& folder,
                                                      const storage::SegmentSettings& settings,
                                                      base::Metrics& metrics);
  base::Status Append(const LabelBatch& batch);
  base::Status Visit(
      const std::function<void(const LabelBatch&)>& visit) const;  // all, in log order
  // From a position that an earlier call returned; {0, 0}: all.
  base::Result<storage::RecordPosition> VisitFrom(
      storage::RecordPosition from, const std::function<void(const LabelBatch&)>& visit) const;

 private:
  explicit LabelLog(std::unique_ptr<storage::Segments> segments) : segments_(std::move(segments)) {}
  std::unique_ptr<storage::Segments> segments_;
};

}  // namespace slipway::monitoring
