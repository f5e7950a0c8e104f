// SPDX-License-Identifier: Apache-2.0
// PendingLabels: labels whose prediction is not there yet. Private to this room.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "monitoring/labels.h"
#include "monitoring/record_codec.h"

namespace slipway::monitoring {

struct PendingLabel {
  LabelInput input;
  int64_t ordinal = 0;  // free for the caller: the label's place in the log when it is read again
};

// Not thread-safe.
class PendingLabels {
 public:
  void Add(const std::string& endpoint, PendingLabel label);
  // Takes out what waits for this record, in the order it was added; input.row tells the row. A
  // label by request id waits for a successful record.
  std::vector<PendingLabel> TakeFor(const PredictionView& view);
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // True once after labels by request id were added.
  bool TakeNewRequests() { return std::exchange(new_requests_, false); }

 private:
  using Labels = std::vector<PendingLabel>;
  void TakeRows(Labels& waiting, int64_t rows, Labels& taken);

  std::map<std::pair<std::string, UlidBits>, Labels> by_id_;          // endpoint, record
  std::map<std::pair<std::string, std::string>, Labels> by_request_;  // endpoint, request id
  size_t size_ = 0;
  bool new_requests_ = false;
};

}  // namespace slipway::monitoring
