// SPDX-License-Identifier: Apache-2.0
// Backlog: connections that are ready and have not had their turn. A plain value whose time is its
// caller's; not thread-safe. Private to net.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

namespace slipway::net {

// What can be in a backlog, once, derives from it. Belongs to the backlog while it is in there.
struct Backlogged {
  uint64_t place = 0;  // 0: not in there
};

// The longest waiting goes first, until one of them was too late by then: those behind it would be
// too, and each costs the time in which a newcomer could be answered. So for a while the newest
// goes first, and those that waited for longer than `most_ns`, which are refused unread, have one
// turn in kTurnOfTheOldest.
class Backlog {
 public:
  static constexpr int64_t kFreshFirstNs = 1'000'000'000;
  static constexpr int kTurnOfTheOldest = 8;

  struct Turn {
    Backlogged* one = nullptr;
    uint32_t bits = 0;
    int64_t since_ns = 0;
  };

  // 0: nothing is refused unread.
  void SetMost(int64_t most_ns) { most_ns_ = most_ns; }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] size_t size() const { return count_; }
  // What is in there already keeps its place and gets the bits too.
  void Add(Backlogged& one, uint32_t bits, int64_t since_ns);
  void Remove(Backlogged& one);
  // Takes the next one; none when it is empty.
  Turn Next(int64_t now_ns);
  // What had its turn was too late.
  void Missed(int64_t now_ns) { fresh_until_ns_ = now_ns + kFreshFirstNs; }

 private:
  [[nodiscard]] bool OldestFirst(int64_t now_ns);

  std::deque<Turn> waiting_;  // with gaps where one was removed, none at the ends
  uint64_t first_place_ = 1;  // of waiting_.front()
  size_t count_ = 0;
  int64_t most_ns_ = 0;
  int64_t fresh_until_ns_ = 0;
  int turns_ = 0;
};

}  // namespace slipway::net
