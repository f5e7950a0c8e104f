// SPDX-License-Identifier: Apache-2.0
// A closed segment becomes tables, and a record is read out of one as if it still stood in the log.
#include "monitoring/record_table.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <numeric>
#include <utility>

#include "base/byte_codec.h"
#include "base/json.h"

namespace slipway::monitoring {
namespace {

using base::ByteReader;
using base::ByteWriter;

using inference::DataType;
using inference::NamedTensor;
using inference::Tensor;
using storage::ParquetBatch;
using storage::ParquetValues;

constexpr int64_t kRowsInGroup = 8192;
constexpr const char* kLayoutsKey = "slipway.layouts";
constexpr const char* kFormatKey = "slipway.format";
constexpr const char* kFormat = "predictions 1";
constexpr std::string_view kNoFeatureViews = "[]";

base::Status BadTable(std::string_view what) {
  return {base::Code::kDataLoss, "bad_record",
          "a table of predictions is damaged: " + std::string(what)};
}

std::string PrintFeatureViews(std::string_view encoded) {
  base::Json list = base::Json::MakeArray();
  for (const FeatureViewVersion& view : ReadFeatureViews(encoded))
    list.Append(base::Json::MakeObject({{"name", view.name}, {"version", view.version}}));
  return list.Dump();
}

base::Result<std::vector<FeatureViewVersion>> ParseFeatureViews(std::string_view text) {
  std::vector<FeatureViewVersion> views;
  const base::Json list = TRY(base::Json::Parse(text));
  if (!list.is_array()) return BadTable("feature views");
  for (const base::Json& view : list.AsArray())
    views.push_back(
        {TRY(base::RequireString(view, "name")), TRY(base::RequireInt(view, "version"))});
  return views;
}

int64_t TableRows(const PredictionView& view) { return std::max<int64_t>(1, view.rows); }

// What the columns do not hold, one after the other.
std::string OtherTensors(const PredictionView& view, const RecordLayout& layout) {
  ByteWriter out(64);
  bool any = false;
  for (const bool output : {false, true}) {
    const auto& layouts = output ? layout.outputs : layout.inputs;
    const auto& tensors = output ? view.outputs : view.inputs;
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (!layouts[i].columns.empty()) continue;
      any = true;
      for (size_t d = 0; d < tensors[i].rank; ++d)
        out.Varint(static_cast<uint64_t>(tensors[i].dimensions[d]));
      out.Text(tensors[i].bytes);
    }
  }
  return any ? out.Take() : std::string();
}

void FillFixed(const PredictionView& view, const storage::RecordPosition& position, int layout,
               size_t first, TableColumns& columns) {
  const std::string id = FormatUlid(view.id);
  const bool whole = layout == kWholeRecord;
  for (int64_t i = 0; i < TableRows(view); ++i) {
    const size_t row = first + static_cast<size_t>(i);
    columns.OwnText(kColumnId, row, FormatPredictionId(id, i, TableRows(view)));
    const std::pair<int, int64_t> numbers[] = {{kColumnTime, view.time},
                                               {kColumnVersion, view.version},
                                               {kColumnPlanEpoch, view.plan_epoch},
                                               {kColumnStatusCode, view.status_code},
                                               {kColumnQueueNs, view.queue_ns},
                                               {kColumnRunNs, view.run_ns},
                                               {kColumnTotalNs, view.total_ns},
                                               {kColumnRows, view.rows},
                                               {kColumnRow, i},
                                               {kColumnLogSegment, position.segment},
                                               {kColumnLogOffset, position.offset},
                                               {kColumnLayout, layout}};
    for (const auto& [column, value] : numbers) columns.Integer(column, row, value);
    const std::pair<int, std::string_view> texts[] = {{kColumnEndpoint, view.endpoint},
                                                      {kColumnModel, view.model},
                                                      {kColumnArm, view.arm},
                                                      {kColumnKey, view.key},
                                                      {kColumnRequestId, view.request_id},
                                                      {kColumnProtocol, view.protocol},
                                                      {kColumnError, view.error}};
    for (const auto& [column, value] : texts) {
      if (!whole || IsUtf8(value)) columns.Text(column, row, value);
    }
    columns.Truth(kColumnCached, row, view.cached);
    columns.OwnText(kColumnFeatureViews, row, PrintFeatureViews(view.feature_views));
  }
}

// One row group as records again.
class GroupReader {
 public:
  GroupReader(const ParquetBatch& batch, const std::vector<RecordLayout>& layouts)
      : batch_(batch), layouts_(layouts) {}

