// SPDX-License-Identifier: Apache-2.0
// What monitoring costs a prediction of 15 features: the log append on the answering thread, and
// the counting behind it; and what a gate's comparison of versions costs.
//   monitoring_append [predictions]
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "monitoring/count_queue.h"
#include "monitoring/drift.h"
#include "monitoring/prediction_log.h"
#include "monitoring/stats.h"
#include "monitoring/window_table.h"

namespace slipway::monitoring {
namespace {

constexpr int kNumbers = 12;
constexpr int kTexts = 3;
constexpr size_t kKept = 20'000;  // for the counting
constexpr size_t kRecords = 64;   // used in turn: a record that was just answered is in the cache

PredictionRecord MakeRecord(std::mt19937& random) {
  PredictionRecord record;
  record.id = base::NewUlid(1'363'046'400'000'000);
  record.time = 1'363'046'400'000'000;
  record.endpoint = record.model = "flights";
  record.version = 1;
  record.arm = "stable";
  record.key = record.id;
  record.request_id = "request-1234";
  record.protocol = "oip_http";
  record.rows = 1;
  for (int i = 0; i < kNumbers; ++i) {
    const float value = static_cast<float>(random() % 1000) / 1000;
    record.inputs.push_back(
        {"number" + std::to_string(i), inference::Tensor::Of<float>({1, 1}, {value})});
  }
  for (int i = 0; i < kTexts; ++i) {
    const std::string text = "c" + std::to_string(random() % 15);
    record.inputs.push_back(
        {"text" + std::to_string(i), inference::Tensor::Of<std::string>({1, 1}, {text})});
  }
  const float score = static_cast<float>(random() % 1000) / 1000;
  record.outputs.push_back({"label", inference::Tensor::Of<int64_t>({1}, {0})});
  record.outputs.push_back(
      {"probabilities", inference::Tensor::Of<float>({1, 2}, {1 - score, score})});
  return record;
}

double NanosPer(int64_t start, size_t count) {
  return static_cast<double>(base::MonotonicNanos() - start) / static_cast<double>(count);
}

double TimeEncoding(const std::vector<PredictionRecord>& records, size_t count) {
  size_t bytes = 0;
  const int64_t start = base::MonotonicNanos();
  for (size_t i = 0; i < count; ++i)
    bytes += EncodePrediction(records[i % records.size()]).value().size();
  return bytes == 0 ? 0 : NanosPer(start, count);
}

double TimeReading(const std::vector<WrittenRecord>& written) {
  PredictionView view;
  size_t read = 0;
  const int64_t start = base::MonotonicNanos();
  for (const WrittenRecord& record : written)
    read += ReadPrediction(record.bytes, view).ok() ? 1 : 0;
  return read == 0 ? 0 : NanosPer(start, read);
}

base::Result<double> TimeAppend(const std::vector<PredictionRecord>& records, size_t count,
                                const std::string& folder, std::vector<WrittenRecord>& written) {
  base::Metrics metrics;
  const auto log = TRY(PredictionLog::Open(folder, {}, 500'000, metrics));
  log->Follow([&](storage::RecordPosition position, std::string bytes) {
    if (written.size() < kKept) written.push_back({position, std::move(bytes)});
  });
  const int64_t start = base::MonotonicNanos();
  for (size_t i = 0; i < count; ++i) TRY(log->Append(records[i % records.size()]));
  return NanosPer(start, count);
}

double TimeCounting(const std::vector<WrittenRecord>& written) {
  MonitorSettings settings;
  settings.baseline_rows = 1000;
  WindowTable table(settings, 0, {});
  PredictionView view;
  const auto count = [&](const WrittenRecord& record) {
    if (ReadPrediction(record.bytes, view).ok()) table.Count(view, record.bytes);
  };
  for (size_t i = 0; i < 2000 && i < written.size(); ++i) {
    count(written[i]);
    if (i == 0) table.SetBaseline("flights", 1, std::nullopt);
  }
  const int64_t start = base::MonotonicNanos();
  for (const WrittenRecord& record : written) count(record);
  return NanosPer(start, written.size());
}

// The profile of 30 numbers and the score alone: bins, fine histograms, moments, detectors.
struct ProfileTimes {
  double count_ns = 0;   // a prediction
  double report_ms = 0;  // every distance of every feature, with its p-value
};
base::Result<ProfileTimes> TimeProfile(size_t count) {
  constexpr int64_t kFeatures = 30;
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  std::vector<inference::Column> columns;
  std::vector<double> scores;
  for (int64_t i = 0; i < kFeatures; ++i) {
    std::vector<double> values;
    for (int row = 0; row < 20'000; ++row) values.push_back(normal(random));
    columns.push_back({"f" + std::to_string(i), std::move(values)});
  }
  for (int row = 0; row < 20'000; ++row)
    scores.push_back(static_cast<double>(random() % 1000) / 1000);
  VersionProfile profile(TRY(MakeBaseline(columns, scores, "bench")));
  ProfileCounts counts;
  counts.Prepare(profile.baseline(), true);
  std::vector<std::string> written;
  for (size_t i = 0; i < kRecords; ++i) {
    PredictionRecord record = MakeRecord(random);
    std::vector<float> row;
    for (int64_t feature = 0; feature < kFeatures; ++feature) row.push_back(normal(random));
    record.inputs = {{"X", inference::Tensor::Of<float>({1, kFeatures}, row)}};
    written.push_back(EncodePrediction(record).value());
  }
  std::vector<PredictionView> views(written.size());
  for (size_t i = 0; i < written.size(); ++i) TRY(ReadPrediction(written[i], views[i]));
  const int64_t start = base::MonotonicNanos();
  for (size_t i = 0; i < count; ++i) profile.Count(views[i % views.size()], {}, counts, {});
  profile.Settle();
  ProfileTimes times;
  times.count_ns = NanosPer(start, count);
  constexpr size_t kReports = 20;
  const int64_t begun = base::MonotonicNanos();
  for (size_t i = 0; i < kReports; ++i)
    MeasureDrift(profile.baseline().features, counts.features, 0.2, 0.05);
  times.report_ms = NanosPer(begun, kReports) * 1e-6;
  return times;
}

double SecondsToCompare(size_t rows, size_t models, int64_t resamples) {
  std::mt19937_64 random(1);
  std::vector<uint8_t> labels;
  std::vector<std::vector<double>> scores(models);
  for (size_t i = 0; i < rows; ++i) {
    labels.push_back(random() % 5 == 0 ? 1 : 0);
    for (auto& model : scores) model.push_back(static_cast<double>(random() % 100'000) / 1e5);
  }
  const int64_t start = base::MonotonicNanos();
  const auto result = CompareAuc(labels, scores, 0, {.resamples = resamples});
  return result.ok() ? static_cast<double>(base::MonotonicNanos() - start) * 1e-9 : -1;
}

int Run(size_t count) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("monitoring_append_" + base::RandomHex32());
  std::mt19937 random(1);
  std::vector<PredictionRecord> records;
  for (size_t i = 0; i < kRecords; ++i) records.push_back(MakeRecord(random));
  std::vector<WrittenRecord> written;
  const auto append = TimeAppend(records, count, folder.string(), written);
  std::filesystem::remove_all(folder);
  if (!append.ok()) {
    std::fprintf(stderr, "%s\n", append.status().ToString().c_str());
    return 1;
  }
  std::printf("encode   %7.0f ns a prediction\n", TimeEncoding(records, count));
  std::printf("append   %7.0f ns a prediction (encode, write, hand over; %zu bytes)\n", *append,
              written.back().bytes.size());
  std::printf("read     %7.0f ns a prediction\n", TimeReading(written));
  std::printf("count    %7.0f ns a prediction (read, bin 15 features and the score)\n",
              TimeCounting(written));
  const auto profile = TimeProfile(count);
  if (profile.ok()) {
    std::printf("profile  %7.0f ns a prediction (30 numbers and the score, read before)\n",
                profile->count_ns);
    std::printf("report   %7.2f ms a drift report of 30 features from the counters\n",
                profile->report_ms);
  }
  std::printf("compare  %7.2f s for 12500 rows, 500 resamples, 6 competitors\n",
              SecondsToCompare(12'500, 7, 500));
  return 0;
}

}  // namespace
}  // namespace slipway::monitoring

int main(int argc, char** argv) {
  const int64_t count = argc > 1 ? std::atoll(argv[1]) : 200'000;
  return slipway::monitoring::Run(static_cast<size_t>(count < 1 ? 1 : count));
}
