// SPDX-License-Identifier: Apache-2.0
// GroupWriter: the one writer of a database. All bodies that wait share one transaction (each in
// its own savepoint) and so one fsync; nobody is answered before that commit. Private to this room.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "storage/connection.h"

namespace slipway::storage {

inline constexpr size_t kMaxGroup = 256;  // bodies in one commit

// Thread-safe.
class GroupWriter {
 public:
  GroupWriter(std::unique_ptr<Connection> connection, int64_t queue_limit, std::string_view kind,
              base::Metrics& metrics);
  ~GroupWriter();  // finishes what waits

  // See Database::Write. kUnavailable once stopped; kDataLoss (reason "writer_stopped") after a
  // commit whose outcome is unknown.
  base::Status Write(const std::function<base::Status(Transaction&)>& body);

  // See Database::ChangesOf.
  uint64_t ChangesOf(std::string_view room);

 private:
  struct Job;

  void Run();
  void RunGroup(const std::vector<Job*>& group);
  // Runs every body in its savepoint; false when the transaction was lost on the way (every job
  // then has a failure).
  bool RunBodies(const std::vector<Job*>& group);
  base::Status RunBody(Job& job);
  base::Status CommitGroup(const std::vector<Job*>& group);
  void CountChanges();

  const std::unique_ptr<Connection> connection_;
  const size_t queue_limit_;
  base::Histogram& commit_seconds_;
  base::Histogram& group_size_;
  base::Counter& writes_ok_;
  base::Counter& writes_failed_;
  base::Gauge& waiting_;

  std::set<std::string, std::less<>> changed_rooms_;  // of the group under way; the writer's thread

  std::mutex changes_mutex_;
  std::map<std::string, uint64_t, std::less<>> changes_;  // by room; "" counts for all

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job*> queue_;
  bool stopping_ = false;
  base::Status broken_;  // set once, by the writer's thread under mutex_
  std::thread thread_;   // last: it uses all of the above
};

}  // namespace slipway::storage
