// SPDX-License-Identifier: Apache-2.0
// Every read of metadata: a snapshot of committed data, while the writer goes on.
#include "storage/reader_pool.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/status.h"
#include "storage/body_transaction.h"
#include "storage/connection.h"
#include "storage/database.h"

namespace slipway::storage {

ReaderPool::ReaderPool(std::vector<std::unique_ptr<Connection>> connections, std::string_view kind,
                       base::Metrics& metrics)
    : read_seconds_(metrics.GetHistogram("slipway_storage_read_seconds",
                                         "Time of a read transaction, waiting included.",
                                         base::LatencyBounds(), {{"kind", std::string(kind)}})),
      free_(std::move(connections)) {
  CHECK(!free_.empty(), "a reader pool needs a connection");
}

std::unique_ptr<Connection> ReaderPool::Take() {
  std::unique_lock lock(mutex_);
  returned_.wait(lock, [&] { return !free_.empty(); });
  auto connection = std::move(free_.back());
  free_.pop_back();
  return connection;
}

void ReaderPool::GiveBack(std::unique_ptr<Connection> connection) {
  {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(connection));
  }
  returned_.notify_one();
}

base::Status ReaderPool::Read(const std::function<base::Status(Transaction&)>& body) {
  const int64_t start = base::MonotonicNanos();
  auto connection = Take();
  base::Status status = connection->Begin();
  if (status.ok()) {
    BodyTransaction transaction(*connection);
    status = body(transaction);
    if (status.ok()) status = transaction.failure();
    CHECK(transaction.TakeCallbacks().empty(), "AfterCommit in a read: nothing is committed there");
    connection->Rollback();
  }
  GiveBack(std::move(connection));
  read_seconds_.Observe(static_cast<double>(base::MonotonicNanos() - start) * 1e-9);
  return status;
}

}  // namespace slipway::storage
