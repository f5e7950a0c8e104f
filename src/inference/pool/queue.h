// SPDX-License-Identifier: Apache-2.0
// Queue: what waits for one model, and which of it runs next. A plain value whose time is its
// caller's; not thread-safe.
#pragma once

#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "inference/model_pool.h"

namespace slipway::inference::pool {

// One request, or a piece of one, that waits.
struct Waiting {
  Request request;
  bool stackable = false;
  int64_t rows = 1;
  int64_t deadline_ns = 0;  // 0: none
  int64_t enqueued_ns = 0;
  size_t level = 0;  // of priority; 0 goes first
  std::string caller;
  std::shared_ptr<const std::atomic<bool>> cancelled;
  RunDone done;
  RunPart part;        // instead of `done`: any number of answers, and a run of its own
  bool piece = false;  // of a request that was split; its Join counts the answer
  bool counts = true;  // a run counts for a request: false for all pieces but the first

  [[nodiscard]] bool Gone() const {
    return cancelled != nullptr && cancelled->load(std::memory_order_relaxed);
  }
};

struct QueueRules {
  int64_t max_batch_rows = 1;
  int64_t max_queue_rows = 1;
  int64_t max_delay_ns = 0;               // that a batch may wait for company
  std::vector<int64_t> preferred_rows{};  // rising; a batch stops at the largest that is there
  size_t levels = 1;
};

// Higher levels first, but one batch in kTurnOfTheLast begins with the lowest level that waits, so
// that no level starves. Within a level the callers take turns row by row (start-time fair
// queueing: Goyal, Vin, Cheng 1996), each caller's requests in their order.
class Queue {
 public:
  static constexpr int kTurnOfTheLast = 8;

  explicit Queue(QueueRules rules);

  [[nodiscard]] const QueueRules& rules() const { return rules_; }
  [[nodiscard]] int64_t rows() const { return rows_; }
  [[nodiscard]] size_t size() const { return size_; }
  // Rows that would run before a request of this caller and level that came now.
  [[nodiscard]] int64_t RowsBefore(size_t level, const std::string& caller, int64_t rows) const;
  // Takes all the pieces of one request, or none: false when there is no room. A caller that holds
  // most of a full queue makes room for one that holds less: its newest requests go to
  // `pushed_out`.
  bool Push(std::vector<Waiting>& pieces, std::vector<Waiting>& pushed_out);

  struct Taken {
    std::vector<Waiting> batch;    // of one form
    std::vector<Waiting> dropped;  // too late, or nobody waits for it
    int64_t again_ns = 0;          // nothing runs yet: a batch waits for company until then
  };
  // What is to run now. A request that could not end before its deadline, were its run to take
  // `run_ns`, is too late. `hurry`: nothing waits for company.
  Taken Take(int64_t now_ns, int64_t run_ns, bool hurry);
  // All of it, in no order.
  std::vector<Waiting> TakeAll();
  // Whether as many rows wait as a batch would like to have.
  [[nodiscard]] bool Enough() const { return rows_ >= FirstGoal(); }

 private:
  struct Key {
    int64_t tag;  // virtual time at which its caller's turn comes
    uint64_t number;
    auto operator<=>(const Key&) const = default;
  };
  struct Lane {  // one caller's
    int64_t finish = 0;
    int64_t rows = 0;
    size_t count = 0;
  };
  using Requests = std::map<Key, Waiting>;
  struct Level {
    int64_t time = 0;  // virtual
    int64_t rows = 0;
    Requests requests;
    std::unordered_map<std::string, Lane> lanes;
  };
  struct Pick {
    Level* level;
    Requests::iterator at;
  };
  struct Picked {
    std::vector<Pick> picks;
    int64_t rows = 0;
    int64_t oldest_ns = 0;
    bool closed = false;  // what comes next is of another form, or would be too much
  };

  [[nodiscard]] int64_t FirstGoal() const;
  Waiting Remove(Level& level, Requests::iterator at);
  bool MakeRoom(const Waiting& first, int64_t rows, std::vector<Waiting>& pushed_out);
  void PickFrom(Level& level, int64_t now_ns, int64_t run_ns, Picked& picked, Taken& taken);
  Picked PickBatch(int64_t now_ns, int64_t run_ns, Taken& taken);
  void CutToPreferred(Picked& picked) const;

  const QueueRules rules_;
  std::vector<Level> levels_;
  int64_t rows_ = 0;
  size_t size_ = 0;
  uint64_t next_number_ = 0;
  int takes_ = 0;
};

}  // namespace slipway::inference::pool
