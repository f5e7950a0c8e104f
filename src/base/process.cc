// SPDX-License-Identifier: Apache-2.0
// Process: how the retraining walk runs a step and how a model worker is started. An argument
// vector, never a shell.
#include "base/process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>

#include "base/files.h"
#include "base/process_filter.h"

namespace slipway::base {

struct Process::State {
  pid_t pid = -1;
  FileHandle pidfd;
  std::mutex mutex;  // over `exit`: the pid is signalled only while it is not reaped
  std::optional<ProcessExit> exit;

  // Real time; false when it still runs after `max_wait`.
  bool WaitEnded(Micros max_wait) const {
    const int64_t give_up = MonotonicNanos() + std::min(max_wait, kDay * 365) * 1000;
    while (true) {
      const int64_t left_ms = std::max<int64_t>(0, (give_up - MonotonicNanos() + 999999) / 1000000);
      pollfd entry{pidfd.fd(), POLLIN, 0};
      const auto wait_ms =
          static_cast<int>(std::min<int64_t>(left_ms, std::numeric_limits<int>::max()));
      const int ready = poll(&entry, 1, wait_ms);
      if (ready > 0) return true;
      if (ready == 0 && left_ms <= std::numeric_limits<int>::max()) return false;
    }
  }

  void Signal(int signal) {
    std::lock_guard lock(mutex);
    if (!exit) kill(-pid, signal);
  }

  ProcessExit Reap() {
    std::lock_guard lock(mutex);
    if (exit) return *exit;
    int status = 0;
    pid_t got = -1;
    do {
      got = waitpid(pid, &status, 0);
    } while (got < 0 && errno == EINTR);
    CHECK(got == pid, "only this object waits for its child");
    exit = WIFEXITED(status) ? ProcessExit{true, WEXITSTATUS(status), 0}
                             : ProcessExit{false, 0, WTERMSIG(status)};
    return *exit;
  }
};

namespace {

// All that the child needs, made before fork: between fork and exec nothing may allocate.
struct Prepared {
  std::string program;
  std::vector<std::string> texts;
  std::vector<char*> argv;
  std::vector<char*> envp;
  FileHandle input;
  FileHandle output;
  FileHandle report_read;  // the child's errno when it cannot exec
  FileHandle report_write;
  std::string folder;
  pid_t parent = 0;
  int channel = -1;
  rlim_t memory_bytes = 0, open_files = 0;
  bool sandboxed = false;
  std::vector<sock_filter> filter;
};

Result<std::string> FindProgram(const ProcessSpec& spec) {
  if (spec.argv.empty() || spec.argv[0].empty())
    return InvalidArgument("argv", "a command needs a program");
  const std::string& name = spec.argv[0];
  if (name.find('/') != std::string::npos) return name;
  const auto own = spec.environment.find("PATH");
  const char* inherited = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe)
  std::string path = own != spec.environment.end() ? own->second
                     : inherited != nullptr        ? inherited
                                                   : "/usr/bin:/bin";
  path += ':';
  for (size_t start = 0, end = 0; (end = path.find(':', start)) != std::string::npos;
       start = end + 1) {
    const std::string candidate = path.substr(start, end - start) + "/" + name;
    if (candidate.size() > name.size() + 1 && access(candidate.c_str(), X_OK) == 0)
      return candidate;
  }
  return NotFound("no_such_program", "the program \"" + name + "\" is not on PATH");
}

void FillArguments(const ProcessSpec& spec, Prepared& prepared) {
  prepared.texts = spec.argv;
  for (char** entry = environ; !spec.only_environment && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (!spec.environment.contains(std::string(text.substr(0, text.find('=')))))
      prepared.texts.emplace_back(text);
  }
  for (const auto& [name, value] : spec.environment) prepared.texts.push_back(name + "=" + value);
  for (size_t i = 0; i < prepared.texts.size(); ++i) {
    (i < spec.argv.size() ? prepared.argv : prepared.envp).push_back(prepared.texts[i].data());
  }
  prepared.argv.push_back(nullptr);
  prepared.envp.push_back(nullptr);
}

// A file that nobody else sees, at its beginning.
Result<FileHandle> InMemory(std::string_view bytes) {
  FileHandle file(memfd_create("input", MFD_CLOEXEC));
  while (file.valid() && !bytes.empty()) {
    const ssize_t written = write(file.fd(), bytes.data(), bytes.size());
    if (written < 0) return FromErrno(errno, "write a child's input");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  if (!file.valid() || lseek(file.fd(), 0, SEEK_SET) != 0)
    return FromErrno(errno, "make a child's input");
  return file;
}

Status OpenFiles(const ProcessSpec& spec, Prepared& prepared) {
  prepared.input = spec.input.empty() ? FileHandle(open("/dev/null", O_RDONLY | O_CLOEXEC))
                                      : TRY(InMemory(spec.input));
  const std::string output = spec.output_path.empty() ? "/dev/null" : spec.output_path;
  prepared.output =
      FileHandle(open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  if (!prepared.input.valid() || !prepared.output.valid())
    return FromErrno(errno, "open " + output);
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return FromErrno(errno, "pipe");
  prepared.report_read = FileHandle(ends[0]);
  prepared.report_write = FileHandle(ends[1]);
  return Status::Ok();
}

void ResetSignals() {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}) {
    std::signal(number, SIG_DFL);
  }
}

bool Limit(__rlimit_resource resource, rlim_t most) {
  const rlimit limit{most, most};
  return most == 0 || setrlimit(resource, &limit) == 0;
}

bool Confine(const Prepared& prepared) {
  if (!Limit(RLIMIT_AS, prepared.memory_bytes) || !Limit(RLIMIT_NOFILE, prepared.open_files))
    return false;
  if (!prepared.sandboxed) return true;
  const rlimit none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) return false;
  const sock_fprog program{static_cast<unsigned short>(prepared.filter.size()),
                           const_cast<sock_filter*>(prepared.filter.data())};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

// Every other descriptor is closed by exec.
bool GiveChannel(int channel) {
  constexpr int kChannel = 3;
  if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) != 0) return false;
  if (channel < 0) return true;
  return channel == kChannel ? fcntl(kChannel, F_SETFD, 0) == 0 : dup2(channel, kChannel) >= 0;
}

