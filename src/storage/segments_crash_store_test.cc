// SPDX-License-Identifier: Apache-2.0
// kill -9 at random moments of a process that appends: every acknowledged record is there, and
// nothing half-done.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/metrics.h"
#include "storage/folder_testing.h"
#include "storage/segments.h"

namespace slipway::storage {
namespace {

constexpr int kKills = 25;
constexpr int kThreads = 3;
constexpr int64_t kMostRecords = 1'000'000;  // a child that is never killed ends

struct Acknowledged {
  int32_t thread = 0;
  int32_t number = 0;
};

std::string RecordText(int round, Acknowledged record) {
  std::string text = std::to_string(round) + "/" + std::to_string(record.thread) + "/" +
                     std::to_string(record.number) + ":";
  return text.append(static_cast<size_t>(record.number * 37 % 9000),
                     static_cast<char>('a' + record.number % 26));
}

SegmentSettings Settings(Durability durability) {
  SegmentSettings settings;
  settings.durability = durability;
  settings.segment_bytes = 256 * 1024;  // many rolls, too
  return settings;
}

// In the child: appends from several threads and reports each acknowledged record through the pipe
// until it is killed.
[[noreturn]] void AppendUntilKilled(const std::string& folder, Durability durability, int round,
                                    int report) {
  base::Metrics metrics;
  auto log = Segments::Open(folder, Settings(durability), "crash", metrics);
  if (!log.ok()) _exit(2);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int32_t i = 0; i < kMostRecords; ++i) {
        const Acknowledged record = {t, i};
        if (!(*log)->Append(RecordText(round, record)).ok()) _exit(3);
        if (write(report, &record, sizeof(record)) != sizeof(record))
          _exit(4);  // atomic: shorter than PIPE_BUF
      }
    });
  }
  for (auto& thread : threads) thread.join();
  _exit(5);
}

class SegmentsCrashStore : public testing::TestWithParam<Durability> {};

TEST_P(SegmentsCrashStore, KeepsEveryAcknowledgedRecord) {
  const TestFolder folder;
  std::mt19937 random(20261123);
  std::vector<std::vector<Acknowledged>> acknowledged;
  size_t total = 0;
  for (int round = 0; round < kKills; ++round) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) AppendUntilKilled(folder / "log", GetParam(), round, ends[1]);
    close(ends[1]);
    const base::FileHandle report(ends[0]);
    const size_t kill_after = 1 + random() % 400;
    auto& records = acknowledged.emplace_back();
    Acknowledged record;
    bool killed = false;
    while (read(report.fd(), &record, sizeof(record)) == sizeof(record)) {
      records.push_back(record);
      if (!killed && records.size() >= kill_after) killed = kill(child, SIGKILL) == 0;
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(killed && WIFSIGNALED(status)) << status;
    total += records.size();

    base::Metrics metrics;
    auto log = Segments::Open(folder / "log", Settings(GetParam()), "crash", metrics);
    ASSERT_TRUE(log.ok()) << log.status().ToString();
    std::map<std::string, int> found;
    const base::Status scanned = (*log)->Scan({}, [&](RecordPosition, std::string_view text) {
      ++found[std::string(text.substr(0, text.find(':')))];
      const size_t slash = text.rfind('/');
      const int round_read = std::stoi(std::string(text.substr(0, text.find('/'))));
      const Acknowledged read_back = {
          std::stoi(std::string(text.substr(text.find('/') + 1, slash))),
          std::stoi(std::string(text.substr(slash + 1)))};
      EXPECT_TRUE(text == RecordText(round_read, read_back)) << text.substr(0, 40);
      return true;
    });
    ASSERT_EQ(scanned.ToString(), "OK");
    for (int before = 0; before <= round; ++before) {
      for (const Acknowledged& sent : acknowledged[static_cast<size_t>(before)]) {
        const std::string key = std::to_string(before) + "/" + std::to_string(sent.thread) + "/" +
                                std::to_string(sent.number);
        ASSERT_EQ(found[key], 1) << key << " after kill " << round;
      }
    }
    EXPECT_EQ((*log)->RecordCount(), static_cast<int64_t>(found.size()));
  }
  EXPECT_GE(total, static_cast<size_t>(kKills));
}