  base::Result<std::string> RecordAt(size_t row) const {
    const int64_t layout = Int(kColumnLayout, row);
    if (layout == kWholeRecord) return std::string(Text(kColumnOther, row));
    const int64_t rows = Int(kColumnRows, row);
    if (layout < 0 || static_cast<size_t>(layout) >= layouts_.size() || rows < 0 ||
        row + static_cast<size_t>(rows) > static_cast<size_t>(batch_.rows))
      return BadTable("a record's layout or rows");
    PredictionRecord record = FixedOf(row);
    const std::string_view views = Text(kColumnFeatureViews, row);
    if (views != kNoFeatureViews) record.feature_views = TRY(ParseFeatureViews(views));
    ByteReader other(Text(kColumnOther, row));
    for (const bool output : {false, true}) {
      const RecordLayout& known = layouts_[static_cast<size_t>(layout)];
      for (const TensorLayout& tensor : output ? known.outputs : known.inputs) {
        auto& tensors = output ? record.outputs : record.inputs;
        tensors.push_back(TRY(TensorAt(tensor, row, rows, other)));
      }
    }
    return EncodePrediction(record);
  }
  int64_t Int(int column, size_t row) const { return Column(column).ints[row]; }

 private:
  const ParquetValues& Column(int column) const {
    return batch_.columns[static_cast<size_t>(column)];
  }
  std::string_view Text(int column, size_t row) const {
    return Column(column).IsPresent(row) ? Column(column).texts[row] : std::string_view();
  }

  PredictionRecord FixedOf(size_t row) const {
    PredictionRecord record;
    record.id = Text(kColumnId, row).substr(0, Text(kColumnId, row).find('.'));
    record.time = Int(kColumnTime, row);
    record.endpoint = Text(kColumnEndpoint, row);
    record.model = Text(kColumnModel, row);
    record.version = Int(kColumnVersion, row);
    record.arm = Text(kColumnArm, row);
    record.plan_epoch = Int(kColumnPlanEpoch, row);
    record.key = Text(kColumnKey, row);
    record.request_id = Text(kColumnRequestId, row);
    record.protocol = Text(kColumnProtocol, row);
    record.rows = Int(kColumnRows, row);
    record.queue_ns = Int(kColumnQueueNs, row);
    record.run_ns = Int(kColumnRunNs, row);
    record.total_ns = Int(kColumnTotalNs, row);
    record.status_code = static_cast<int>(Int(kColumnStatusCode, row));
    record.error = Text(kColumnError, row);
    record.cached = Column(kColumnCached).bools[row] != 0;
    return record;
  }

  base::Result<NamedTensor> TensorAt(const TensorLayout& layout, size_t row, int64_t rows,
                                     ByteReader& other) const {
    NamedTensor named{layout.name, {}};
    if (layout.columns.empty()) {
      TensorView view;
      view.type = layout.type;
      view.rank = layout.rank;
      view.count = 1;
      for (size_t d = 0; d < layout.rank; ++d) {
        view.dimensions[d] = static_cast<int64_t>(other.Varint());
        if (__builtin_mul_overflow(view.count, view.dimensions[d], &view.count))
          return BadTable("a tensor's shape");
      }
      view.bytes = other.Text();
      const size_t size = static_cast<size_t>(view.count) * inference::SizeOf(view.type);
      if (!other.ok() || view.count < 0 || view.bytes.size() < size)
        return BadTable("a tensor's bytes");
      named.tensor = CopyTensor(view);
    } else {
      named.tensor = FromColumns(layout, row, rows);
    }
    if (!layout.labels.empty()) {
      TensorView view;
      view.label_bytes = layout.labels;
      auto labels = TRY(CopyColumnLabels(view));
      if (labels) named.labels = std::make_shared<const Tensor>(std::move(*labels));
    }
    return named;
  }

  Tensor FromColumns(const TensorLayout& layout, size_t row, int64_t rows) const {
    const size_t width = layout.columns.size();
    const size_t count = static_cast<size_t>(rows) * width;
    inference::Shape shape = {rows};
    if (layout.rank == 2) shape.push_back(static_cast<int64_t>(width));
    if (layout.type == DataType::kString) {
      std::vector<std::string> texts;
      texts.reserve(count);
      for (size_t i = 0; i < count; ++i)
        texts.emplace_back(Text(layout.columns[i % width], row + i / width));
      return Tensor::Strings(std::move(shape), std::move(texts));
    }
    Tensor tensor(layout.type, std::move(shape));
    const size_t size = inference::SizeOf(layout.type);
    char* out = reinterpret_cast<char*>(tensor.mutable_bytes().data());
    for (size_t i = 0; i < count; ++i) {
      const ParquetValues& column = Column(layout.columns[i % width]);
      CopyElement(column, row + i / width, size, out + i * size);
    }
    return tensor;
  }

  // Little endian: the low bytes of a wide integer are the narrow one.
  static void CopyElement(const ParquetValues& column, size_t row, size_t size, char* out) {
    switch (column.type) {
      case storage::ParquetType::kBool:
        *out = static_cast<char>(column.bools[row]);
        break;
      case storage::ParquetType::kFloat:
        std::memcpy(out, &column.floats[row], size);
        break;
      case storage::ParquetType::kDouble:
        std::memcpy(out, &column.doubles[row], size);
        break;
      default:
        std::memcpy(out, &column.ints[row], size);
    }
  }

  const ParquetBatch& batch_;
  const std::vector<RecordLayout>& layouts_;
};

class ParquetRecordTable final : public RecordTable {
 public:
  ParquetRecordTable(std::unique_ptr<storage::ParquetReader> file,
                     std::vector<RecordLayout> layouts)
      : file_(std::move(file)), layouts_(std::move(layouts)), columns_(file_->columns().size()) {
    std::iota(columns_.begin(), columns_.end(), 0);
  }

