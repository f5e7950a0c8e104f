// SPDX-License-Identifier: Apache-2.0
// What the prediction log's second form costs and gives: append by durability, archiving, one
// prediction by id, and SQL over all of it.
//   prediction_archive [rows]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "monitoring/prediction_log.h"
#include "monitoring/record_codec.h"
#include "monitoring/record_store.h"
#include "monitoring/sql_engine.h"
#include "monitoring/sql_tables.h"
#include "storage/blobs_file.h"

namespace slipway::monitoring {
namespace {

constexpr int kFeatures = 15;
constexpr base::Micros kStart = 1'363'046'400'000'000;

PredictionRecord MakeRecord(std::mt19937_64& random, int64_t number) {
  PredictionRecord record;
  record.time = kStart + number * 50'000;
  record.id = FormatUlid({static_cast<uint64_t>(number), random()});
  record.endpoint = record.model = "flights";
  record.version = 1 + number % 2;
  record.arm = "stable";
  record.key = "k" + std::to_string(random() % 100'000);
  record.protocol = "oip_http";
  record.rows = 1;
  record.queue_ns = static_cast<int64_t>(random() % 1000);
  record.run_ns = static_cast<int64_t>(random() % 100'000);
  record.total_ns = record.run_ns + record.queue_ns + 1000;
  for (int i = 0; i < kFeatures; ++i) {
    const float value = static_cast<float>(random() % 100'000) / 1000;
    record.inputs.push_back({"x" + std::to_string(i), inference::Tensor::Of<float>({1}, {value})});
  }
  record.outputs.push_back(
      {"score", inference::Tensor::Of<float>({1}, {static_cast<float>(random() % 1000) / 1000})});
  return record;
}

double Seconds(int64_t start) { return static_cast<double>(base::MonotonicNanos() - start) * 1e-9; }

base::Status Fill(PredictionLog& log, int64_t rows, std::vector<std::string>& ids) {
  std::mt19937_64 random(1);
  int64_t spent = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const PredictionRecord record = MakeRecord(random, i);
    if (i % 997 == 0) ids.push_back(record.id);
    const int64_t start = base::MonotonicNanos();
    TRY(log.Append(record));
    spent += base::MonotonicNanos() - start;
  }
  std::printf("append, process: %.0f records/s (one writer, encoding and index included)\n",
              static_cast<double>(rows) / (static_cast<double>(spent) * 1e-9));
  return base::Status::Ok();
}

base::Status TimePower(const std::string& folder) {
  base::Metrics metrics;
  storage::SegmentSettings settings;
  settings.durability = storage::Durability::kPower;
  const auto log = TRY(PredictionLog::Open(folder, settings, 1000, metrics));
  constexpr int kThreads = 64;
  constexpr int kEach = 500;
  std::vector<std::thread> threads;
  const int64_t start = base::MonotonicNanos();
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(static_cast<uint64_t>(t));
      for (int i = 0; i < kEach; ++i) (void)log->Append(MakeRecord(random, t * kEach + i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::printf("append, power: %.0f records/s (%d threads, one record each at a time)\n",
              kThreads * kEach / Seconds(start), kThreads);
  return base::Status::Ok();
}

base::Status TimeIds(const PredictionLog& log, const std::vector<std::string>& ids) {
  std::mt19937_64 random(2);
  std::vector<double> took;
  for (int i = 0; i < 200; ++i) {
    const int64_t start = base::MonotonicNanos();
    TRY(log.Get(ids[random() % ids.size()]));
    took.push_back(Seconds(start) * 1000);
  }
  std::sort(took.begin(), took.end());
  std::printf("one by id: p50 %.2f ms, p99 %.2f ms, worst %.2f ms\n", took[100], took[197],
              took[199]);
  return base::Status::Ok();
}

base::Status TimeSql(SqlEngine& engine, SqlTables& tables) {
  const char* const queries[] = {
      "SELECT count(*), avg(total_ns), quantile_cont(total_ns, 0.99) FROM predictions",
      "SELECT approx_quantile(total_ns, 0.99) FROM predictions",
      "SELECT version, count(*), avg(output_score) FROM predictions WHERE input_x3 > 50 GROUP BY "
      "1"};
  for (const char* query : queries) {
    std::vector<double> took;
    for (int i = 0; i < 5; ++i) {
      const int64_t start = base::MonotonicNanos();
      TRY(engine.Query(TRY(tables.Views()), query, 100));
      took.push_back(Seconds(start) * 1000);
    }
    std::sort(took.begin(), took.end());
    std::printf("sql: first %.0f, median %.0f ms: %s\n", took.back(), took[2], query);
  }
  return base::Status::Ok();
}

base::Status Run(const std::string& folder, int64_t rows) {
  base::Metrics metrics;
  const auto blobs = TRY(storage::OpenFileBlobs(folder + "/archive"));
  const auto log =
      TRY(PredictionLog::Open(folder + "/predictions", {}, 100'000, metrics, blobs.get()));
  const auto labels = TRY(LabelLog::Open(folder + "/labels", {}, metrics));
  std::vector<std::string> ids;
  TRY(Fill(*log, rows, ids));
  TRY(TimePower(folder + "/power"));
  const int64_t start = base::MonotonicNanos();
  while (TRY(log->store().ArchiveOldest())) {
  }
  int64_t archived = 0;
  int64_t bytes = 0;
  for (const ArchivedFile& file : log->store().archive()->Files()) {
    archived += file.rows;
    bytes += file.size_bytes;
  }
  std::printf("archive: %.0f rows/s, read back and compared; %lld rows, %.0f bytes a row\n",
              static_cast<double>(archived) / Seconds(start), static_cast<long long>(archived),
              static_cast<double>(bytes) / static_cast<double>(std::max<int64_t>(1, archived)));
  TRY(TimeIds(*log, ids));
  const auto tables = TRY(SqlTables::Open(log->store(), *labels, folder + "/sql"));
  const auto engine = TRY(SqlEngine::Open(tables->Folders(), {60'000, 2048, 2}));
  return TimeSql(*engine, *tables);
}

}  // namespace
}  // namespace slipway::monitoring

int main(int argc, char** argv) {
  const int64_t rows = argc > 1 ? std::atoll(argv[1]) : 1'000'000;
  const std::string folder = (std::filesystem::temp_directory_path() /
                              ("prediction_archive_" + slipway::base::RandomHex32()))
                                 .string();
  const auto status = slipway::monitoring::Run(folder, std::max<int64_t>(rows, 1000));
  std::filesystem::remove_all(folder);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
