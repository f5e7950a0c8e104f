// SPDX-License-Identifier: Apache-2.0
// A golden set as NumPy leaves it: a zip archive of .npy files.
#include "inference/npz.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/tensor.h"

namespace slipway::inference {
namespace {

using base::InvalidArgument;
using base::Result;

constexpr uint32_t kEndOfDirectory = 0x06054b50, kDirectoryEntry = 0x02014b50, kLocal = 0x04034b50;
constexpr size_t kEndSize = 22, kEntrySize = 46, kLocalSize = 30, kMaxComment = 65535;
constexpr uint16_t kStored = 0, kDeflated = 8, kZip64Extra = 1;
constexpr size_t kMaxTextLength = 1 << 20;  // characters of one element

// Little-endian numbers of an archive, each read within its bounds.
class Bytes {
 public:
  explicit Bytes(std::string_view text) : text_(text) {}
  template <typename T>
  [[nodiscard]] std::optional<T> At(size_t place) const {
    T value{};
    if (place > text_.size() || text_.size() - place < sizeof(T)) return std::nullopt;
    std::memcpy(&value, text_.data() + place, sizeof(T));
    return value;
  }
  [[nodiscard]] std::optional<std::string_view> Slice(size_t place, size_t size) const {
    if (place > text_.size() || text_.size() - place < size) return std::nullopt;
    return text_.substr(place, size);
  }
  [[nodiscard]] size_t size() const { return text_.size(); }

