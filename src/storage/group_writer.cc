// SPDX-License-Identifier: Apache-2.0
// A version's walk: every change of metadata becomes durable here.
#include "storage/group_writer.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/status.h"
#include "storage/body_transaction.h"
#include "storage/connection.h"
#include "storage/database.h"

namespace slipway::storage {
namespace {

constexpr std::array<double, 9> kGroupBounds = {1, 2, 4, 8, 16, 32, 64, 128, 256};

base::Labels KindLabel(std::string_view kind) { return {{"kind", std::string(kind)}}; }

base::Labels OutcomeLabels(std::string_view kind, std::string_view outcome) {
  return {{"kind", std::string(kind)}, {"outcome", std::string(outcome)}};
}

}  // namespace

struct GroupWriter::Job {
  const std::function<base::Status(Transaction&)>* body = nullptr;
  base::Status status;
  std::vector<std::function<void()>> after_commit;
  bool done = false;  // under mutex_
  std::condition_variable finished;
};

GroupWriter::GroupWriter(std::unique_ptr<Connection> connection, int64_t queue_limit,
                         std::string_view kind, base::Metrics& metrics)
    : connection_(std::move(connection)),
      queue_limit_(static_cast<size_t>(std::max<int64_t>(queue_limit, 1))),
      commit_seconds_(metrics.GetHistogram("slipway_storage_commit_seconds",
                                           "Time of a group's commit, fsync included.",
                                           base::LatencyBounds(), KindLabel(kind))),
      group_size_(metrics.GetHistogram("slipway_storage_commit_group_size",
                                       "Writes that shared one commit.", kGroupBounds,
                                       KindLabel(kind))),
      writes_ok_(metrics.GetCounter("slipway_storage_writes", "Write transactions by outcome.",
                                    OutcomeLabels(kind, "ok"))),
      writes_failed_(metrics.GetCounter("slipway_storage_writes", "Write transactions by outcome.",
                                        OutcomeLabels(kind, "failed"))),
      waiting_(metrics.GetGauge("slipway_storage_writes_waiting", "Writes waiting for the writer.",
                                KindLabel(kind))),
      thread_([this] { Run(); }) {}

GroupWriter::~GroupWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

base::Status GroupWriter::Write(const std::function<base::Status(Transaction&)>& body) {
  CHECK(std::this_thread::get_id() != thread_.get_id(),
        "a Write inside a Write's body or callback would wait for itself");
  Job job;
  job.body = &body;
  std::unique_lock lock(mutex_);
  if (stopping_) return base::Unavailable("stopping", "the database is closing");
  if (!broken_.ok()) return broken_;
  if (queue_.size() >= queue_limit_) {
    return base::ResourceExhausted(
        "write_queue_full",
        "too many writes wait (limit " + std::to_string(queue_limit_) + "); try again");
  }
  queue_.push_back(&job);
  waiting_.Set(static_cast<double>(queue_.size()));
  wake_.notify_one();
  job.finished.wait(lock, [&] { return job.done; });
  return job.status;
}

void GroupWriter::Run() {
  while (true) {
    std::vector<Job*> group;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      const size_t size = std::min(queue_.size(), kMaxGroup);
      group.assign(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(size));
      queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(size));
      waiting_.Set(static_cast<double>(queue_.size()));
    }
    RunGroup(group);
    CountChanges();
    // Callbacks come before the answers: whoever returns from Write sees what the callbacks
    // refreshed.
    for (Job* job : group) {
      if (job->status.ok()) {
        for (const auto& callback : job->after_commit) callback();
      }
      (job->status.ok() ? writes_ok_ : writes_failed_).Add();
    }
    const std::lock_guard lock(mutex_);
    for (Job* job : group) {
      job->done = true;
      job->finished.notify_one();  // under the lock: the job lives on its caller's stack
    }
  }
}

uint64_t GroupWriter::ChangesOf(std::string_view room) {
  const std::lock_guard lock(changes_mutex_);
  uint64_t count = 0;
  for (const std::string_view which : {std::string_view(), room}) {
    const auto found = changes_.find(which);
    if (found != changes_.end()) count += found->second;
  }
  return count;
}

// Also of what was rolled back: a count too many only costs whoever kept an answer a second read.
void GroupWriter::CountChanges() {
  const std::lock_guard lock(changes_mutex_);
  for (const std::string& room : changed_rooms_) ++changes_[room];
  changed_rooms_.clear();
}

void GroupWriter::RunGroup(const std::vector<Job*>& group) {
  base::Status status = broken_;  // only this thread writes it
  if (status.ok()) status = connection_->Begin();
  if (!status.ok()) {
    for (Job* job : group) job->status = status;
    return;
  }
  if (!RunBodies(group) ||
      std::none_of(group.begin(), group.end(), [](const Job* job) { return job->status.ok(); })) {
    connection_->Rollback();
    return;
  }
  status = CommitGroup(group);
  if (status.ok()) return;
  for (Job* job : group) {
    if (job->status.ok()) job->status = status;
  }
}

bool GroupWriter::RunBodies(const std::vector<Job*>& group) {
  for (Job* job : group) {
    const base::Status kept = RunBody(*job);
    if (kept.ok()) continue;
    // The whole transaction is gone: the bodies before are lost with it and those after never ran.
    for (Job* other : group) {
      if (other->status.ok()) other->status = kept;
    }
    return false;
  }
  return true;
}

base::Status GroupWriter::RunBody(Job& job) {
  const auto command = [&](std::string_view sql) { return connection_->Execute(sql, {}); };
  auto done = command("SAVEPOINT body");
  if (!done.ok()) return done.status();
  BodyTransaction transaction(*connection_);
  job.status = (*job.body)(transaction);
  changed_rooms_.insert(transaction.changed_rooms().begin(), transaction.changed_rooms().end());
  if (job.status.ok()) job.status = transaction.failure();
  if (!connection_->InTransaction()) {
    return job.status.ok()
               ? base::Unavailable("transaction_lost", "the database ended the transaction")
               : job.status;
  }
  if (!job.status.ok()) {
    done = command("ROLLBACK TO SAVEPOINT body");
    if (!done.ok()) return done.status();
  } else {
    job.after_commit = transaction.TakeCallbacks();
  }
  done = command("RELEASE SAVEPOINT body");
  return done.ok() ? base::Status::Ok() : done.status();
}

base::Status GroupWriter::CommitGroup(const std::vector<Job*>& group) {
  const int64_t start = base::MonotonicNanos();
  base::Status status = connection_->Commit();
  commit_seconds_.Observe(static_cast<double>(base::MonotonicNanos() - start) * 1e-9);
  group_size_.Observe(static_cast<double>(group.size()));
  if (status.ok()) return status;
  base::Log(base::LogLevel::kError, "storage", "a commit failed",
            {{"error", status.ToString()}, {"writes", static_cast<int64_t>(group.size())}});
  if (status.code() == base::Code::kDataLoss) {
    const std::lock_guard lock(mutex_);
    broken_ = base::Status(base::Code::kDataLoss, "writer_stopped",
                           "nothing is written any more since a commit failed (" +
                               status.message() + "): check the disk, then restart");
  } else {
    connection_->Rollback();
  }
  return status;
}

}  // namespace slipway::storage
