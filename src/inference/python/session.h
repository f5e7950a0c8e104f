// SPDX-License-Identifier: Apache-2.0
// PythonSession: a model in several worker processes, each of which is replaced when it dies.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/status.h"
#include "inference/python/supervisor.h"
#include "inference/python/worker.h"
#include "inference/runtime.h"

namespace slipway::inference::python {

class PythonSession final : public Session {
 public:
  // Starts all workers side by side and waits until each has loaded the model.
  static base::Result<std::unique_ptr<Session>> Open(WorkerSpec spec, int64_t workers,
                                                     std::shared_ptr<Supervisor> supervisor);
  ~PythonSession() override;
  [[nodiscard]] const ModelDescription& description() const override { return description_; }
  [[nodiscard]] int64_t runs_elsewhere() const override {
    return static_cast<int64_t>(slots_.size());
  }
  base::Result<Response> Run(const Request& request) override;
  base::Status RunStream(const Request& request, const Part& part) override;
  [[nodiscard]] int64_t memory_bytes() const override;

 private:
  struct Slot {
    std::unique_ptr<Worker> worker;
    bool busy = false;
  };
  class Lease;

  PythonSession(WorkerSpec spec, size_t workers, std::shared_ptr<Supervisor> supervisor)
      : spec_(std::move(spec)), supervisor_(std::move(supervisor)), slots_(workers) {}
  base::Status StartAll();
  base::Result<Slot*> Take();
  void GiveBack(Slot& slot);
  // Replaces workers that have died, until the session goes.
  void Keep();
  Slot* Dead();  // with mutex_ held
  base::Status Replace(Slot& slot);

  const WorkerSpec spec_;
  const std::shared_ptr<Supervisor> supervisor_;
  ModelDescription description_;
  mutable std::mutex mutex_;
  std::condition_variable change_;
  std::vector<Slot> slots_;     // guarded by mutex_; a busy slot's worker is its lessee's
  base::Status failure_;        // why the last replacement did not start; guarded by mutex_
  Worker* starting_ = nullptr;  // guarded by mutex_
  bool stopping_ = false;       // guarded by mutex_
  std::thread keeper_;
};

}  // namespace slipway::inference::python
