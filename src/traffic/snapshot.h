// SPDX-License-Identifier: Apache-2.0
// Snapshot: an immutable value that many threads read and one replaces now and then. A reader
// copies a shared_ptr under a lock that it shares with few other threads and only for that copy,
// never with a change in progress.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>

namespace slipway::traffic {

template <typename T>
class Snapshot {
 public:
  explicit Snapshot(const std::shared_ptr<const T>& value) { Replace(value); }

  std::shared_ptr<const T> Get() const {
    const Slot& slot = slots_[ThreadNumber() % kSlots];
    std::lock_guard lock(slot.mutex);
    return slot.value;
  }

  // One thread at a time. A reader may see the old value until this returns.
  void Replace(const std::shared_ptr<const T>& value) {
    for (Slot& slot : slots_) {
      std::shared_ptr<const T> old = value;
      std::lock_guard lock(slot.mutex);
      slot.value.swap(old);
    }
  }

 private:
  static constexpr size_t kSlots = 32;
  struct alignas(64) Slot {
    mutable std::mutex mutex;
    std::shared_ptr<const T> value;
  };

  static size_t ThreadNumber() {
    static std::atomic<size_t> next{0};
    thread_local const size_t kNumber = next.fetch_add(1, std::memory_order_relaxed);
    return kNumber;
  }

  std::array<Slot, kSlots> slots_;
};

}  // namespace slipway::traffic
