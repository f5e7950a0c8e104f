// SPDX-License-Identifier: Apache-2.0
// A prediction by a model that may have to be opened first.
#include "inference/pool/on_demand.h"

#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace slipway::inference::pool {

using OpenResult = base::Result<std::shared_ptr<LoadedModel>>;

OnDemandModel::OnDemandModel(std::string key, Surroundings surroundings)
    : key_(std::move(key)),
      surroundings_(std::move(surroundings)),
      counts_(std::make_shared<RunCounts>()) {}

const ModelDescription& OnDemandModel::description() const {
  static const ModelDescription kNone;
  const Facts* facts = facts_.load(std::memory_order_acquire);
  return facts == nullptr ? kNone : facts->description;
}

const ModelConfig& OnDemandModel::config() const {
  static const ModelConfig kNone;
  const Facts* facts = facts_.load(std::memory_order_acquire);
  return facts == nullptr ? kNone : facts->config;
}

int64_t OnDemandModel::memory_bytes() const {
  const auto inner = inner_.load();
  return inner ? inner->memory_bytes() : 0;
}

std::vector<Request> OnDemandModel::Recent() const {
  const auto inner = inner_.load();
  return inner ? inner->Recent() : std::vector<Request>();
}

void OnDemandModel::Run(Request request, RunOptions options, RunDone done) {
  used_ns_.store(base::MonotonicNanos(), std::memory_order_relaxed);
  if (const auto inner = inner_.load())
    return inner->Run(std::move(request), std::move(options), std::move(done));
  auto shared =
      std::make_shared<std::pair<Request, RunOptions>>(std::move(request), std::move(options));
  WithModel([shared, done = std::move(done)](const OpenResult& opened) {
    if (!opened.ok()) return done(opened.status(), {});
    (*opened)->Run(std::move(shared->first), std::move(shared->second), done);
  });
}

void OnDemandModel::RunStream(Request request, RunOptions options, RunPart part) {
  used_ns_.store(base::MonotonicNanos(), std::memory_order_relaxed);
  auto shared =
      std::make_shared<std::pair<Request, RunOptions>>(std::move(request), std::move(options));
  WithModel([shared, part = std::move(part)](const OpenResult& opened) {
    if (!opened.ok()) return part(opened.status(), {}, true);
    (*opened)->RunStream(std::move(shared->first), std::move(shared->second), part);
  });
}

void OnDemandModel::Prepare(std::function<void(base::Status)> then) {
  if (described()) return then(base::Status::Ok());
  used_ns_.store(base::MonotonicNanos(), std::memory_order_relaxed);
  WithModel([then = std::move(then)](const OpenResult& opened) { then(opened.status()); });
}

base::Status OnDemandModel::Open() {
  std::promise<base::Status> opened;
  used_ns_.store(base::MonotonicNanos(), std::memory_order_relaxed);
  WithModel([&opened](const OpenResult& result) { opened.set_value(result.status()); });
  return opened.get_future().get();
}

void OnDemandModel::WithModel(Then then) {
  if (const auto inner = inner_.load()) return then(inner);
  base::Status refused;
  bool first = false;
  {
    std::lock_guard lock(mutex_);
    if (!failure_.ok() && base::MonotonicNanos() - failed_ns_ < kPauseNs) {
      refused = failure_;
    } else if (waiting_.size() >= kMostWaiting) {
      refused = base::ResourceExhausted(
          "model_loading",
          "model '" + key_ + "' is being loaded and enough requests wait for it; retry in 1 s");
    } else {
      waiting_.push_back(std::move(then));
      first = !std::exchange(opening_, true);
    }
  }
  if (!refused.ok()) return then(std::move(refused));
  if (!first) return;
  base::Status submitted =
      surroundings_.submit([self = shared_from_this()] { self->OpenAndTell(); });
  if (submitted.ok()) return;
  std::deque<Then> waiting;
  {
    std::lock_guard lock(mutex_);
    opening_ = false;
    waiting.swap(waiting_);
  }
  for (Then& one : waiting) one(submitted);
}

void OnDemandModel::OpenAndTell() {
  OpenResult opened = surroundings_.open(counts_);
  std::deque<Then> waiting;
  {
    std::lock_guard lock(mutex_);
    opening_ = false;
    waiting.swap(waiting_);
    failure_ = opened.status();
    failed_ns_ = opened.ok() ? 0 : base::MonotonicNanos();
    if (opened.ok()) {
      if (!facts_owner_) {
        facts_owner_ =
            std::make_unique<const Facts>(Facts{(*opened)->description(), (*opened)->config()});
        facts_.store(facts_owner_.get(), std::memory_order_release);
      }
      inner_.store(*opened);
    }
  }
  for (Then& one : waiting) one(opened);
}

std::shared_ptr<LoadedModel> OnDemandModel::Close() {
  if (config().pinned) return nullptr;
  return inner_.exchange(nullptr);
}

}  // namespace slipway::inference::pool
