// SPDX-License-Identifier: Apache-2.0
// Real child processes.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/files.h"
#include "base/ids.h"
#include "base/process.h"

namespace slipway::base {
namespace {

constexpr Micros kLongEnough = 20 * kSecond;

class ProcessTest : public testing::Test {
 protected:
  ProcessTest() : folder_(testing::TempDir() + "slipway_process_" + RandomHex32()) {
    EXPECT_TRUE(CreateDirectories(folder_).ok());
  }
  ~ProcessTest() override { std::filesystem::remove_all(folder_); }

  // The file's text once it holds a whole line.
  static std::string WaitForLine(const std::string& path) {
    const int64_t give_up = MonotonicNanos() + kLongEnough * 1000;
    std::string text;
    while (MonotonicNanos() < give_up && text.find('\n') == std::string::npos) {
      text = ReadFile(path, 1 << 20).ok() ? *ReadFile(path, 1 << 20) : "";
      std::this_thread::yield();
    }
    return text;
  }

  static bool IsGone(pid_t pid) {
    const int64_t give_up = MonotonicNanos() + kLongEnough * 1000;
    while (MonotonicNanos() < give_up) {
      if (kill(pid, 0) != 0 && errno == ESRCH) return true;
      std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
      std::string field;
      stat >> field >> field >> field;
      if (field == "Z" || field.empty())
        return true;  // ended; whoever is left as its parent reaps it
      std::this_thread::yield();
    }
    return false;
  }

  std::string folder_;
};

TEST_F(ProcessTest, CapturesOutputEnvironmentAndStatus) {
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "echo \"$GREETING $(pwd) $0\"; echo err >&2; exit 7", "a b"};
  spec.environment = {{"GREETING", "hello"}};
  spec.working_directory = folder_;
  spec.output_path = folder_ + "/out";
  auto process = Process::Start(spec);
  ASSERT_TRUE(process.ok()) << process.status().ToString();
  const auto exit = process->Wait(kLongEnough);
  ASSERT_TRUE(exit.ok());
  EXPECT_TRUE(exit->exited);
  EXPECT_EQ(exit->exit_status, 7);
  EXPECT_EQ(*ReadFile(spec.output_path, 4096),
            "hello " + std::filesystem::canonical(folder_).string() + " a b\nerr\n");
  EXPECT_EQ(process->Wait(0)->exit_status, 7);  // asked again
}

TEST_F(ProcessTest, SaysWhyItCannotStart) {
  EXPECT_EQ(Process::Start({.argv = {"no-such-program-anywhere"},
                            .environment = {},
                            .working_directory = "",
                            .output_path = ""})
                .status()
                .reason(),
            "no_such_program");
  EXPECT_EQ(
      Process::Start({.argv = {}, .environment = {}, .working_directory = "", .output_path = ""})
          .status()
          .field(),
      "argv");
  EXPECT_EQ(Process::Start({.argv = {"true"},
                            .environment = {},
                            .working_directory = folder_ + "/none",
                            .output_path = ""})
                .status()
                .code(),
            Code::kNotFound);
  EXPECT_FALSE(
      Process::Start(
          {.argv = {folder_}, .environment = {}, .working_directory = "", .output_path = ""})
          .ok());
}

TEST_F(ProcessTest, TellsThatItStillRunsAndKillsTheWholeGroup) {
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "sleep 1000 & echo $!; wait"};
  spec.output_path = folder_ + "/out";
  auto process = Process::Start(spec);
  ASSERT_TRUE(process.ok());
  const auto child = static_cast<pid_t>(std::stol(WaitForLine(spec.output_path)));
  EXPECT_EQ(process->Wait(1000).status().code(), Code::kDeadlineExceeded);
  process->Kill(kLongEnough);
  EXPECT_EQ(process->Wait(0)->signal, SIGTERM);
  EXPECT_TRUE(IsGone(child));
  process->Kill(0);  // nothing any more
}

TEST_F(ProcessTest, KillsWhatIgnoresTheTerm) {
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.01; done"};
  spec.output_path = folder_ + "/out";
  auto process = Process::Start(spec);
  ASSERT_TRUE(process.ok());
  WaitForLine(spec.output_path);
  process->Kill(50 * kMillisecond);
  EXPECT_EQ(process->Wait(0)->signal, SIGKILL);
}

TEST_F(ProcessTest, InheritsNoDescriptors) {
  const FileHandle leaky(dup(STDERR_FILENO));  // without close-on-exec
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "ls /proc/self/fd | wc -l"};  // 0, 1, 2 and the listed folder itself
  spec.output_path = folder_ + "/out";
  auto process = Process::Start(spec);
  ASSERT_TRUE(process.ok() && process->Wait(kLongEnough).ok());
  EXPECT_EQ(std::stoi(*ReadFile(spec.output_path, 100)), 4);
}

TEST_F(ProcessTest, DiesWithTheServer) {
  const std::string out = folder_ + "/out";
  const pid_t server = fork();
  if (server == 0) {
    ProcessSpec spec;
    spec.argv = {"sh", "-c", "echo $$; exec sleep 1000"};
    spec.output_path = out;
    auto process = Process::Start(spec);
    if (process.ok()) pause();
    _exit(1);
  }
  const auto child = static_cast<pid_t>(std::stol(WaitForLine(out)));
  kill(server, SIGKILL);
  waitpid(server, nullptr, 0);
  EXPECT_TRUE(IsGone(child));
}

}  // namespace
}  // namespace slipway::base
