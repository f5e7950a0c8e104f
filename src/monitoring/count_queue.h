// SPDX-License-Identifier: Apache-2.0
// CountQueue: written records on their way to being counted, so that the threads that answer
// callers do not count. Bounded; who finds it full counts by himself. Private to this room.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "storage/segments.h"

namespace slipway::monitoring {

inline constexpr size_t kMaxQueuedRecords = 65'536;
inline constexpr size_t kMaxQueuedBytes = 64 * 1024 * 1024;

struct WrittenRecord {
  storage::RecordPosition position;
  std::string bytes;
};

// Thread-safe.
class CountQueue {
 public:
  // `process` is called on the queue's thread, without any lock of the queue.
  explicit CountQueue(std::function<void(std::vector<WrittenRecord>&)> process)
      : process_(std::move(process)) {}
  ~CountQueue();  // Stop()
  void Start();
  void Stop();  // processes what is queued; idempotent
  // False when the queue is full or does not run: `record` is untouched then.
  bool Push(WrittenRecord& record);
  // Returns when everything pushed before has been processed.
  void Flush();

 private:
  void Run();

  const std::function<void(std::vector<WrittenRecord>&)> process_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::vector<WrittenRecord> records_;
  size_t bytes_ = 0;
  uint64_t pushed_ = 0;
  uint64_t processed_ = 0;
  bool running_ = false;
  bool hurry_ = false;
  std::thread thread_;
};

}  // namespace slipway::monitoring
