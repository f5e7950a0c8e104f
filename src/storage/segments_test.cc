// SPDX-License-Identifier: Apache-2.0
#include "storage/segments.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "storage/faulty_log_folder_testing.h"
#include "storage/folder_testing.h"
#include "storage/log_folder.h"
#include "storage/segment_format.h"

namespace slipway::storage {
namespace {

using base::Code;

class SegmentsTest : public testing::Test {
 protected:
  base::Result<std::unique_ptr<Segments>> TryOpen() {
    return OpenSegments(disk_.Open(), settings_, "test", metrics_);
  }
  std::unique_ptr<Segments> Open() {
    auto opened = TryOpen();
    CHECK(opened.ok(), opened.status().ToString());
    return std::move(opened).value();
  }
  static std::vector<std::string> All(const Segments& log, RecordPosition from = {}) {
    std::vector<std::string> records;
    const base::Status status = log.Scan(from, [&](RecordPosition, std::string_view record) {
      records.emplace_back(record);
      return true;
    });
    if (!status.ok()) records.push_back(status.ToString());
    return records;
  }
  std::string Last() const { return disk_.names().back(); }
  void FlipBit(const std::string& name, size_t offset) {
    std::string bytes = disk_.bytes(name);
    bytes[offset] = static_cast<char>(bytes[offset] ^ 1);
    disk_.SetBytes(name, bytes);
  }

