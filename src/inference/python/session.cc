// SPDX-License-Identifier: Apache-2.0
// A prediction by a Python model: finds an idle worker; and what happens when one dies.
#include "inference/python/session.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "inference/request_check.h"

namespace slipway::inference::python {
namespace {

// A caller waits this long for a worker that is being replaced.
constexpr auto kPatience = std::chrono::seconds(20);
constexpr auto kFirstPause = std::chrono::milliseconds(200);
constexpr auto kLongestPause = std::chrono::seconds(30);

}  // namespace

// A worker for one run.
class PythonSession::Lease {
 public:
  Lease(PythonSession& session, Slot& slot) : session_(session), slot_(slot) {}
  ~Lease() { session_.GiveBack(slot_); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  Worker* operator->() { return slot_.worker.get(); }

 private:
  PythonSession& session_;
  Slot& slot_;
};

base::Result<std::unique_ptr<Session>> PythonSession::Open(WorkerSpec spec, int64_t workers,
                                                           std::shared_ptr<Supervisor> supervisor) {
  std::unique_ptr<PythonSession> session(new PythonSession(
      std::move(spec), static_cast<size_t>(std::max<int64_t>(workers, 1)), std::move(supervisor)));
  TRY(session->StartAll());
  session->keeper_ = std::thread([raw = session.get()] { raw->Keep(); });
  return std::unique_ptr<Session>(std::move(session));
}

base::Status PythonSession::StartAll() {
  for (Slot& slot : slots_) slot.worker = TRY(Worker::Start(spec_, supervisor_));
  for (Slot& slot : slots_) description_ = TRY(slot.worker->Load());
  return base::Status::Ok();
}

PythonSession::~PythonSession() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    if (starting_ != nullptr) starting_->Hangup();
    for (const Slot& slot : slots_) {
      if (slot.worker) slot.worker->Hangup();  // all of them end at the same time
    }
  }
  change_.notify_all();
  if (keeper_.joinable()) keeper_.join();
}

base::Result<PythonSession::Slot*> PythonSession::Take() {
  std::unique_lock lock(mutex_);
  Slot* free = nullptr;
  const auto decided = [&] {
    for (Slot& slot : slots_) {
      if (!slot.busy && slot.worker && slot.worker->usable()) free = &slot;
    }
    return free != nullptr || !failure_.ok() || stopping_;
  };
  const bool in_time = change_.wait_for(lock, kPatience, decided);
  if (free != nullptr) {
    free->busy = true;
    return free;
  }
  return base::Unavailable(
      "no_worker", !failure_.ok() ? "the model's worker does not come back: " + failure_.ToString()
                   : in_time      ? "the model is being unloaded"
                                  : "no worker of the model became free");
}

void PythonSession::GiveBack(Slot& slot) {
  {
    std::lock_guard lock(mutex_);
    slot.busy = false;
  }
  change_.notify_all();
}

base::Result<Response> PythonSession::Run(const Request& request) {
  TRY(CheckRequest(description_, request));
  Lease worker(*this, *TRY(Take()));
  auto response = worker->Run(request);
  if (!response.ok() && !worker->usable()) {
    base::Log(base::LogLevel::kWarning, "python", "a worker is replaced",
              {{"model", spec_.model}, {"reason", response.status().reason()}});
  }
  return response;
}

base::Status PythonSession::RunStream(const Request& request, const Part& part) {
  TRY(CheckRequest(description_, request));
  Lease worker(*this, *TRY(Take()));
  return worker->Stream(request, part);
}

int64_t PythonSession::memory_bytes() const {
  std::lock_guard lock(mutex_);
  int64_t bytes = 0;
  for (const Slot& slot : slots_) {
    if (slot.worker && slot.worker->usable()) bytes += slot.worker->memory_bytes();
  }
  return bytes;
}

PythonSession::Slot* PythonSession::Dead() {
  const auto found = std::ranges::find_if(slots_, [](const Slot& slot) {
    return !slot.busy && (slot.worker == nullptr || !slot.worker->usable());
  });
  return found == slots_.end() ? nullptr : &*found;
}

base::Status PythonSession::Replace(Slot& slot) {
  std::unique_ptr<Worker> old;
  {
    std::lock_guard lock(mutex_);
    old = std::move(slot.worker);
  }
  old = nullptr;  // its memory is given back before a new one takes as much
  auto worker = TRY(Worker::Start(spec_, supervisor_));
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return base::Status::Ok();
    starting_ = worker.get();
  }
  const auto loaded = worker->Load();
  std::lock_guard lock(mutex_);
  starting_ = nullptr;
  if (!loaded.ok()) return loaded.status();
  slot.worker = std::move(worker);
  return base::Status::Ok();
}

void PythonSession::Keep() {
  pthread_setname_np(pthread_self(), "python-keeper");
  std::chrono::milliseconds pause{0};
  std::unique_lock lock(mutex_);
  while (true) {
    Slot* dead = nullptr;
    change_.wait(lock, [&] { return stopping_ || (dead = Dead()) != nullptr; });
    if (stopping_) return;
    if (change_.wait_for(lock, pause, [&] { return stopping_; })) return;
    lock.unlock();
    base::Status status = Replace(*dead);
    lock.lock();
    if (stopping_) return;
    failure_ = status;
    change_.notify_all();
    if (status.ok()) {
      pause = {};
      continue;
    }
    pause = std::clamp<std::chrono::milliseconds>(pause * 2, kFirstPause, kLongestPause);
    base::Log(base::LogLevel::kError, "python", "a worker did not start again",
              {{"model", spec_.model},
               {"error", status.ToString()},
               {"next_try_ms", static_cast<int64_t>(pause.count())}});
  }
}

}  // namespace slipway::inference::python
