// SPDX-License-Identifier: Apache-2.0
// A prediction that waits: whose turn is it, and with whom does it run?
#include "inference/pool/queue.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "inference/pool/batch.h"

namespace slipway::inference::pool {
namespace {

// Callers of whom nothing waits are remembered, so that a large request counts against the next
// one; past this many more than wait they are forgotten.
constexpr size_t kIdleLanes = 256;

}  // namespace

Queue::Queue(QueueRules rules)
    : rules_(std::move(rules)), levels_(std::max<size_t>(rules_.levels, 1)) {}

int64_t Queue::RowsBefore(size_t level, const std::string& caller, int64_t rows) const {
  int64_t before = 0;
  for (size_t i = 0; i < level; ++i) before += levels_[i].rows;
  const Level& mine = levels_[level];
  const auto lane = mine.lanes.find(caller);
  const int64_t own = lane == mine.lanes.end() ? 0 : lane->second.rows;
  const auto callers = static_cast<int64_t>(
      std::ranges::count_if(mine.lanes, [](const auto& one) { return one.second.count > 0; }));
  return before + std::min(mine.rows, (own + rows) * callers);
}

bool Queue::MakeRoom(const Waiting& first, int64_t rows, std::vector<Waiting>& pushed_out) {
  while (rows_ + rows > rules_.max_queue_rows) {
    const std::string* richest = nullptr;
    Level* of = nullptr;
    int64_t most = rows;
    if (const auto own = levels_[first.level].lanes.find(first.caller);
        own != levels_[first.level].lanes.end()) {
      most += own->second.rows;
    }
    for (size_t i = first.level; i < levels_.size(); ++i) {
      for (const auto& [caller, lane] : levels_[i].lanes) {
        if (lane.rows <= most) continue;
        most = lane.rows;
        richest = &caller;
        of = &levels_[i];
      }
    }
    if (richest == nullptr) return false;
    auto newest = std::prev(of->requests.end());
    while (newest->second.caller != *richest) --newest;
    pushed_out.push_back(Remove(*of, newest));
  }
  return true;
}

bool Queue::Push(std::vector<Waiting>& pieces, std::vector<Waiting>& pushed_out) {
  int64_t rows = 0;
  for (const Waiting& piece : pieces) rows += piece.rows;
  if (!MakeRoom(pieces.front(), rows, pushed_out)) return false;
  Level& level = levels_[pieces.front().level];
  if (level.lanes.size() > 2 * level.requests.size() + kIdleLanes)
    std::erase_if(level.lanes, [](const auto& one) { return one.second.count == 0; });
  Lane& lane = level.lanes[pieces.front().caller];
  for (Waiting& piece : pieces) {
    const int64_t start = std::max(level.time, lane.finish);
    lane.finish = start + piece.rows;
    lane.rows += piece.rows;
    ++lane.count;
    // Callers that come alone, or few, mostly come last.
    level.requests.emplace_hint(level.requests.end(), Key{start, next_number_++}, std::move(piece));
  }
  level.rows += rows;
  rows_ += rows;
  size_ += pieces.size();
  return true;
}

Waiting Queue::Remove(Level& level, Requests::iterator at) {
  Waiting waiting = std::move(at->second);
  level.requests.erase(at);
  Lane& lane = level.lanes[waiting.caller];
  lane.rows -= waiting.rows;
  --lane.count;
  level.rows -= waiting.rows;
  rows_ -= waiting.rows;
  --size_;
  if (level.requests.empty()) {
    level.lanes.clear();
    level.time = 0;
  }
  return waiting;
}

int64_t Queue::FirstGoal() const {
  return rules_.preferred_rows.empty() ? rules_.max_batch_rows : rules_.preferred_rows.front();
}

// In order: the first that does not fit begins the next batch.
void Queue::PickFrom(Level& level, int64_t now_ns, int64_t run_ns, Picked& picked, Taken& taken) {
  for (auto at = level.requests.begin(); at != level.requests.end();) {
    const auto here = at++;
    Waiting& next = here->second;
    // When nothing but this waits, a guess about its run must not keep it from running.
    const int64_t needed_ns = rows_ > rules_.max_batch_rows ? run_ns : 0;
    if (next.Gone() || (next.deadline_ns != 0 && now_ns + needed_ns >= next.deadline_ns)) {
      taken.dropped.push_back(Remove(level, here));
      continue;
    }
    if (!picked.picks.empty()) {
      const Waiting& first = picked.picks.front().at->second;
      if (!first.stackable || !next.stackable || picked.rows + next.rows > rules_.max_batch_rows ||
          !CanStack(first.request, next.request)) {
        picked.closed = true;
        return;
      }
    }
    picked.closed = picked.closed || !next.stackable;
    picked.oldest_ns =
        picked.picks.empty() ? next.enqueued_ns : std::min(picked.oldest_ns, next.enqueued_ns);
    picked.rows += next.rows;
    picked.picks.push_back({&level, here});
  }
}

// The largest preferred size that is there; all when there is none so small.
void Queue::CutToPreferred(Picked& picked) const {
  int64_t goal = 0;
  for (const int64_t size : rules_.preferred_rows) {
    if (size <= picked.rows) goal = size;
  }
  if (goal == 0) return;
  int64_t rows = 0;
  size_t keep = 0;
  while (keep < picked.picks.size()) {
    rows += picked.picks[keep].at->second.rows;
    if (keep > 0 && rows > goal) break;
    ++keep;
  }
  picked.picks.resize(keep, picked.picks.front());
}

Queue::Picked Queue::PickBatch(int64_t now_ns, int64_t run_ns, Taken& taken) {
  Picked picked;
  if (levels_.size() > 1 && ++takes_ % kTurnOfTheLast == 0) {
    for (size_t i = levels_.size(); i-- > 0 && picked.picks.empty();) {
      if (levels_[i].rows == 0) continue;
      PickFrom(levels_[i], now_ns, run_ns, picked, taken);
      break;
    }
  }
  const Level* begun = picked.picks.empty() ? nullptr : picked.picks.front().level;
  for (Level& level : levels_) {
    if (&level != begun && !level.requests.empty()) PickFrom(level, now_ns, run_ns, picked, taken);
  }
  return picked;
}

Queue::Taken Queue::Take(int64_t now_ns, int64_t run_ns, bool hurry) {
  Taken taken;
  if (size_ == 0) return taken;
  Picked picked = PickBatch(now_ns, run_ns, taken);
  if (picked.picks.empty()) return taken;
  if (!hurry && rules_.max_delay_ns > 0 && !picked.closed && picked.rows < FirstGoal() &&
      now_ns < picked.oldest_ns + rules_.max_delay_ns) {
    taken.again_ns = picked.oldest_ns + rules_.max_delay_ns;
    return taken;
  }
  CutToPreferred(picked);
  taken.batch.reserve(picked.picks.size());
  for (const Pick& pick : picked.picks) {
    pick.level->time = std::max(pick.level->time, pick.at->first.tag);
    taken.batch.push_back(Remove(*pick.level, pick.at));
  }
  return taken;
}

std::vector<Waiting> Queue::TakeAll() {
  std::vector<Waiting> all;
  for (Level& level : levels_) {
    for (auto& [key, waiting] : level.requests) all.push_back(std::move(waiting));
    level = Level();
  }
  rows_ = 0;
  size_ = 0;
  return all;
}

}  // namespace slipway::inference::pool