  FaultyDisk disk_;
  SegmentSettings settings_;
  base::Metrics metrics_;
};

using Texts = std::vector<std::string>;

TEST_F(SegmentsTest, ScansWhatWasAppendedInOrder) {
  auto log = Open();
  EXPECT_TRUE(All(*log).empty());
  const std::string large(700'000, 'x');  // more than one read
  const RecordPosition first = log->Append("one").value();
  const RecordPosition second = log->Append("").value();
  const RecordPosition third = log->Append(large).value();
  EXPECT_LT(first, second);
  EXPECT_EQ(second, After(first, 3));
  EXPECT_EQ(All(*log), (Texts{"one", "", large}));
  EXPECT_EQ(All(*log, second), (Texts{"", large}));
  EXPECT_EQ(log->ReadAt(first).value(), "one");
  EXPECT_EQ(log->ReadAt(third).value(), large);
  EXPECT_EQ(log->RecordCount(), 3);
  EXPECT_EQ(log->End(), After(third, large.size()));
  EXPECT_TRUE(All(*log, log->End()).empty());
  EXPECT_TRUE(All(*log, {9, 9}).empty());
}

TEST_F(SegmentsTest, AScanStopsWhenToldAndSeesAppendsOfItsVisitorNextTime) {
  auto log = Open();
  for (const char* record : {"a", "b", "c"}) ASSERT_TRUE(log->Append(record).ok());
  Texts seen;
  ASSERT_TRUE(log->Scan({},
                        [&](RecordPosition, std::string_view record) {
                          seen.emplace_back(record);
                          EXPECT_TRUE(log->Append("d").ok());
                          return record != "b";
                        })
                  .ok());
  EXPECT_EQ(seen, (Texts{"a", "b"}));
  EXPECT_EQ(log->RecordCount(), 5);
}

TEST_F(SegmentsTest, RollsToANewFileAndCountsOverARestart) {
  settings_.segment_bytes = 100;
  Texts expected;
  for (int round = 0; round < 3; ++round) {
    auto log = Open();
    EXPECT_EQ(log->RecordCount(), static_cast<int64_t>(expected.size()));
    EXPECT_EQ(All(*log), expected);
    for (int i = 0; i < 10; ++i) {
      expected.push_back("record " + std::to_string(round) + "." + std::to_string(i));
      const RecordPosition at = log->Append(expected.back()).value();
      EXPECT_EQ(log->ReadAt(at).value(), expected.back());
      EXPECT_EQ(All(*log, at), Texts{expected.back()});
    }
    EXPECT_EQ(All(*log), expected);
  }
  EXPECT_GT(disk_.names().size(), 5u);
  EXPECT_EQ(disk_.names().front(), "00000001.seg");
}

TEST_F(SegmentsTest, RefusesWhatIsNoRecordOfTheLog) {
  settings_.max_record_bytes = 10;
  auto log = Open();
  EXPECT_EQ(log->Append("12345678901").status().reason(), "record_too_large");
  const RecordPosition at = log->Append("1234567890").value();
  EXPECT_EQ(log->ReadAt({}).status().code(), Code::kNotFound);
  EXPECT_EQ(log->ReadAt({2, 32}).status().code(), Code::kNotFound);
  EXPECT_EQ(log->ReadAt(log->End()).status().code(), Code::kNotFound);
  EXPECT_EQ(log->ReadAt({at.segment, at.offset + 1}).status().code(), Code::kDataLoss);
}

TEST_F(SegmentsTest, CutsATornTailOfAnyLength) {
  ASSERT_TRUE(Open()->Append("first").ok());
  ASSERT_TRUE(Open()->Append("second").ok());
  const std::string whole = disk_.bytes("00000001.seg");
  const size_t start = whole.size() - kRecordHeaderBytes - 6;
  for (size_t size = start; size < whole.size(); ++size) {
    disk_.SetBytes("00000001.seg", whole.substr(0, size));
    auto log = Open();
    EXPECT_EQ(All(*log), Texts{"first"}) << size;
    EXPECT_EQ(log->RecordCount(), 1);
    ASSERT_TRUE(log->Append("third").ok());
    EXPECT_EQ(All(*log), (Texts{"first", "third"})) << size;
  }
}

// Length, checksum and every byte of the record: of a middle one, every bit's place once.
TEST_F(SegmentsTest, AFlippedByteCostsOnlyItsRecord) {
  std::vector<RecordPosition> at;
  for (const char* record : {"aaaa", "bbbb", "cccc", "dddd"})
    at.push_back(Open()->Append(record).value());
  const std::string whole = disk_.bytes("00000001.seg");
  for (auto offset = static_cast<size_t>(at[1].offset); offset < static_cast<size_t>(at[2].offset);
       ++offset) {
    disk_.SetBytes("00000001.seg", whole);
    FlipBit("00000001.seg", offset);
    const auto log = Open();
    EXPECT_EQ(All(*log), (Texts{"aaaa", "cccc", "dddd"})) << offset;
    EXPECT_EQ(log->RecordCount(), 3);
    EXPECT_EQ(log->ReadAt(at[1]).status().code(), Code::kDataLoss);
    ASSERT_TRUE(log->Append("eeee").ok());
    EXPECT_EQ(All(*log), (Texts{"aaaa", "cccc", "dddd", "eeee"})) << offset;
  }
  EXPECT_NE(metrics_.PrintPrometheusText().find("slipway_storage_log_damaged_records"),
            std::string::npos);
}

TEST_F(SegmentsTest, ALengthThatPointsAtALaterRecordIsNotBelieved) {
  // Records of 8 + 24 bytes: a flipped length of 24 + 32 ends where a later record begins.
  const std::string text(24, 'x');
  std::vector<RecordPosition> at;
  for (int i = 0; i < 5; ++i) at.push_back(Open()->Append(text + std::to_string(i)).value());
  std::string bytes = disk_.bytes("00000001.seg");
  bytes[static_cast<size_t>(at[1].offset)] = static_cast<char>(25 + 33);
  disk_.SetBytes("00000001.seg", bytes);
  EXPECT_EQ(All(*Open()), (Texts{text + "0", text + "2", text + "3", text + "4"}));
}

TEST_F(SegmentsTest, DamageInAnEarlierFileCostsOnlyItsRecord) {
  settings_.segment_bytes = 100;
  auto log = Open();
  const RecordPosition first = log->Append("aaaaaaaaaaaaaaaaaaaa").value();
  ASSERT_TRUE(log->Append("bbbbbbbbbbbbbbbbbbbb").ok());
  ASSERT_TRUE(log->Append("cccccccccccccccccccc").ok());
  log.reset();
  FlipBit("00000001.seg", static_cast<size_t>(first.offset) + 10);
  log = Open();
  EXPECT_EQ(All(*log), (Texts{"bbbbbbbbbbbbbbbbbbbb", "cccccccccccccccccccc"}));
  EXPECT_EQ(log->ReadAt(first).status().code(), Code::kDataLoss);
}

TEST_F(SegmentsTest, OldFilesAreDroppedAndTheRestStaysReadable) {
  settings_.segment_bytes = 60;
  auto log = Open();
  std::vector<RecordPosition> at;
  for (const char* text : {"aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbb", "cccccccccccccccccccc"})
    at.push_back(log->Append(text).value());
  ASSERT_TRUE(log->DropBefore(at[1].segment).ok());
  EXPECT_EQ(log->FirstSegment(), at[1].segment);
  EXPECT_EQ(All(*log), (Texts{"bbbbbbbbbbbbbbbbbbbb", "cccccccccccccccccccc"}));
  EXPECT_EQ(log->ReadAt(at[0]).status().code(), Code::kNotFound);
  ASSERT_TRUE(log->Seal().ok());
  ASSERT_TRUE(log->DropBefore(at[2].segment + 1).ok());
  EXPECT_EQ(All(*log), Texts{});
  ASSERT_TRUE(log->Append("dddd").ok());
  log.reset();
  log = Open();
  EXPECT_EQ(All(*log), Texts{"dddd"});
  EXPECT_EQ(log->RecordCount(), 4);
}

TEST_F(SegmentsTest, AMissingFileIsNamed) {
  settings_.segment_bytes = 60;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Open()->Append("aaaaaaaaaaaaaaaaaaaa").ok());
  ASSERT_TRUE(disk_.Open()->Remove("00000002.seg").ok());
  EXPECT_NE(TryOpen().status().message().find("00000002.seg"), std::string::npos);
}

TEST_F(SegmentsTest, PagesThatWereNeverWrittenAreATornTail) {
  const std::string page(4096, 'p');
  auto log = Open();
  ASSERT_TRUE(log->Append("kept").ok());
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(log->Append(page).ok());
  log.reset();
  std::string bytes = disk_.bytes("00000001.seg");
  bytes.replace(8192, 4096, 4096, '\0');
  disk_.SetBytes("00000001.seg", bytes);
  EXPECT_EQ(All(*Open()), (Texts{"kept", page}));
}

TEST_F(SegmentsTest, ARecordsBytesCannotPassForARecord) {
  auto log = Open();
  ASSERT_TRUE(log->Append("kept").ok());
  const RecordHeader forged = EncodeRecordHeader("inner", 0);
  ASSERT_TRUE(
      log->Append(std::string(forged.data(), forged.size()) + "inner" + std::string(100, 'x'))
          .ok());
  log.reset();
  const std::string bytes = disk_.bytes("00000001.seg");
  disk_.SetBytes("00000001.seg", bytes.substr(0, bytes.size() - 1));
  EXPECT_EQ(All(*Open()), Texts{"kept"});
}

TEST_F(SegmentsTest, AFileWhoseHeaderWasNotFinishedIsMadeAnew) {
  settings_.segment_bytes = 60;
  ASSERT_TRUE(Open()->Append("aaaaaaaaaaaaaaaaaaaa").ok());
  for (const std::string& left :
       {std::string(), std::string("slipway seg"), std::string(32, '\0')}) {
    disk_.SetBytes("00000002.seg", left);
    auto log = Open();
    EXPECT_EQ(log->RecordCount(), 1);
    EXPECT_EQ(log->End().segment, 1);
    ASSERT_EQ(log->Append("bbbbbbbbbbbbbbbbbbbb").value().segment, 2);
    EXPECT_EQ(log->RecordCount(), 2);
  }
  disk_.SetBytes("00000003.seg", std::string(33, 'x'));
  EXPECT_EQ(TryOpen().status().code(), Code::kDataLoss);
}

TEST_F(SegmentsTest, AFullDiskLeavesNothingHalfDone) {
  auto log = Open();
  ASSERT_TRUE(log->Append("first").ok());
  const std::string before = disk_.bytes(Last());
  for (int64_t room = 0; room < 20; ++room) {
    disk_.room_bytes = room;
    const base::Status status = log->Append("twelve bytes").status();
    EXPECT_EQ(status.code(), Code::kResourceExhausted) << room;
    EXPECT_EQ(disk_.bytes(Last()), before);
  }
  disk_.room_bytes = 1000;
  ASSERT_TRUE(log->Append("second").ok());
  EXPECT_EQ(All(*log), (Texts{"first", "second"}));
}

TEST_F(SegmentsTest, AFullDiskAtARollLeavesTheLogUsable) {
  settings_.segment_bytes = 60;
  auto log = Open();
  ASSERT_TRUE(log->Append("aaaaaaaaaaaaaaaaaaaa").ok());
  disk_.room_bytes = 5;
  EXPECT_EQ(log->Append("bbbbbbbbbbbbbbbbbbbb").status().code(), Code::kResourceExhausted);
  disk_.room_bytes = 1000;
  EXPECT_EQ(log->Append("bbbbbbbbbbbbbbbbbbbb").value().segment, 2);
  EXPECT_EQ(All(*log).size(), 2u);
}

TEST_F(SegmentsTest, WhenHalfARecordCannotBeTakenBackTheLogStops) {
  auto log = Open();
  ASSERT_TRUE(log->Append("first").ok());
  disk_.room_bytes = 5;
  disk_.fail_truncate = true;
  EXPECT_EQ(log->Append("second").status().reason(), "log_stopped");
  disk_.room_bytes = 1000;
  disk_.fail_truncate = false;
  EXPECT_EQ(log->Append("third").status().reason(), "log_stopped");
  EXPECT_EQ(All(*log), Texts{"first"});
  log.reset();
  EXPECT_EQ(All(*Open()), Texts{"first"});
}

TEST_F(SegmentsTest, AFailedSyncStopsTheLogForGood) {
  settings_.durability = Durability::kPower;
  auto log = Open();
  ASSERT_TRUE(log->Append("first").ok());
  disk_.fail_sync = true;
  EXPECT_EQ(log->Append("second").status().code(), Code::kDataLoss);
  disk_.fail_sync = false;
  EXPECT_EQ(log->Append("third").status().reason(), "log_stopped");
  EXPECT_EQ(All(*log), Texts{"first"});
  EXPECT_EQ(log->RecordCount(), 1);
}

TEST_F(SegmentsTest, AppendersShareASync) {
  settings_.durability = Durability::kPower;
  auto log = Open();
  const int64_t before = disk_.syncs();
  std::promise<void> entered;
  std::promise<void> go_on;
  bool first_sync = true;  // syncs are one at a time
  disk_.before_sync = [&] {
    if (!std::exchange(first_sync, false)) return;
    entered.set_value();
    go_on.get_future().wait();
  };
  std::vector<std::thread> threads;
  threads.emplace_back([&] { EXPECT_TRUE(log->Append("leader").ok()); });
  entered.get_future().wait();
  const size_t size_before = disk_.bytes(Last()).size();
  constexpr size_t kFollowers = 8;
  for (size_t i = 0; i < kFollowers; ++i) {
    threads.emplace_back([&] { EXPECT_TRUE(log->Append("follower").ok()); });
  }
  while (disk_.bytes(Last()).size() < size_before + kFollowers * 16) std::this_thread::yield();
  EXPECT_EQ(log->RecordCount(), 0);  // nothing is durable yet, so nothing is shown
  EXPECT_TRUE(All(*log).empty());
  go_on.set_value();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(log->RecordCount(), static_cast<int64_t>(kFollowers) + 1);
  EXPECT_EQ(disk_.syncs() - before, 2);
}

TEST_F(SegmentsTest, PowerLossTakesNothingThatWasAcknowledged) {
  settings_.durability = Durability::kPower;
  settings_.segment_bytes = 2000;
  std::mt19937 random(7);
  std::set<std::string> acknowledged;
  for (int round = 0; round < 30; ++round) {
    auto log = Open();
    std::mutex mutex;
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 20; ++i) {
          const std::string record = std::to_string(round) + "/" + std::to_string(t) + "/" +
                                     std::to_string(i) +
                                     std::string(static_cast<size_t>(i) * 7, '.');
          if (!log->Append(record).ok()) return;
          const std::lock_guard lock(mutex);
          acknowledged.insert(record);
        }
      });
    }
    for (auto& thread : threads) thread.join();
    // Records that were written but not yet acknowledged when the power went.
    disk_.fail_sync = true;
    EXPECT_FALSE(log->Append("never acknowledged" + std::string(random() % 500, '!')).ok());
    disk_.fail_sync = false;
    log.reset();
    disk_.LosePower(static_cast<uint32_t>(random()));
    std::set<std::string> kept;
    for (const std::string& record : All(*Open())) kept.insert(record);
    for (const std::string& record : acknowledged) ASSERT_TRUE(kept.contains(record)) << record;
  }
}

