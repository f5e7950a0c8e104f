// SPDX-License-Identifier: Apache-2.0
// An SQL query's walk, before it runs: what was logged since the last one becomes a file.
#include "monitoring/sql_tables.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "base/files.h"
#include "monitoring/record_table.h"
#include "storage/parquet.h"

namespace slipway::monitoring {
namespace {

using storage::ParquetType;

// More files than this make queries slow: then they are written anew as one.
constexpr size_t kMostFiles = 16;
constexpr size_t kLabelsInGroup = 16'384;

// Columns of the label log, filled one batch after the other.
struct LabelColumns {
  std::vector<std::string> endpoints, ids, requests, values;
  std::vector<int64_t> rows, times, arrived, ordinals;
  std::vector<double> numbers;
  std::vector<uint8_t> is_number, has_id, has_request;

  void Add(const LabelBatch& batch, const LabelInput& label, int64_t ordinal) {
    endpoints.push_back(batch.endpoint);
    ids.push_back(label.prediction_id);
    has_id.push_back(label.prediction_id.empty() ? 0 : 1);
    requests.push_back(label.request_id);
    has_request.push_back(label.request_id.empty() ? 0 : 1);
    rows.push_back(label.row);
    const bool* truth = std::get_if<bool>(&label.value);
    const double* number = std::get_if<double>(&label.value);
    is_number.push_back(truth != nullptr || number != nullptr ? 1 : 0);
    numbers.push_back(number != nullptr ? *number : truth != nullptr && *truth ? 1 : 0);
    const std::string* text = std::get_if<std::string>(&label.value);
    values.push_back(text != nullptr ? *text : ToJson(label.value).Dump());
    if (!IsUtf8(values.back())) values.back() = "?";
    times.push_back(label.time);
    arrived.push_back(batch.arrived);
    ordinals.push_back(ordinal);
  }
  static std::vector<storage::ParquetColumn> Schema() {
    return {{"endpoint", ParquetType::kText},   {"prediction_id", ParquetType::kText},
            {"request_id", ParquetType::kText}, {"row", ParquetType::kInt},
            {"value", ParquetType::kText},      {"value_number", ParquetType::kDouble},
            {"time", ParquetType::kTime},       {"arrived", ParquetType::kTime},
            {"ordinal", ParquetType::kInt}};
  }
  base::Status WriteTo(storage::ParquetWriter& writer) const {
    std::vector<std::vector<std::string_view>> texts;
    for (const auto* column : {&endpoints, &ids, &requests, &values})
      texts.emplace_back(column->begin(), column->end());
    const std::vector<storage::ParquetValues> columns = {
        {.type = ParquetType::kText, .texts = texts[0]},
        {.type = ParquetType::kText, .texts = texts[1], .present = has_id},
        {.type = ParquetType::kText, .texts = texts[2], .present = has_request},
        {.type = ParquetType::kInt, .ints = rows},
        {.type = ParquetType::kText, .texts = texts[3]},
        {.type = ParquetType::kDouble, .doubles = numbers, .present = is_number},
        {.type = ParquetType::kTime, .ints = times},
        {.type = ParquetType::kTime, .ints = arrived},
        {.type = ParquetType::kInt, .ints = ordinals}};
    return writer.Write(static_cast<int64_t>(rows.size()), columns);
  }
};

std::string ListOf(const std::vector<std::string>& paths) {
  std::string list;
  for (const std::string& path : paths) {
    list += list.empty() ? "'" : ", '";
    for (const char c : path) list += c == '\'' ? std::string("''") : std::string(1, c);
    list += "'";
  }
  return "[" + list + "]";
}

}  // namespace

base::Result<std::unique_ptr<SqlTables>> SqlTables::Open(RecordStore& store, const LabelLog& labels,
                                                         const std::string& folder) {
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  TRY(base::CreateDirectories(folder));
  const std::string absolute = std::filesystem::absolute(folder).lexically_normal().string();
  std::unique_ptr<SqlTables> tables(new SqlTables(store, labels, absolute));
  // So that the views have their columns before anything was logged.
  TRY(RecordTableWriter().Write(absolute + "/no-predictions.parquet"));
  auto writer =
      TRY(storage::CreateParquet(absolute + "/no-labels.parquet", LabelColumns::Schema(), {}));
  TRY(writer->Finish());
  return tables;
}

std::vector<std::string> SqlTables::Folders() const {
  std::vector<std::string> folders = {folder_};
  if (RecordArchive* archive = store_.archive()) folders.push_back(archive->LocalFolder());
  return folders;
}

std::string SqlTables::NewPath(const std::string& name) {
  return folder_ + "/" + name + "-" + std::to_string(next_file_++) + ".parquet";
}

void SqlTables::Forget(std::vector<std::string>& files) {
  std::error_code ignored;
  for (const std::string& file : files) std::filesystem::remove(file, ignored);
  files.clear();
}

base::Status SqlTables::WriteRecords(const std::vector<StoredRecord>& records) {
  std::vector<RecordTableWriter> tables;
  for (const StoredRecord& record : records) {
    bool added = false;
    for (size_t i = 0; i < tables.size() && !added; ++i) added = tables[i].Add(record);
    if (!added) CHECK(tables.emplace_back().Add(record), "an empty table takes any record");
  }
  for (RecordTableWriter& table : tables) {
    const std::string path = NewPath("predictions");
    TRY(table.Write(path));
    record_files_.push_back(path);
  }
  return base::Status::Ok();
}

base::Result<std::vector<std::string>> SqlTables::PredictionFiles() {
  if (record_files_.size() > kMostFiles) first_segment_ = 0;  // all of it once more
  std::vector<StoredRecord> records;
  std::vector<ArchivedFile> archived;
  const int64_t first =
      TRY(store_.ScanOpen(first_segment_, records_end_, archived,
                          [&](storage::RecordPosition position, std::string_view bytes) {
                            records.push_back({position, std::string(bytes)});
                            return true;
                          }));
  if (first != first_segment_) {
    Forget(record_files_);
    first_segment_ = first;
    records_end_ = {first, 0};
  }
  if (!records.empty()) {
    TRY(WriteRecords(records));
    records_end_ = storage::After(records.back().position, records.back().bytes.size());
  }
  std::vector<std::string> paths = {folder_ + "/no-predictions.parquet"};
  for (const ArchivedFile& file : archived)
    paths.push_back(TRY(store_.archive()->LocalPath(file.key)));
  paths.insert(paths.end(), record_files_.begin(), record_files_.end());
  return paths;
}

base::Status SqlTables::WriteLabels() {
  if (label_files_.size() > kMostFiles) {
    Forget(label_files_);
    labels_end_ = {};
    labels_before_ = 0;
  }
  std::unique_ptr<storage::ParquetWriter> writer;
  LabelColumns columns;
  base::Status failure;
  const auto write = [&] {
    if (writer == nullptr) {
      label_files_.push_back(NewPath("labels"));
      auto made = storage::CreateParquet(label_files_.back(), LabelColumns::Schema(), {});
      if (!made.ok()) return made.status();
      writer = std::move(made).value();
    }
    const base::Status written = columns.WriteTo(*writer);
    columns = {};
    return written;
  };
  labels_end_ = TRY(labels_.VisitFrom(labels_end_, [&](const LabelBatch& batch) {
    for (const LabelInput& label : batch.labels) columns.Add(batch, label, labels_before_++);
    if (failure.ok() && columns.rows.size() >= kLabelsInGroup) failure = write();
  }));
  if (failure.ok() && !columns.rows.empty()) failure = write();
  TRY(std::move(failure));
  return writer == nullptr ? base::Status::Ok() : writer->Finish();
}

base::Result<std::vector<std::string>> SqlTables::Views() {
  const std::lock_guard lock(mutex_);
  const std::vector<std::string> predictions = TRY(PredictionFiles());
  TRY(WriteLabels());
  std::vector<std::string> labels = {folder_ + "/no-labels.parquet"};
  labels.insert(labels.end(), label_files_.begin(), label_files_.end());
  return std::vector<std::string>{
      "CREATE TEMP VIEW predictions AS SELECT * EXCLUDE (log_segment, log_offset, layout, other), "
      "status_code = 0 AS ok FROM read_parquet(" +
          ListOf(predictions) + ", union_by_name = true)",
      "CREATE TEMP VIEW label_log AS SELECT * FROM read_parquet(" + ListOf(labels) + ")",
      "CREATE TEMP VIEW labels AS SELECT * FROM label_log WHERE prediction_id IS NOT NULL QUALIFY "
      "row_number() OVER (PARTITION BY prediction_id ORDER BY time DESC, ordinal DESC) = 1"};
}

}  // namespace slipway::monitoring
