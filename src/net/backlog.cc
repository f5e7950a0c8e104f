// SPDX-License-Identifier: Apache-2.0
// A request's walk, before it is read, when more come than can be read: whose turn is it?
#include "net/backlog.h"

#include <cstddef>
#include <cstdint>

namespace slipway::net {

void Backlog::Add(Backlogged& one, uint32_t bits, int64_t since_ns) {
  if (one.place != 0) {
    waiting_[static_cast<size_t>(one.place - first_place_)].bits |= bits;
    return;
  }
  one.place = first_place_ + waiting_.size();
  waiting_.push_back({&one, bits, since_ns});
  ++count_;
}

void Backlog::Remove(Backlogged& one) {
  if (one.place == 0) return;
  waiting_[static_cast<size_t>(one.place - first_place_)].one = nullptr;
  one.place = 0;
  --count_;
  while (!waiting_.empty() && waiting_.back().one == nullptr) waiting_.pop_back();
  while (!waiting_.empty() && waiting_.front().one == nullptr) {
    waiting_.pop_front();
    ++first_place_;
  }
}

bool Backlog::OldestFirst(int64_t now_ns) {
  if (now_ns >= fresh_until_ns_) return true;
  return ++turns_ % kTurnOfTheOldest == 0 && now_ns - waiting_.front().since_ns > most_ns_;
}

Backlog::Turn Backlog::Next(int64_t now_ns) {
  if (empty()) return {};
  const Turn turn = OldestFirst(now_ns) ? waiting_.front() : waiting_.back();
  Remove(*turn.one);
  return turn;
}

}  // namespace slipway::net
