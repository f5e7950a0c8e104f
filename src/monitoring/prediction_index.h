// SPDX-License-Identifier: Apache-2.0
// PredictionIndex: where in the log things are. Sparse: one entry for each kGranuleBytes of log
// (ids and times as ranges, so the order in which records are added does not matter), plus exact
// places of the recent requests. Private to this room.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "monitoring/record_codec.h"
#include "storage/segments.h"

namespace slipway::monitoring {

inline constexpr int64_t kGranuleBytes = 64 * 1024;

// The records that start in one stretch of a segment.
struct Granule {
  storage::RecordPosition first;
  int64_t end_offset = 0;  // records of this granule start below it
  int64_t records = 0;
  UlidBits least_id{std::numeric_limits<uint64_t>::max(), std::numeric_limits<uint64_t>::max()};
  UlidBits most_id;
  base::Micros earliest = std::numeric_limits<base::Micros>::max();
  base::Micros latest = std::numeric_limits<base::Micros>::min();
  uint64_t endpoints = 0;  // one bit an endpoint's hash: may say yes wrongly, never no

  bool Contains(storage::RecordPosition position) const {
    return position.segment == first.segment && position.offset < end_offset;
  }
};

// 64-bit hash -> position of the newest `capacity` keys at least, twice as many at most: two
// generations, the older one is dropped whole. Two keys of one hash: the newer wins; the reader
// compares what it finds.
class RecentPositions {
 public:
  explicit RecentPositions(int64_t capacity) : capacity_(static_cast<size_t>(capacity)) {}
  void Put(uint64_t hash, storage::RecordPosition position);
  std::optional<storage::RecordPosition> Find(uint64_t hash) const;
  bool forgot() const { return forgot_; }

 private:
  struct Slot {
    uint64_t hash = 0;
    uint64_t place = 0;  // 0: free; else segment and offset, plus one
  };
  struct Generation {
    std::vector<Slot> slots;
    size_t used = 0;
    Slot& SlotOf(uint64_t hash);
    void Put(uint64_t hash, uint64_t place);
  };

  size_t capacity_;
  Generation young_;
  Generation old_;
  bool forgot_ = false;
};

// Not thread-safe.
class PredictionIndex {
 public:
  explicit PredictionIndex(int64_t recent_requests)
      : by_id_(recent_requests), by_request_(recent_requests) {}

  void Add(storage::RecordPosition position, const PredictionView& view);
  std::optional<storage::RecordPosition> FindRecent(UlidBits id) const;
  std::optional<storage::RecordPosition> FindRequest(std::string_view endpoint,
                                                     std::string_view request_id) const;
  bool forgot_requests() const { return by_request_.forgot(); }
  // In log order.
  std::vector<Granule> WithId(UlidBits id) const;
  std::vector<Granule> Between(std::string_view endpoint, base::Micros since,
                               base::Micros until) const;

 private:
  std::map<std::pair<int64_t, int64_t>, Granule>
      granules_;  // by segment and offset / kGranuleBytes
  RecentPositions by_id_;
  RecentPositions by_request_;
};

}  // namespace slipway::monitoring