TEST_F(SegmentsTest, ProcessDurabilityDoesNotWaitForTheDisk) {
  auto log = Open();
  const int64_t before = disk_.syncs();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(log->Append("x").ok());
  EXPECT_EQ(disk_.syncs(), before);
  EXPECT_EQ(log->RecordCount(), 10);
}

TEST(Segments, OneProcessAtATime) {
  const TestFolder folder;
  base::Metrics metrics;
  auto log = Segments::Open(folder / "log", {}, "test", metrics);
  ASSERT_TRUE(log.ok()) << log.status().ToString();
  ASSERT_TRUE((*log)->Append("kept").ok());
  EXPECT_EQ(Segments::Open(folder / "log", {}, "test", metrics).status().reason(), "in_use");
  log = base::Unavailable("closed", "closed");
  log = Segments::Open(folder / "log", {}, "test", metrics);
  ASSERT_TRUE(log.ok());
  EXPECT_EQ((*log)->RecordCount(), 1);
}

TEST(Segments, SaysWhichSettingIsWrong) {
  const TestFolder folder;
  base::Metrics metrics;
  SegmentSettings settings;
  settings.max_record_bytes = 0;
  EXPECT_EQ(Segments::Open(folder.path(), settings, "test", metrics).status().field(),
            "max_record_bytes");
  settings = {};
  settings.segment_bytes = 32;
  EXPECT_EQ(Segments::Open(folder.path(), settings, "test", metrics).status().field(),
            "segment_bytes");
}

}  // namespace
}  // namespace slipway::storage
