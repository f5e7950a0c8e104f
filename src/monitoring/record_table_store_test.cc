// SPDX-License-Identifier: Apache-2.0
// Closed segments as Parquet: every record comes back byte for byte, a restart gives the same, and
// pandas reads the columns ($SLIPWAY_PYTHON).
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>

#include "base/files.h"
#include "monitoring/prediction_log.h"
#include "monitoring/record_archive.h"
#include "monitoring/record_codec.h"
#include "monitoring/record_store.h"
#include "monitoring/records_testing.h"
#include "storage/blobs_file.h"
#include "storage/folder_testing.h"

namespace slipway::monitoring {
namespace {

using inference::Tensor;

std::string Encoded(const PredictionRecord& record) { return EncodePrediction(record).value(); }

std::vector<StoredRecord> ManyKinds() {
  std::vector<StoredRecord> records;
  const auto add = [&](const PredictionRecord& record) {
    const auto offset = static_cast<int64_t>(32 + 100 * records.size());
    records.push_back({{1, offset}, Encoded(record)});
  };
  add(TestRecord(1, 3 * base::kDay, 0.5F));
  add(TestRecord(2, 3 * base::kDay - 1, {0.1F, 0.2F}, {1, 2}, {"EWR", "JFK"}));
  PredictionRecord failed = TestRecord(3, 3 * base::kDay + 7, 0.5F);
  failed.outputs.clear();
  failed.status_code = 14;
  failed.error = "x: y";
  failed.rows = 0;
  add(failed);
  PredictionRecord odd = TestRecord(4, base::kDay, 0.5F);
  odd.key = "not \xff UTF-8";
  add(odd);
  PredictionRecord types = TestRecord(5, 3 * base::kDay + 9, 0.5F);
  types.inputs = {{"b", Tensor::Of<bool>({1}, {true})},
                  {"B", Tensor::Of<int8_t>({1, 1}, {-7})},
                  {"u", Tensor::Of<uint64_t>({1}, {~uint64_t{0}})},
                  {"wide", Tensor::Of<double>({1, 3}, {1, std::nan(""), -3})},
                  {"wide_1", Tensor::Of<double>({1}, {5})},
                  {"image", Tensor::Of<uint8_t>({1, 2, 2}, {1, 2, 3, 4})},
                  {"bytes", Tensor::Of<std::string>({1}, {std::string("\xfe\0", 2)})},
                  {"scalar", Tensor::Of<int64_t>({}, {42})}};
  types.feature_views = {{"weather", 3}, {"carrier", 12}};
  types.cached = true;
  add(types);
  PredictionRecord other_type = TestRecord(6, 3 * base::kDay, 0.5F);
  other_type.inputs[0].tensor = Tensor::Of<double>({1}, {0.25});
  add(other_type);
  return records;
}

TEST(RecordTable, GivesBackEveryRecordByteForByte) {
  const storage::TestFolder folder;
  const std::vector<StoredRecord> records = ManyKinds();
  std::vector<RecordTableWriter> tables(2);
  for (const StoredRecord& record : records) {
    if (!tables[0].Add(record)) {
      ASSERT_TRUE(tables[1].Add(record));
    }
  }
  EXPECT_EQ(tables[1].records(), 1) << "x is FP32 in one and FP64 in the other";
  std::map<int64_t, std::string> read;
  for (size_t i = 0; i < 2; ++i) {
    const std::string path = folder / ("t" + std::to_string(i));
    const base::Status written = tables[i].Write(path);
    ASSERT_TRUE(written.ok()) << written.ToString();
    const auto table = RecordTable::Open(path);
    ASSERT_TRUE(table.ok()) << table.status().ToString();
    std::vector<StoredRecord> found;
    ASSERT_TRUE((*table)->Read(0, 1000, found).ok());
    for (const StoredRecord& record : found) read[record.position.offset] = record.bytes;
  }
  ASSERT_EQ(read.size(), records.size());
  for (const StoredRecord& record : records)
    EXPECT_EQ(read[record.position.offset], record.bytes) << record.position.offset;
}

class Archive : public ::testing::Test {
 protected:
  void Open() {
    log_.reset();
    blobs_ = storage::OpenFileBlobs(folder_ / "archive").value();
    storage::SegmentSettings settings;
    settings.segment_bytes = 20'000;
    auto opened =
        PredictionLog::Open(folder_ / "predictions", settings, 50, metrics_, blobs_.get());
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    log_ = std::move(*opened);
    loaded_.clear();
    const base::Status loaded = log_->LoadIndex(
        [&](std::string_view bytes, const PredictionView&) { loaded_.emplace_back(bytes); });
    ASSERT_TRUE(loaded.ok()) << loaded.ToString();
  }
  void ArchiveAll() {
    while (true) {
      const auto more = log_->store().ArchiveOldest();
      ASSERT_TRUE(more.ok()) << more.status().ToString();
      if (!*more) break;
    }
  }
  std::vector<std::string> Ids(const PredictionFilter& filter) const {
    std::vector<std::string> ids;
    PredictionFilter page_of = filter;
    do {
      const PredictionPage page = log_->List(page_of).value();
      for (const LoggedPrediction& found : page.predictions) ids.push_back(found.id);
      page_of.page_token = page.next_page_token;
    } while (!page_of.page_token.empty());
    return ids;
  }

