// SPDX-License-Identifier: Apache-2.0
// Little-endian fields, LEB128 numbers and length-prefixed text, appended to and read from bytes.
// Value types.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace slipway::base {

static_assert(std::endian::native == std::endian::little, "the formats are little-endian");

class ByteWriter {
 public:
  explicit ByteWriter(size_t expected_bytes) { bytes_.resize(expected_bytes + kMostFixed); }
  template <typename T>
  void Fixed(T value) {
    MakeRoom(sizeof(T));
    std::memcpy(bytes_.data() + size_, &value, sizeof(T));
    size_ += sizeof(T);
  }
  void Varint(uint64_t value) {
    MakeRoom(kMostFixed);
    while (value >= 0x80) {
      bytes_[size_++] = static_cast<char>(value | 0x80);
      value >>= 7;
    }
    bytes_[size_++] = static_cast<char>(value);
  }
  void Signed(int64_t value) {  // zigzag
    Varint((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
  }
  void Text(std::string_view text) {
    Varint(text.size());
    Raw(text);
  }
  void Raw(std::string_view raw) {
    MakeRoom(raw.size());
    if (!raw.empty()) std::memcpy(bytes_.data() + size_, raw.data(), raw.size());
    size_ += raw.size();
  }
  std::string Take() {
    bytes_.resize(size_);
    return std::move(bytes_);
  }

 private:
  static constexpr size_t kMostFixed = 16;  // a varint has at most 10 bytes
  void MakeRoom(size_t more) {
    if (size_ + more > bytes_.size()) bytes_.resize(2 * bytes_.size() + more);
  }

  std::string bytes_;
  size_t size_ = 0;
};

// Past the end or on a malformed number every read gives zero or empty and ok() is false from then
// on.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}
  bool ok() const { return ok_; }
  bool AtEnd() const { return at_ == end_; }
  std::string_view Rest() const { return {at_, remaining()}; }
  size_t remaining() const { return static_cast<size_t>(end_ - at_); }

  template <typename T>
  T Fixed() {
    T value{};
    if (sizeof(T) > remaining()) return Fail(), value;
    std::memcpy(&value, at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  uint64_t Varint() {
    // Almost every number is one byte.
    if (at_ != end_ && static_cast<uint8_t>(*at_) < 0x80) return static_cast<uint8_t>(*at_++);
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = Fixed<uint8_t>();
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    Fail();
    return 0;
  }
  int64_t Signed() {
    const uint64_t value = Varint();
    return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
  }
  std::string_view Text() { return Raw(Varint()); }
  std::string_view Raw(uint64_t size) {
    if (size > remaining()) return Fail(), std::string_view();
    const std::string_view raw(at_, size);
    at_ += size;
    return raw;
  }

 private:
  void Fail() {
    ok_ = false;
    at_ = end_;
  }
  const char* at_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace slipway::base
