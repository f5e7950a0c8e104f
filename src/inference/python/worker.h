// SPDX-License-Identifier: Apache-2.0
// Worker: one process that runs one model, and the conversation with it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/process.h"
#include "base/status.h"
#include "inference/python/segment.h"
#include "inference/python/supervisor.h"
#include "inference/python/wire.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference::python {

struct WorkerSpec {
  std::string model;  // its key, for the log
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;
  std::string folder;
  std::string load;  // the JSON of kLoad
  int64_t memory_bytes = 0;
  bool network = false;
  base::Micros load_timeout = 0;
  base::Micros run_timeout = 0;
  size_t most_segment_bytes = 0;
};

// One thread at a time, but for Hangup and memory_bytes. The destructor ends the process.
class Worker {
 public:
  // The process is started; Load waits for it.
  static base::Result<std::unique_ptr<Worker>> Start(const WorkerSpec& spec,
                                                     std::shared_ptr<Supervisor> supervisor);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  base::Result<ModelDescription> Load();
  base::Result<Response> Run(const Request& request);
  base::Status Stream(const Request& request, const Session::Part& part);
  // False once its process has ended or is to be replaced.
  [[nodiscard]] bool usable() const { return usable_; }
  // Whoever waits for the worker is told that it has gone.
  void Hangup();
  // Proportional share of what it holds; 0: not known.
  [[nodiscard]] int64_t memory_bytes() const;

 private:
  Worker(const WorkerSpec& spec, std::shared_ptr<Supervisor> supervisor)
      : spec_(spec), supervisor_(std::move(supervisor)) {}

  base::Status Open();
  base::Status SetTimeout(base::Micros timeout);
  base::Status Send(const std::string& packet);
  base::Result<Message> Receive(base::Micros limit);
  base::Result<Message> Await(
      base::Micros limit);  // Receive, and room where the worker asks for it
  base::Status SendRequest(ToWorker kind, const Request& request);
  base::Result<std::shared_ptr<Segment>> NewSegment(size_t bytes);
  base::Status ForgetSegment(uint32_t number);
  base::Result<uint32_t> FreeOutput();
  base::Status Grow(const Message& wanted);
  base::Result<Response> TakeAnswer(const Message& message);
  base::Status TakeFailure(const Message& message);
  void NoteKept(const Message& message);
  base::Status Crashed();
  base::Status Failed(base::Status status);  // it cannot be talked to any more

  const WorkerSpec spec_;
  const std::shared_ptr<Supervisor> supervisor_;
  std::optional<base::Process> process_;
  std::shared_ptr<Output> output_;
  base::FileHandle channel_;
  base::Micros timeout_ = -1;
  std::string packet_;  // what came last
  std::string table_;
  uint32_t next_segment_ = 1;
  std::shared_ptr<Segment> input_;
  std::vector<std::shared_ptr<Segment>> outputs_;
  std::atomic<bool> usable_{true};
};

}  // namespace slipway::inference::python
