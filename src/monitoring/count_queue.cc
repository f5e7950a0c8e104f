// SPDX-License-Identifier: Apache-2.0
// The step between a written prediction and its counts: one thread that takes what has gathered.
#include "monitoring/count_queue.h"

#include <pthread.h>

#include <chrono>
#include <utility>

namespace slipway::monitoring {
namespace {

// A push wakes the thread only when much waits: a system call for each record would cost more than
// counting it.
constexpr size_t kWakeAt = 512;
constexpr std::chrono::milliseconds kRest{10};

}  // namespace

CountQueue::~CountQueue() { Stop(); }

void CountQueue::Start() {
  const std::lock_guard lock(mutex_);
  running_ = true;
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "counting");
}

void CountQueue::Stop() {
  {
    const std::lock_guard lock(mutex_);
    running_ = false;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

bool CountQueue::Push(WrittenRecord& record) {
  const std::lock_guard lock(mutex_);
  if (!running_ || records_.size() >= kMaxQueuedRecords || bytes_ >= kMaxQueuedBytes) return false;
  bytes_ += record.bytes.size();
  records_.push_back(std::move(record));
  ++pushed_;
  if (records_.size() == kWakeAt) wake_.notify_one();
  return true;
}

void CountQueue::Flush() {
  std::unique_lock lock(mutex_);
  const uint64_t target = pushed_;
  if (processed_ >= target) return;
  hurry_ = true;
  wake_.notify_one();
  done_.wait(lock, [&] { return processed_ >= target; });
}

void CountQueue::Run() {
  std::vector<WrittenRecord> batch;
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait_for(lock, kRest, [&] { return !running_ || hurry_ || records_.size() >= kWakeAt; });
    hurry_ = false;
    if (records_.empty()) {
      if (!running_) return;
      continue;
    }
    batch.clear();
    std::swap(batch, records_);
    bytes_ = 0;
    lock.unlock();
    process_(batch);
    lock.lock();
    processed_ += batch.size();
    done_.notify_all();
  }
}

}  // namespace slipway::monitoring