 private:
  std::string_view text_;
};

struct Entry {
  std::string name;
  uint16_t method = 0;
  uint64_t packed = 0;
  uint64_t size = 0;
  uint64_t local = 0;  // where its local header begins
};

base::Status NoArchive(const std::string& why) {
  return InvalidArgument("npz", "not an archive of arrays: " + why);
}

Result<size_t> FindEnd(const Bytes& archive) {
  if (archive.size() < kEndSize) return NoArchive("too short");
  const size_t first = archive.size() - kEndSize;
  const size_t last = first > kMaxComment ? first - kMaxComment : 0;
  for (size_t at = first;; --at) {
    if (archive.At<uint32_t>(at) == kEndOfDirectory) return at;
    if (at == last) return NoArchive("it has no directory");
  }
}

// Sizes that do not fit 32 bits stand in an extra field.
void ReadZip64(std::string_view extra, Entry& entry) {
  const Bytes bytes(extra);
  for (size_t at = 0; at + 4 <= extra.size();) {
    const uint16_t id = *bytes.At<uint16_t>(at), size = *bytes.At<uint16_t>(at + 2);
    if (id == kZip64Extra) {
      size_t place = at + 4;
      constexpr uint64_t kMark = std::numeric_limits<uint32_t>::max();
      for (uint64_t* field : {&entry.size, &entry.packed, &entry.local}) {
        if (*field != kMark) continue;
        if (const auto value = bytes.At<uint64_t>(place)) *field = *value;
        place += 8;
      }
      return;
    }
    at += 4 + size_t{size};
  }
}

Result<std::vector<Entry>> ReadDirectory(const Bytes& archive) {
  const size_t end = TRY(FindEnd(archive));
  const size_t count = *archive.At<uint16_t>(end + 10);
  if (count > kMaxNpzArrays)
    return NoArchive("more than " + std::to_string(kMaxNpzArrays) + " arrays");
  size_t at = *archive.At<uint32_t>(end + 16);
  std::vector<Entry> entries;
  for (size_t i = 0; i < count; ++i) {
    if (archive.At<uint32_t>(at) != kDirectoryEntry || !archive.Slice(at, kEntrySize))
      return NoArchive("its directory is broken");
    Entry entry;
    entry.method = *archive.At<uint16_t>(at + 10);
    entry.packed = *archive.At<uint32_t>(at + 20);
    entry.size = *archive.At<uint32_t>(at + 24);
    entry.local = *archive.At<uint32_t>(at + 42);
    const size_t name = *archive.At<uint16_t>(at + 28), extra = *archive.At<uint16_t>(at + 30);
    const auto text = archive.Slice(at + kEntrySize, name + extra);
    if (!text) return NoArchive("its directory is broken");
    entry.name = text->substr(0, name);
    ReadZip64(text->substr(name), entry);
    if (entry.name.ends_with(".npy")) entry.name.resize(entry.name.size() - 4);
    entries.push_back(std::move(entry));
    at += kEntrySize + name + extra + *archive.At<uint16_t>(at + 32);
  }
  return entries;
}

Result<std::string> Inflate(std::string_view packed, size_t size, const std::string& name) {
  std::string out(size, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return base::Internal("zlib", "does not start");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = inflate(&stream, Z_FINISH);
  const bool whole = result == Z_STREAM_END && stream.total_out == size;
  inflateEnd(&stream);
  if (!whole) return InvalidArgument(name, "its compressed bytes are broken");
  return out;
}

Result<std::string> Unpack(const Bytes& archive, const Entry& entry) {
  const auto broken = [&] { return InvalidArgument(entry.name, "its bytes are not all there"); };
  if (archive.At<uint32_t>(entry.local) != kLocal || !archive.Slice(entry.local, kLocalSize))
    return broken();
  const size_t skip = kLocalSize + *archive.At<uint16_t>(entry.local + 26) +
                      *archive.At<uint16_t>(entry.local + 28);
  const auto packed = archive.Slice(entry.local + skip, entry.packed);
  if (!packed) return broken();
  if (entry.method == kDeflated) return Inflate(*packed, entry.size, entry.name);
  if (entry.method != kStored)
    return InvalidArgument(entry.name, "is compressed in a way that NumPy does not use");
  return std::string(*packed);
}

// What a .npy file's header says: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
struct Header {
  std::string descr;
  bool fortran = false;
  Shape shape;
  std::string_view data;
};

std::string_view After(std::string_view text, std::string_view key) {
  const size_t at = text.find(key);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + key.size());
  text.remove_prefix(std::min(text.find_first_not_of(" :"), text.size()));
  return text;
}

bool ReadShape(std::string_view text, Shape& shape) {
  if (!text.starts_with('(')) return false;
  text = text.substr(1, text.find(')') - 1);
  while (!text.empty()) {
    text.remove_prefix(std::min(text.find_first_not_of(" ,"), text.size()));
    if (text.empty()) break;
    int64_t size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    if (error != std::errc() || size < 0 || shape.size() == 32) return false;
    shape.push_back(size);
    text.remove_prefix(static_cast<size_t>(end - text.data()));
  }
  return true;
}

Result<Header> ReadHeader(std::string_view file, const std::string& name) {
  const auto wrong = [&](const std::string& why) {
    return InvalidArgument(name, "not a NumPy array: " + why);
  };
  const Bytes bytes(file);
  if (!file.starts_with("\x93NUMPY") || file.size() < 12) return wrong("it begins otherwise");
  const bool first = file[6] == 1;
  const size_t begin = first ? 10 : 12;
  const size_t size = first ? *bytes.At<uint16_t>(8) : *bytes.At<uint32_t>(8);
  const auto text = bytes.Slice(begin, size);
  if (!text) return wrong("its header is cut off");
  Header header;
  std::string_view descr = After(*text, "'descr'");
  if (!descr.starts_with('\'')) return wrong("records are not read");
  descr.remove_prefix(1);
  header.descr = descr.substr(0, descr.find('\''));
  header.fortran = After(*text, "'fortran_order'").starts_with("True");
  if (!ReadShape(After(*text, "'shape'"), header.shape)) return wrong("it has no shape");
  header.data = file.substr(begin + size);
  return header;
}

struct TypeRow {
  std::string_view descr;
  DataType type;
};
constexpr TypeRow kTypes[] = {
    {"|b1", DataType::kBool},   {"|u1", DataType::kUint8},  {"<u2", DataType::kUint16},
    {"<u4", DataType::kUint32}, {"<u8", DataType::kUint64}, {"|i1", DataType::kInt8},
    {"<i2", DataType::kInt16},  {"<i4", DataType::kInt32},  {"<i8", DataType::kInt64},
    {"<f2", DataType::kFp16},   {"<f4", DataType::kFp32},   {"<f8", DataType::kFp64}};

// Where element `index` of a row-major array of this shape lies in a column-major one.
size_t FortranPlace(const Shape& shape, int64_t index) {
  int64_t place = 0, stride = 1;
  std::vector<int64_t> at(shape.size());
  for (size_t d = shape.size(); d-- > 0;) {
    at[d] = index % shape[d];
    index /= shape[d];
  }
  for (size_t d = 0; d < shape.size(); ++d) {
    place += at[d] * stride;
    stride *= shape[d];
  }
  return static_cast<size_t>(place);
}

void AppendUtf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 63));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 63));
    out += static_cast<char>(0x80 | (code & 63));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 63));
    out += static_cast<char>(0x80 | ((code >> 6) & 63));
    out += static_cast<char>(0x80 | (code & 63));
  }
}

