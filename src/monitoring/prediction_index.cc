// SPDX-License-Identifier: Apache-2.0
// What makes a logged prediction findable: filled as records are counted, and by one reading of the
// log at start.
#include "monitoring/prediction_index.h"

#include <algorithm>
#include <functional>

namespace slipway::monitoring {
namespace {

constexpr unsigned kOffsetBits = 40;  // a segment is shorter than 1 TiB

uint64_t Mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31);
}

uint64_t HashId(UlidBits id) { return Mix(id.high) ^ Mix(id.low + 1); }

uint64_t HashRequest(std::string_view endpoint, std::string_view request_id) {
  return Mix(std::hash<std::string_view>()(endpoint)) ^ std::hash<std::string_view>()(request_id);
}

uint64_t EndpointBit(std::string_view endpoint) {
  return uint64_t{1} << (Mix(std::hash<std::string_view>()(endpoint)) & 63);
}

}  // namespace

RecentPositions::Slot& RecentPositions::Generation::SlotOf(uint64_t hash) {
  const size_t mask = slots.size() - 1;
  size_t at = hash & mask;
  while (slots[at].place != 0 && slots[at].hash != hash) at = (at + 1) & mask;
  return slots[at];
}

void RecentPositions::Generation::Put(uint64_t hash, uint64_t place) {
  constexpr size_t kFirstSlots = 1024;
  if (2 * (used + 1) > slots.size()) {
    std::vector<Slot> former = std::move(slots);
    slots.assign(std::max(kFirstSlots, former.size() * 2), Slot());
    for (const Slot& slot : former) {
      if (slot.place != 0) SlotOf(slot.hash) = slot;
    }
  }
  Slot& slot = SlotOf(hash);
  used += slot.place == 0 ? 1 : 0;
  slot = {hash, place};
}

void RecentPositions::Put(uint64_t hash, storage::RecordPosition position) {
  if (young_.used >= capacity_) {
    forgot_ = forgot_ || old_.used > 0;
    old_ = std::move(young_);
    young_ = Generation();
  }
  young_.Put(hash, ((static_cast<uint64_t>(position.segment) << kOffsetBits) |
                    static_cast<uint64_t>(position.offset)) +
                       1);
}

std::optional<storage::RecordPosition> RecentPositions::Find(uint64_t hash) const {
  for (const Generation* generation : {&young_, &old_}) {
    if (generation->slots.empty()) continue;
    const Slot& slot = const_cast<Generation*>(generation)->SlotOf(hash);
    if (slot.place == 0) continue;
    const uint64_t place = slot.place - 1;
    return storage::RecordPosition{
        static_cast<int64_t>(place >> kOffsetBits),
        static_cast<int64_t>(place & ((uint64_t{1} << kOffsetBits) - 1))};
  }
  return std::nullopt;
}

void PredictionIndex::Add(storage::RecordPosition position, const PredictionView& view) {
  const int64_t number = position.offset / kGranuleBytes;
  Granule& granule = granules_[{position.segment, number}];
  if (granule.records == 0 || position < granule.first) granule.first = position;
  granule.end_offset = (number + 1) * kGranuleBytes;
  ++granule.records;
  granule.least_id = std::min(granule.least_id, view.id);
  granule.most_id = std::max(granule.most_id, view.id);
  granule.earliest = std::min(granule.earliest, view.time);
  granule.latest = std::max(granule.latest, view.time);
  granule.endpoints |= EndpointBit(view.endpoint);
  by_id_.Put(HashId(view.id), position);
  if (!view.request_id.empty() && view.status_code == 0) {
    by_request_.Put(HashRequest(view.endpoint, view.request_id), position);
  }
}

std::optional<storage::RecordPosition> PredictionIndex::FindRecent(UlidBits id) const {
  return by_id_.Find(HashId(id));
}

std::optional<storage::RecordPosition> PredictionIndex::FindRequest(
    std::string_view endpoint, std::string_view request_id) const {
  return by_request_.Find(HashRequest(endpoint, request_id));
}

std::vector<Granule> PredictionIndex::WithId(UlidBits id) const {
  std::vector<Granule> found;
  for (const auto& [place, granule] : granules_) {
    if (granule.least_id <= id && id <= granule.most_id) found.push_back(granule);
  }
  return found;
}

std::vector<Granule> PredictionIndex::Between(std::string_view endpoint, base::Micros since,
                                              base::Micros until) const {
  const uint64_t bit = endpoint.empty() ? ~uint64_t{0} : EndpointBit(endpoint);
  std::vector<Granule> found;
  for (const auto& [place, granule] : granules_) {
    if (granule.latest >= since && granule.earliest < until && (granule.endpoints & bit) != 0)
      found.push_back(granule);
  }
  return found;
}

}  // namespace slipway::monitoring
