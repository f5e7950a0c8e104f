// SPDX-License-Identifier: Apache-2.0
// Supervisor: the one thread that starts workers (they die with the thread that started them) and
// reads what they print into the server's log.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/process.h"
#include "base/status.h"

namespace slipway::inference::python {

// What one worker prints. Thread-safe.
class Output {
 public:
  Output(std::string model, base::FileHandle read_end)
      : model_(std::move(model)), read_end_(std::move(read_end)) {}
  [[nodiscard]] int fd() const { return read_end_.fd(); }
  // Logs what is there, line by line; past kMostLinesASecond only their number. False: the end.
  bool Drain();
  // The last lines, for the message of a crash.
  [[nodiscard]] std::string Tail() const;

 private:
  void Take(std::string_view bytes);
  void Line(std::string_view line);

  const std::string model_;
  const base::FileHandle read_end_;
  mutable std::mutex mutex_;
  std::string begun_;  // a line without its end yet
  std::deque<std::string> tail_;
  int64_t second_ = 0;  // of the count below
  int64_t lines_ = 0;
};

// Thread-safe.
class Supervisor {
 public:
  static base::Result<std::shared_ptr<Supervisor>> Start();
  ~Supervisor();
  base::Result<base::Process> Spawn(const base::ProcessSpec& spec);
  void Watch(const std::shared_ptr<Output>& output);
  void Forget(const std::shared_ptr<Output>& output);

 private:
  Supervisor(base::FileHandle poll, base::FileHandle wake);
  void Run();
  void RunTasks();

  const base::FileHandle poll_, wake_;
  std::mutex mutex_;
  std::deque<std::function<void()>> tasks_;       // guarded by mutex_
  std::vector<std::shared_ptr<Output>> outputs_;  // guarded by mutex_
  bool stopping_ = false;                         // guarded by mutex_
  std::thread thread_;
};

}  // namespace slipway::inference::python