  storage::TestFolder folder_;
  base::Metrics metrics_;
  std::unique_ptr<storage::Blobs> blobs_;
  std::unique_ptr<PredictionLog> log_;
  std::vector<std::string> loaded_;
};

TEST_F(Archive, BothFormsAreOneLogAlsoAfterARestart) {
  Open();
  std::vector<std::string> bytes;
  for (uint64_t i = 0; i < 600; ++i) {
    PredictionRecord record = TestRecord(i, static_cast<base::Micros>(i) * 5 * base::kMinute, 0.5F,
                                         static_cast<float>(i));
    record.endpoint = i % 3 == 0 ? "a b/c" : "flights";
    record.request_id = "r" + std::to_string(i);
    ASSERT_TRUE(log_->Append(record).ok());
    bytes.push_back(Encoded(record));
  }
  const std::vector<std::string> before = Ids({.endpoint = "flights", .limit = 7});
  ArchiveAll();
  EXPECT_FALSE(std::filesystem::exists(folder_ / "predictions/00000001.seg"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "archive/flights/1970-01-02"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "archive/a%20b%2Fc/1970-01-01"));
  EXPECT_EQ(before.size(), 400U);
  EXPECT_EQ(Ids({.endpoint = "flights", .limit = 7}), before);
  EXPECT_EQ(log_->GetBytes(TestUlid(17)).value(), bytes[17]);
  EXPECT_EQ(log_->GetBytes(TestUlid(599)).value(), bytes[599]);
  Open();
  EXPECT_EQ(loaded_, bytes) << "all records, in the order of the log";
  EXPECT_EQ(Ids({.endpoint = "flights", .limit = 7}), before);
  EXPECT_EQ(log_->GetBytes(TestUlid(18)).value(), bytes[18]);
}

TEST_F(Archive, WhatACrashLeftBetweenTheStepsIsDoneAgain) {
  Open();
  for (uint64_t i = 0; i < 200; ++i)
    ASSERT_TRUE(log_->Append(TestRecord(i, static_cast<base::Micros>(i), 0.5F)).ok());
  const std::string segment = folder_ / "predictions/00000001.seg";
  const std::string kept = folder_ / "kept";
  std::filesystem::copy_file(segment, kept);
  ASSERT_TRUE(log_->store().ArchiveOldest().value());
  // The note was written, the segment not yet dropped.
  log_.reset();
  std::filesystem::copy_file(kept, segment);
  Open();
  EXPECT_EQ(loaded_.size(), 200U);
  ASSERT_TRUE(log_->store().ArchiveOldest().value());
  EXPECT_FALSE(std::filesystem::exists(segment));
  // The files were published, the note not yet written.
  log_.reset();
  std::filesystem::copy_file(kept, segment);
  std::filesystem::remove(folder_ / "predictions/archived/1.json");
  Open();
  EXPECT_EQ(loaded_.size(), 200U);
  ArchiveAll();
  Open();
  EXPECT_EQ(loaded_.size(), 200U);
}

TEST_F(Archive, PandasReadsTheColumns) {
  Open();
  for (uint64_t i = 0; i < 300; ++i) {
    const auto time = static_cast<base::Micros>(i) * base::kSecond;
    ASSERT_TRUE(
        log_->Append(TestRecord(i, time, {0.1F, 0.2F}, {static_cast<float>(i), 2}, {"EWR", "JFK"}))
            .ok());
  }
  ArchiveAll();
  std::ofstream(folder_ / "read.py") << R"(
import pandas as pd
t = pd.read_parquet("archive").sort_values(["time", "row"]).reset_index(drop=True)
assert len(t) > 100, len(t)
assert t["input_x"].dtype == "float32" and t["input_x"][2] == 1.0, t["input_x"]
assert list(t["input_place"][:2]) == ["EWR", "JFK"]
assert abs(t["output_probabilities_1"][1] - 0.2) < 1e-6
assert t["id"][1].endswith(".1") and t["endpoint"][0] == "flights"
assert str(t["time"].dt.tz) == "UTC" and t["time"].is_monotonic_increasing
)";
  const char* python = std::getenv("SLIPWAY_PYTHON");
  const std::string command = "cd " + folder_.path() + " && timeout 60 " +
                              (python == nullptr ? "python3" : python) + " read.py > out.txt 2>&1";
  const int status = std::system(command.c_str());
  EXPECT_EQ(status, 0) << base::ReadFile(folder_ / "out.txt", 10'000).value();
}

TEST_F(Archive, RemovedFilesAreGoneFromBothTheNotesAndTheStore) {
  Open();
  for (uint64_t i = 0; i < 400; ++i)
    ASSERT_TRUE(log_->Append(TestRecord(i, static_cast<base::Micros>(i) * base::kHour, 0.5F)).ok());
  ArchiveAll();
  const std::vector<ArchivedFile> files = log_->store().archive()->Files();
  ASSERT_GT(files.size(), 2U);
  ASSERT_TRUE(log_->store().archive()->Remove({files[0]}).ok());
  EXPECT_FALSE(std::filesystem::exists(blobs_->UriOf(files[0].key)));
  EXPECT_EQ(log_->GetBytes(TestUlid(0)).status().code(), base::Code::kNotFound);
  Open();
  EXPECT_EQ(static_cast<int64_t>(loaded_.size()), 400 - files[0].rows);
}

}  // namespace
}  // namespace slipway::monitoring