// Whenever the process ends, a segment's file is empty or begins with its whole header.
TEST(SegmentsStore, ANewSegmentIsNoLongerThanItsHeaderBeforeItsFirstRecord) {
  const TestFolder folder;
  base::Metrics metrics;
  auto log = Segments::Open(folder.path(), {}, "new", metrics);
  ASSERT_TRUE(log.ok()) << log.status().ToString();
  EXPECT_EQ(std::filesystem::file_size(folder / "00000001.seg"), 32U);
}

// No file of this process grows past `bytes` while it lives, as if the disk were full there.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : former_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &former_);
    const rlimit limit = {bytes, former_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &former_);
    std::signal(SIGXFSZ, former_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit former_{};
  void (*former_handler_)(int);
};

// The real file layer: memory that is mapped where the file grows, and writes where it cannot.
TEST_P(SegmentsCrashStore, SaysThatTheDiskIsFullAndGoesOnWhenThereIsRoom) {
  const TestFolder folder;
  base::Metrics metrics;
  SegmentSettings settings;
  settings.durability = GetParam();
  const std::string record(5000, 'r');
  int64_t kept = 0;
  {
    auto log = Segments::Open(folder.path(), settings, "full", metrics);
    ASSERT_TRUE(log.ok()) << log.status().ToString();
    {
      const FileSizeLimit limit(400'000);
      base::Status status;
      while (status.ok() && kept < 100) {
        status = (*log)->Append(record).status();
        if (status.ok()) ++kept;
      }
      EXPECT_EQ(status.code(), base::Code::kResourceExhausted) << status.ToString();
      EXPECT_GE(kept, 79);  // all that there was room for
      EXPECT_FALSE((*log)->Append(record).ok());
    }
    EXPECT_TRUE((*log)->Append("there is room").ok());
    EXPECT_EQ((*log)->RecordCount(), kept + 1);
  }
  auto again = Segments::Open(folder.path(), settings, "full", metrics);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  int64_t whole = 0;
  std::string last;
  const base::Status scanned = (*again)->Scan({}, [&](RecordPosition, std::string_view text) {
    whole += text == record ? 1 : 0;
    last = text;
    return true;
  });
  EXPECT_TRUE(scanned.ok()) << scanned.ToString();
  EXPECT_EQ(whole, kept);
  EXPECT_EQ(last, "there is room");
}

// The files as a killed process leaves them: longer than what was written.
TEST(SegmentsStore, TakesALogThatGrewAheadOfItsRecords) {
  const TestFolder folder;
  const TestFolder copy;
  base::Metrics metrics;
  auto log = Segments::Open(folder.path(), {}, "grown", metrics);
  ASSERT_TRUE(log.ok());
  const auto position = (*log)->Append("the only record");
  ASSERT_TRUE(position.ok());
  std::filesystem::copy(folder.path(), copy.path(), std::filesystem::copy_options::recursive);

  auto again = Segments::Open(copy.path(), {}, "grown", metrics);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ((*again)->RecordCount(), 1);
  EXPECT_EQ((*again)->ReadAt(*position).value(), "the only record");
  EXPECT_EQ((*again)->End(), (*log)->End());
  const RecordPosition end = (*again)->End();
  again->reset();
  EXPECT_EQ(std::filesystem::file_size(copy.path() + "/00000001.seg"),
            static_cast<uintmax_t>(end.offset));
}

INSTANTIATE_TEST_SUITE_P(Durabilities, SegmentsCrashStore,
                         testing::Values(Durability::kProcess, Durability::kPower),
                         [](const auto& durability) {
                           return durability.param == Durability::kPower ? "power" : "process";
                         });

}  // namespace
}  // namespace slipway::storage
