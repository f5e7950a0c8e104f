// SPDX-License-Identifier: Apache-2.0
// ReaderPool: a fixed number of read-only connections, lent to one read at a time. Private to this
// room.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "storage/connection.h"

namespace slipway::storage {

// Thread-safe. Blocks while every connection is lent.
class ReaderPool {
 public:
  ReaderPool(std::vector<std::unique_ptr<Connection>> connections, std::string_view kind,
             base::Metrics& metrics);
  base::Status Read(const std::function<base::Status(Transaction&)>& body);

 private:
  std::unique_ptr<Connection> Take();
  void GiveBack(std::unique_ptr<Connection> connection);

  base::Histogram& read_seconds_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Connection>> free_;
};

}  // namespace slipway::storage