// Async-signal-safe calls only.
[[noreturn]] void RunChild(const Prepared& prepared) {
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  bool good = getppid() == prepared.parent;  // else the server died before the line above
  ResetSignals();
  good = good && dup2(prepared.input.fd(), STDIN_FILENO) >= 0 &&
         dup2(prepared.output.fd(), STDOUT_FILENO) >= 0 &&
         dup2(prepared.output.fd(), STDERR_FILENO) >= 0;
  // dup2 of the channel takes place 3 from whatever lay there: the report moves out of its way.
  const int report = good ? fcntl(prepared.report_write.fd(), F_DUPFD_CLOEXEC, 4) : -1;
  good = good && report >= 0 && GiveChannel(prepared.channel);
  good = good && (prepared.folder.empty() || chdir(prepared.folder.c_str()) == 0);
  good = good && Confine(prepared);
  if (good) execve(prepared.program.c_str(), prepared.argv.data(), prepared.envp.data());
  const int error = errno;
  [[maybe_unused]] const ssize_t told =
      write(report >= 0 ? report : prepared.report_write.fd(), &error, sizeof(error));
  _exit(127);
}

}  // namespace

Process::Process(std::unique_ptr<State> state) : state_(std::move(state)) {}
Process::Process(Process&& other) noexcept = default;

Process& Process::operator=(Process&& other) noexcept {
  std::swap(state_, other.state_);  // `other` ends what this one held
  return *this;
}

Process::~Process() {
  if (state_) Kill(0);
}

pid_t Process::pid() const { return state_->pid; }

Result<Process> Process::Start(const ProcessSpec& spec) {
  Prepared prepared;
  prepared.program = TRY(FindProgram(spec));
  prepared.folder = spec.working_directory;
  prepared.parent = getpid();
  prepared.channel = spec.channel;
  prepared.memory_bytes = static_cast<rlim_t>(spec.memory_bytes);
  prepared.open_files = static_cast<rlim_t>(spec.open_files);
  prepared.sandboxed = spec.sandboxed;
  if (spec.sandboxed) prepared.filter = SystemCallFilter(spec.network, getpid());
  FillArguments(spec, prepared);
  TRY(OpenFiles(spec, prepared));
  auto state = std::make_unique<State>();
  state->pid = fork();
  if (state->pid < 0) return FromErrno(errno, "fork");
  if (state->pid == 0) RunChild(prepared);
  prepared.report_write = FileHandle();
  int error = 0;
  ssize_t got = -1;
  do {
    got = read(prepared.report_read.fd(), &error, sizeof(error));  // ends at exec
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    state->Reap();
    return FromErrno(error, "start " + prepared.program);
  }
  state->pidfd = FileHandle(static_cast<int>(syscall(SYS_pidfd_open, state->pid, 0)));
  if (!state->pidfd.valid()) {
    const int why = errno;
    state->Signal(SIGKILL);
    state->Reap();
    return FromErrno(why, "pidfd_open");
  }
  return Process(std::move(state));
}

Result<ProcessExit> Process::Wait(Micros max_wait) {
  if (!state_->WaitEnded(max_wait)) {
    return Status(
        Code::kDeadlineExceeded, "still_running",
        "process " + std::to_string(state_->pid) + " still runs after " + FormatDuration(max_wait));
  }
  return state_->Reap();
}

void Process::Kill(Micros grace) {
  if (grace > 0) {
    state_->Signal(SIGTERM);
    state_->WaitEnded(grace);
  }
  state_->Signal(SIGKILL);  // also what the child left behind in its group
  state_->WaitEnded(kDay);
  state_->Reap();
}

}  // namespace slipway::base
