// SPDX-License-Identifier: Apache-2.0
// Process: a child started from an argument vector (never a shell), in its own process group,
// output captured to a file.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace slipway::base {

struct ProcessSpec {
  std::vector<std::string> argv;                   // argv[0] is looked up on PATH
  std::map<std::string, std::string> environment;  // added to the server's own, which is passed on
  std::string working_directory;                   // empty: the server's
  std::string output_path;        // standard output and error, appended; empty: /dev/null
  std::string input = {};         // bytes of its standard input; empty: /dev/null
  int channel = -1;               // of the server's descriptors, the one that the child has as 3
  bool only_environment = false;  // nothing of the server's own environment, which holds secrets
  int64_t memory_bytes = 0;       // address space; 0: no limit
  int64_t open_files = 0;         // descriptors; 0: no limit
  // Never any new privileges, no core file, and a filter over its system calls: no socket but one
  // of this machine's own (AF_UNIX), unless `network`; no look into other processes; no mounts.
  bool sandboxed = false;
  bool network = true;
};

struct ProcessExit {
  bool exited = false;  // false: ended by `signal`
  int exit_status = 0;
  int signal = 0;
};

// Thread-safe but for moving and destroying. The destructor kills the group and reaps the child.
// The child also dies when the thread that started it ends (PR_SET_PDEATHSIG), so that a killed
// server leaves none behind: start it from a thread that stays until the child is waited for. It
// has no descriptor of the server's but its output.
class Process {
 public:
  static Result<Process> Start(const ProcessSpec& spec);
  ~Process();
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;

  pid_t pid() const;
  // kDeadlineExceeded when it still runs after `max_wait` of real time.
  Result<ProcessExit> Wait(Micros max_wait);
  // SIGTERM to the whole group, SIGKILL after `grace`; returns when the child has ended. Nothing
  // once it was waited for.
  void Kill(Micros grace);

 private:
  struct State;
  explicit Process(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace slipway::base