// One element of fixed size, padded with zeros: bytes, or UTF-32.
std::string TextOf(std::string_view element, bool wide) {
  if (!wide) return std::string(element.substr(0, element.find_last_not_of('\0') + 1));
  std::string out;
  for (size_t i = 0; i + 4 <= element.size(); i += 4) {
    uint32_t code = 0;
    std::memcpy(&code, element.data() + i, 4);
    if (code == 0 && element.find_first_not_of('\0', i) == std::string_view::npos) break;
    AppendUtf8(out, code);
  }
  return out;
}

Result<Tensor> Texts(const Header& header, int64_t count, const std::string& name) {
  const bool wide = header.descr.starts_with("<U");
  size_t length = 0;
  const char* end = header.descr.data() + header.descr.size();
  const auto [stop, error] = std::from_chars(header.descr.data() + 2, end, length);
  if (error != std::errc() || stop != end || length > kMaxTextLength)
    return InvalidArgument(name, "is of type " + header.descr + ", which is not read");
  const size_t size = wide ? length * 4 : length;
  if (header.data.size() < static_cast<size_t>(count) * size)
    return InvalidArgument(name, "its bytes are not all there");
  std::vector<std::string> values;
  for (int64_t i = 0; i < count; ++i) {
    const size_t place = header.fortran ? FortranPlace(header.shape, i) : static_cast<size_t>(i);
    values.push_back(TextOf(header.data.substr(place * size, size), wide));
  }
  return Tensor::Strings(header.shape, std::move(values));
}

Result<Tensor> Numbers(const Header& header, DataType type, int64_t count,
                       const std::string& name) {
  const size_t size = SizeOf(type);
  if (header.data.size() < static_cast<size_t>(count) * size)
    return InvalidArgument(name, "its bytes are not all there");
  Tensor tensor(type, header.shape);
  std::byte* out = tensor.mutable_bytes().data();
  if (!header.fortran || header.shape.size() < 2) {
    if (count > 0) std::memcpy(out, header.data.data(), static_cast<size_t>(count) * size);
    return tensor;
  }
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(out + static_cast<size_t>(i) * size,
                header.data.data() + FortranPlace(header.shape, i) * size, size);
  }
  return tensor;
}

Result<Tensor> ArrayOf(std::string_view file, const std::string& name) {
  const Header header = TRY(ReadHeader(file, name));
  const auto count = ElementCount(header.shape);
  if (!count.ok() || static_cast<size_t>(*count) > kMaxNpzBytes)
    return InvalidArgument(name, "is too large");
  const auto row = std::ranges::find(kTypes, header.descr, &TypeRow::descr);
  if (row != std::end(kTypes)) return Numbers(header, row->type, *count, name);
  if (header.descr.starts_with("<U") || header.descr.starts_with("|S"))
    return Texts(header, *count, name);
  return InvalidArgument(name, "is of type " + header.descr +
                                   ", which is not read: numbers (little-endian), bool, text, "
                                   "bytes; objects are not");
}

}  // namespace

Result<std::vector<NamedTensor>> ReadNpz(std::string_view archive) {
  const Bytes bytes(archive);
  const std::vector<Entry> entries = TRY(ReadDirectory(bytes));
  std::vector<NamedTensor> arrays;
  size_t total = 0;
  for (const Entry& entry : entries) {
    if (entry.size > kMaxNpzBytes - total || entry.packed > archive.size()) {
      return InvalidArgument(
          "npz", "its arrays are larger than " + std::to_string(kMaxNpzBytes) + " bytes together");
    }
    total += entry.size;
    const std::string file = TRY(Unpack(bytes, entry));
    arrays.push_back({entry.name, TRY(ArrayOf(file, entry.name))});
  }
  return arrays;
}

}  // namespace slipway::inference
