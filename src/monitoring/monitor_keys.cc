// SPDX-License-Identifier: Apache-2.0
// A label that names its prediction by routing key and time: the newest prediction of that key that
// is not after it.
#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "monitoring/monitor_state.h"

namespace slipway::monitoring {

base::Status Monitor::State::NameAsLogged(const std::string& endpoint,
                                          std::vector<LabelInput>& labels) const {
  for (LabelInput& label : labels)
    label.request_id = redactor.TextAsLogged(endpoint, "request_id", label.request_id);
  return ResolveKeys(endpoint, labels);
}

base::Status Monitor::State::ResolveKeys(const std::string& endpoint,
                                         std::vector<LabelInput>& labels) const {
  struct Seen {
    base::Micros time = 0;
    std::string id;
    int64_t rows = 0;
  };
  std::map<std::string, std::vector<Seen>, std::less<>> seen;
  base::Micros first = std::numeric_limits<base::Micros>::max();
  base::Micros last = std::numeric_limits<base::Micros>::min();
  for (const LabelInput& label : labels) {
    if (label.key.empty()) continue;
    seen[redactor.TextAsLogged(endpoint, "key", label.key)];
    first = std::min(first, label.time);
    last = std::max(last, label.time);
  }
  if (seen.empty()) return base::Status::Ok();
  const base::Micros tolerance = settings.label_tolerance.micros;
  TRY(log->Visit(endpoint, first - tolerance, last + 1, [&](const PredictionView& view) {
    const auto key = seen.find(view.key);
    if (key != seen.end() && view.status_code == 0)
      key->second.push_back({view.time, FormatUlid(view.id), view.rows});
    return true;
  }));
  for (auto& [key, predictions] : seen) {
    std::stable_sort(predictions.begin(), predictions.end(),
                     [](const Seen& a, const Seen& b) { return a.time < b.time; });
  }
  for (size_t i = 0; i < labels.size(); ++i) {
    LabelInput& label = labels[i];
    if (label.key.empty()) continue;
    const auto& predictions = seen[redactor.TextAsLogged(endpoint, "key", label.key)];
    const auto after =
        std::upper_bound(predictions.begin(), predictions.end(), label.time,
                         [](base::Micros time, const Seen& one) { return time < one.time; });
    if (after == predictions.begin() || std::prev(after)->time < label.time - tolerance ||
        label.row >= std::prev(after)->rows) {
      return base::InvalidArgument("labels[" + std::to_string(i) + "].key",
                                   "no prediction of key '" + label.key + "' (row " +
                                       std::to_string(label.row) + ") at or before " +
                                       base::FormatTime(label.time) +
                                       ", within monitoring.label_tolerance");
    }
    const Seen& found = *std::prev(after);
    label.prediction_id = FormatPredictionId(found.id, label.row, found.rows);
    label.key.clear();
  }
  return base::Status::Ok();
}

}  // namespace slipway::monitoring