  base::Status Read(int64_t begin, int64_t end, std::vector<StoredRecord>& records) override {
    const std::lock_guard lock(mutex_);
    for (int group = 0; group < file_->groups(); ++group) {
      const auto range = file_->RangeOf(group, kColumnLogOffset);
      if (range && (range->first >= end || range->second < begin)) continue;
      // Neighbours are read one after the other: the group stays.
      if (held_group_ != group) {
        held_group_ = -1;
        held_ = TRY(file_->Read(group, columns_));
        held_group_ = group;
      }
      const GroupReader reader(held_, layouts_);
      for (size_t row = 0; row < static_cast<size_t>(held_.rows); ++row) {
        const int64_t offset = reader.Int(kColumnLogOffset, row);
        if (offset < begin || offset >= end || reader.Int(kColumnRow, row) != 0) continue;
        records.push_back(
            {{reader.Int(kColumnLogSegment, row), offset}, TRY(reader.RecordAt(row))});
      }
    }
    return base::Status::Ok();
  }

 private:
  std::mutex mutex_;
  const std::unique_ptr<storage::ParquetReader> file_;
  const std::vector<RecordLayout> layouts_;
  std::vector<int> columns_;
  ParquetBatch held_;
  int held_group_ = -1;
};

}  // namespace

bool RecordTableWriter::Add(const StoredRecord& record) {
  PredictionView view;
  CHECK(ReadPrediction(record.bytes, view).ok(), "only readable records are archived");
  const auto layout = schema_.Place(view);
  if (!layout) return false;
  entries_.push_back({&record, view.time, *layout});
  rows_ += TableRows(view);
  earliest_ = std::min(earliest_, view.time);
  latest_ = std::max(latest_, view.time);
  return true;
}

void RecordTableWriter::FillGroup(size_t begin, size_t end, TableColumns& columns) const {
  size_t row = 0;
  PredictionView view;
  for (size_t i = begin; i < end; ++i) {
    const Entry& entry = entries_[i];
    CHECK(ReadPrediction(entry.record->bytes, view).ok(), "it was readable before");
    FillFixed(view, entry.record->position, entry.layout, row, columns);
    if (entry.layout == kWholeRecord) {
      columns.Text(kColumnOther, row, entry.record->bytes);
    } else {
      const RecordLayout& layout = schema_.layouts()[static_cast<size_t>(entry.layout)];
      std::string other = OtherTensors(view, layout);
      if (!other.empty()) columns.OwnText(kColumnOther, row, std::move(other));
      for (size_t t = 0; t < view.inputs.size(); ++t)
        columns.Elements(layout.inputs[t], view.inputs[t], row,
                         layout.inputs[t].columns.empty() ? 0 : view.rows);
      for (size_t t = 0; t < view.outputs.size(); ++t)
        columns.Elements(layout.outputs[t], view.outputs[t], row,
                         layout.outputs[t].columns.empty() ? 0 : view.rows);
    }
    row += static_cast<size_t>(TableRows(view));
  }
}

base::Status RecordTableWriter::Write(const std::string& path) {
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.time, a.record->position) < std::pair(b.time, b.record->position);
  });
  auto writer = TRY(storage::CreateParquet(
      path, schema_.columns(),
      {{{kLayoutsKey, schema_.PrintLayouts()}, {kFormatKey, kFormat}}, kColumnTime, {kColumnId}}));
  PredictionView view;
  for (size_t begin = 0; begin < entries_.size();) {
    size_t end = begin;
    int64_t rows = 0;
    for (; end < entries_.size() && rows < kRowsInGroup; ++end) {
      TRY(ReadPrediction(entries_[end].record->bytes, view));
      rows += TableRows(view);
    }
    TableColumns columns(schema_, static_cast<size_t>(rows));
    FillGroup(begin, end, columns);
    TRY(writer->Write(rows, columns.Values()));
    begin = end;
  }
  return writer->Finish();
}

base::Result<std::unique_ptr<RecordTable>> RecordTable::Open(const std::string& path) {
  auto file = TRY(storage::OpenParquet(path));
  const TableSchema fixed;
  if (file->columns().size() < kFixedColumns) return BadTable(path + " lacks columns");
  for (size_t i = 0; i < kFixedColumns; ++i) {
    if (file->columns()[i].name != fixed.columns()[i].name ||
        file->columns()[i].type != fixed.columns()[i].type)
      return BadTable(path + " has no column " + fixed.columns()[i].name + " at its place");
  }
  const auto layouts = file->metadata().find(kLayoutsKey);
  const auto format = file->metadata().find(kFormatKey);
  if (layouts == file->metadata().end() || format == file->metadata().end() ||
      format->second != kFormat)
    return BadTable(path + " is not of a known format");
  auto parsed = TRY(TableSchema::ParseLayouts(layouts->second, file->columns().size()));
  return std::unique_ptr<RecordTable>(
      std::make_unique<ParquetRecordTable>(std::move(file), std::move(parsed)));
}

}  // namespace slipway::monitoring
