// SPDX-License-Identifier: Apache-2.0
// Labels that came before their prediction, or for one that nobody made.
#include "monitoring/pending_labels.h"

#include <algorithm>

namespace slipway::monitoring {

void PendingLabels::Add(const std::string& endpoint, PendingLabel label) {
  ++size_;
  if (label.input.prediction_id.empty()) {
    new_requests_ = true;
    by_request_[{endpoint, label.input.request_id}].push_back(std::move(label));
    return;
  }
  const auto id = ParsePredictionId(label.input.prediction_id);
  const auto bits = id.ok() ? ParseUlid(id->record_id) : base::Result<UlidBits>(id.status());
  if (!bits.ok()) {  // a log written by hand: it can never match
    --size_;
    return;
  }
  label.input.row = id->row;
  by_id_[{endpoint, *bits}].push_back(std::move(label));
}

void PendingLabels::TakeRows(Labels& waiting, int64_t rows, Labels& taken) {
  const auto rest =
      std::stable_partition(waiting.begin(), waiting.end(),
                            [&](const PendingLabel& label) { return label.input.row >= rows; });
  taken.insert(taken.end(), std::make_move_iterator(rest), std::make_move_iterator(waiting.end()));
  size_ -= static_cast<size_t>(waiting.end() - rest);
  waiting.erase(rest, waiting.end());
}

std::vector<PendingLabel> PendingLabels::TakeFor(const PredictionView& view) {
  Labels taken;
  if (size_ == 0) return taken;
  const std::string endpoint(view.endpoint);
  const auto id = by_id_.find({endpoint, view.id});
  if (id != by_id_.end()) {
    TakeRows(id->second, view.rows, taken);
    if (id->second.empty()) by_id_.erase(id);
  }
  if (view.status_code == 0 && !view.request_id.empty()) {
    const auto request = by_request_.find({endpoint, std::string(view.request_id)});
    if (request != by_request_.end()) {
      TakeRows(request->second, view.rows, taken);
      if (request->second.empty()) by_request_.erase(request);
    }
  }
  return taken;
}

}  // namespace slipway::monitoring
