// SPDX-License-Identifier: Apache-2.0
// A closed segment becomes a table: each tensor of a request's rows gives a column, by its name.
#include "monitoring/table_columns.h"

#include <cstring>
#include <utility>

#include "base/byte_codec.h"

namespace slipway::monitoring {
namespace {

using base::ByteReader;
using base::ByteWriter;

using inference::DataType;
using storage::ParquetType;

constexpr int64_t kMostElements = 512;  // of a row, in columns of their own
constexpr size_t kMostColumns = 5000;
constexpr size_t kMostLayouts = 1000;

std::optional<ParquetType> ColumnType(DataType type) {
  switch (type) {
    case DataType::kBool:
      return ParquetType::kBool;
    case DataType::kFp32:
      return ParquetType::kFloat;
    case DataType::kFp64:
      return ParquetType::kDouble;
    case DataType::kString:
      return ParquetType::kText;
    case DataType::kFp16:
    case DataType::kBf16:
    case DataType::kUint64:  // not every one has a 64-bit signed form
      return std::nullopt;
    default:
      return ParquetType::kInt;
  }
}

std::string Lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 'a' - 'A') : c;
  return text;
}

bool HasOnlyUtf8(const TensorView& tensor) {
  if (tensor.type != DataType::kString) return true;
  ByteReader in(tensor.bytes);
  for (int64_t i = 0; i < tensor.count; ++i) {
    if (!IsUtf8(in.Text())) return false;
  }
  return true;
}

// Booleans other than 0 and 1 would not come back as they were.
bool HasOnlyTruths(const TensorView& tensor) {
  if (tensor.type != DataType::kBool) return true;
  for (const char c : tensor.bytes) {
    if (c != 0 && c != 1) return false;
  }
  return true;
}

void PrintTensor(ByteWriter& out, const TensorLayout& layout) {
  out.Text(layout.name);
  out.Fixed(static_cast<uint8_t>(layout.type));
  out.Varint(layout.rank);
  out.Text(layout.labels);
  out.Varint(layout.columns.size());
  for (const int column : layout.columns) out.Varint(static_cast<uint64_t>(column));
}

std::string PrintLayout(const RecordLayout& layout) {
  ByteWriter out(256);
  for (const auto* tensors : {&layout.inputs, &layout.outputs}) {
    out.Varint(tensors->size());
    for (const TensorLayout& tensor : *tensors) PrintTensor(out, tensor);
  }
  return out.Take();
}

base::Status BadLayout() {
  return {base::Code::kDataLoss, "bad_record", "the table's layouts are damaged"};
}

bool ReadTensorLayout(ByteReader& in, size_t columns, TensorLayout& layout) {
  layout.name = in.Text();
  layout.type = static_cast<DataType>(in.Fixed<uint8_t>());
  layout.rank = in.Varint();
  layout.labels = in.Text();
  const uint64_t count = in.Varint();
  if (!in.ok() || layout.rank > kMaxRank || layout.type > DataType::kString ||
      count > static_cast<uint64_t>(kMostElements))
    return false;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t column = in.Varint();
    if (column < kFixedColumns || column >= columns) return false;
    layout.columns.push_back(static_cast<int>(column));
  }
  return in.ok();
}

std::optional<std::string> FromHex(std::string_view hex) {
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    const int value = digit(hex[i]) * 16 + digit(hex[i + 1]);
    if (value < 0 || value > 255) return std::nullopt;
    bytes.push_back(static_cast<char>(value));
  }
  return bytes;
}

std::string ToHex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    hex += kDigits[static_cast<uint8_t>(c) >> 4];
    hex += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return hex;
}

// Bytes that a character after its first byte `c` has; 4: none begins so.
size_t MoreBytes(uint8_t c) {
  if (c < 0x80) return 0;
  if (c < 0xC2 || c > 0xF4) return 4;
  return c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
}

// Overlong forms, surrogates, past U+10FFFF.
bool IsForbidden(uint8_t first, uint8_t second) {
  return (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
         (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
}

// Of the first character of a text that is not empty; 0: it is not UTF-8.
size_t CharacterSize(std::string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  const size_t more = MoreBytes(first);
  if (more == 4 || more >= text.size()) return 0;
  for (size_t i = 1; i <= more; ++i) {
    if ((static_cast<uint8_t>(text[i]) & 0xC0) != 0x80) return 0;
  }
  return more > 0 && IsForbidden(first, static_cast<uint8_t>(text[1])) ? 0 : more + 1;
}

// Whether the tensor's rows can lie in columns of the type at all.
bool FitsColumns(const TensorView& tensor, int64_t width) {
  return tensor.rank >= 1 && tensor.rank <= 2 && width >= 1 && width <= kMostElements &&
         HasOnlyUtf8(tensor) && HasOnlyTruths(tensor) && IsUtf8(tensor.name);
}

template <typename T>
T ElementOf(const TensorView& tensor, int64_t index) {
  T value;
  std::memcpy(&value, tensor.bytes.data() + static_cast<size_t>(index) * sizeof(T), sizeof(T));
  return value;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t size = CharacterSize(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

int64_t IntegerAt(const TensorView& tensor, int64_t index) {
  switch (tensor.type) {
    case DataType::kUint16:
      return ElementOf<uint16_t>(tensor, index);
    case DataType::kUint32:
      return ElementOf<uint32_t>(tensor, index);
    case DataType::kInt8:
      return ElementOf<int8_t>(tensor, index);
    case DataType::kInt16:
      return ElementOf<int16_t>(tensor, index);
    case DataType::kInt32:
      return ElementOf<int32_t>(tensor, index);
    case DataType::kInt64:
      return ElementOf<int64_t>(tensor, index);
    default:
      return ElementOf<uint8_t>(tensor, index);
  }
}

TableSchema::TableSchema() {
  using Type = ParquetType;
  columns_ = {
      {"id", Type::kText},        {"time", Type::kTime},          {"endpoint", Type::kText},
      {"model", Type::kText},     {"version", Type::kInt},        {"arm", Type::kText},
      {"plan_epoch", Type::kInt}, {"key", Type::kText},           {"request_id", Type::kText},
      {"protocol", Type::kText},  {"status_code", Type::kInt},    {"error", Type::kText},
      {"queue_ns", Type::kInt},   {"run_ns", Type::kInt},         {"total_ns", Type::kInt},
      {"cached", Type::kBool},    {"feature_views", Type::kText}, {"rows", Type::kInt},
      {"row", Type::kInt},        {"log_segment", Type::kInt},    {"log_offset", Type::kInt},
      {"layout", Type::kInt},     {"other", Type::kBytes}};
  CHECK(columns_.size() == kFixedColumns, "each fixed column has its number");
  for (size_t i = 0; i < columns_.size(); ++i) by_name_[columns_[i].name] = static_cast<int>(i);
}

// False: a column is there with another type. A tensor that cannot lie in columns gets none.
bool TableSchema::PlaceTensor(const TensorView& tensor, int64_t rows, const std::string& prefix,
                              std::set<int>& taken, TensorLayout& layout) {
  layout = {std::string(tensor.name), tensor.type, tensor.rank, std::string(tensor.label_bytes)};
  const auto type = ColumnType(tensor.type);
  const int64_t width = tensor.RowWidth(rows);
  if (!type || !FitsColumns(tensor, width) ||
      columns_.size() + static_cast<size_t>(width) > kMostColumns)
    return true;
  std::vector<std::pair<std::string, int>> wanted;  // -1: to be made
  for (int64_t i = 0; i < width; ++i) {
    const std::string name = prefix + layout.name + (width == 1 ? "" : "_" + std::to_string(i));
    const auto known = by_name_.find(Lower(name));
    if (known == by_name_.end()) {
      wanted.emplace_back(name, -1);
      continue;
    }
    const storage::ParquetColumn& column = columns_[static_cast<size_t>(known->second)];
    if (column.name != name || taken.contains(known->second)) return true;
    if (column.type != *type) return false;
    wanted.emplace_back(name, known->second);
  }
  for (auto& [name, column] : wanted) {
    if (column < 0) {
      column = static_cast<int>(columns_.size());
      columns_.push_back({name, *type});
      by_name_[Lower(name)] = column;
    }
    taken.insert(column);
    layout.columns.push_back(column);
  }
  return true;
}

std::optional<int> TableSchema::Place(const PredictionView& view) {
  for (const std::string_view text : {view.endpoint, view.model, view.arm, view.key,
                                      view.request_id, view.protocol, view.error}) {
    if (!IsUtf8(text)) return kWholeRecord;
  }
  RecordLayout layout;
  std::set<int> taken;
  for (const bool output : {false, true}) {
    auto& layouts = output ? layout.outputs : layout.inputs;
    for (const TensorView& tensor : output ? view.outputs : view.inputs) {
      layouts.emplace_back();
      if (!PlaceTensor(tensor, view.rows, output ? "output_" : "input_", taken, layouts.back()))
        return std::nullopt;
    }
  }
  const std::string printed = PrintLayout(layout);
  const auto known = known_.find(printed);
  if (known != known_.end()) return known->second;
  if (layouts_.size() == kMostLayouts) return kWholeRecord;
  const int number = static_cast<int>(layouts_.size());
  layouts_.push_back(std::move(layout));
  known_.emplace(printed, number);
  return number;
}

std::string TableSchema::PrintLayouts() const {
  ByteWriter out(1024);
  out.Varint(layouts_.size());
  for (const RecordLayout& layout : layouts_) out.Raw(PrintLayout(layout));
  return ToHex(out.Take());
}

base::Result<std::vector<RecordLayout>> TableSchema::ParseLayouts(std::string_view text,
                                                                  size_t columns) {
  const auto bytes = FromHex(text);
  if (!bytes) return BadLayout();
  ByteReader in(*bytes);
  const uint64_t count = in.Varint();
  if (!in.ok() || count > kMostLayouts) return BadLayout();
  std::vector<RecordLayout> layouts(count);
  for (RecordLayout& layout : layouts) {
    for (auto* tensors : {&layout.inputs, &layout.outputs}) {
      const uint64_t number = in.Varint();
      if (!in.ok() || number > kMaxTensorsInRecord) return BadLayout();
      tensors->resize(number);
      for (TensorLayout& tensor : *tensors) {
        if (!ReadTensorLayout(in, columns, tensor)) return BadLayout();
      }
    }
  }
  return layouts;
}

TableColumns::TableColumns(const TableSchema& schema, size_t rows) {
  for (const storage::ParquetColumn& column : schema.columns()) {
    Data& data = columns_.emplace_back();
    data.type = column.type;
    data.present.resize(rows);
    switch (column.type) {
      case ParquetType::kBool:
        data.bools.resize(rows);
        break;
      case ParquetType::kFloat:
        data.floats.resize(rows);
        break;
      case ParquetType::kDouble:
        data.doubles.resize(rows);
        break;
      case ParquetType::kText:
      case ParquetType::kBytes:
        data.texts.resize(rows);
        break;
      default:
        data.ints.resize(rows);
    }
  }
}

void TableColumns::Integer(int column, size_t row, int64_t value) {
  Data& data = columns_[static_cast<size_t>(column)];
  data.ints[row] = value;
  data.present[row] = 1;
}

void TableColumns::Truth(int column, size_t row, bool value) {
  Data& data = columns_[static_cast<size_t>(column)];
  data.bools[row] = value ? 1 : 0;
  data.present[row] = 1;
}

void TableColumns::Text(int column, size_t row, std::string_view value) {
  Data& data = columns_[static_cast<size_t>(column)];
  data.texts[row] = value;
  data.present[row] = 1;
}

void TableColumns::OwnText(int column, size_t row, std::string value) {
  Text(column, row, owned_.emplace_back(std::move(value)));
}

void TableColumns::Elements(const TensorLayout& layout, const TensorView& tensor, size_t first_row,
                            int64_t rows) {
  const auto width = static_cast<int64_t>(layout.columns.size());
  ByteReader texts(tensor.type == DataType::kString ? tensor.bytes : std::string_view());
  for (int64_t index = 0; index < rows * width; ++index) {
    Data& data = columns_[static_cast<size_t>(layout.columns[static_cast<size_t>(index % width)])];
    const size_t row = first_row + static_cast<size_t>(index / width);
    data.present[row] = 1;
    switch (data.type) {
      case ParquetType::kBool:
        data.bools[row] = ElementOf<uint8_t>(tensor, index);
        break;
      case ParquetType::kFloat:
        data.floats[row] = ElementOf<float>(tensor, index);
        break;
      case ParquetType::kDouble:
        data.doubles[row] = ElementOf<double>(tensor, index);
        break;
      case ParquetType::kText:
        data.texts[row] = texts.Text();
        break;
      default:
        data.ints[row] = IntegerAt(tensor, index);
    }
  }
}

std::vector<storage::ParquetValues> TableColumns::Values() const {
  std::vector<storage::ParquetValues> values;
  for (const Data& data : columns_) {
    values.push_back(
        {data.type, data.bools, data.ints, data.floats, data.doubles, data.texts, data.present});
  }
  return values;
}

}  // namespace slipway::monitoring
