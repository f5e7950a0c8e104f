// SPDX-License-Identifier: Apache-2.0
// Bytes of a run-*.wandb file to records, and records to fields.
#include "transfer/wandb_log.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace slipway::transfer {
namespace {

constexpr std::string_view kStart("\x3aW&B\xe1\xbe\x00", 7);
constexpr size_t kBlock = 32 * 1024;
constexpr size_t kFragmentHead = 7;
enum Fragment : uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

// CRC-32 of IEEE, as zlib computes it.
uint32_t Crc32(std::string_view bytes) {
  static const auto kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit)
        value = (value & 1U) != 0 ? 0xEDB88320U ^ (value >> 1U) : value >> 1U;
      table[i] = value;
    }
    return table;
  }();
  uint32_t crc = 0xFFFFFFFFU;
  for (const char c : bytes)
    crc = kTable[(crc ^ static_cast<unsigned char>(c)) & 0xFFU] ^ (crc >> 8U);
  return ~crc;
}

uint64_t LittleEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;)
    value = (value << 8U) | static_cast<unsigned char>(bytes[i]);
  return value;
}

class Fragments {
 public:
  explicit Fragments(std::string_view bytes) : bytes_(bytes) {}

  WandbRecords Read() {
    size_t at = kStart.size();
    while (at < bytes_.size()) {
      const size_t left = kBlock - at % kBlock;
      if (left < kFragmentHead) {  // filled with zeros
        at += left;
        continue;
      }
      if (bytes_.size() - at < kFragmentHead) break;
      const size_t length = LittleEndian(bytes_.substr(at + 4, 2));
      const auto type = static_cast<uint8_t>(bytes_[at + 6]);
      const bool fits = length + kFragmentHead <= left;
      if (fits && at + kFragmentHead + length > bytes_.size()) break;
      const bool whole =
          fits && type >= kFull && type <= kLast &&
          Crc32(bytes_.substr(at + 6, length + 1)) == LittleEndian(bytes_.substr(at, 4));
      if (!whole) {
        ++result_.damaged_blocks;
        open_ = false;
        at += left;
        continue;
      }
      Take(type, bytes_.substr(at + kFragmentHead, length));
      at += kFragmentHead + length;
    }
    result_.cut_off = at < bytes_.size() || open_;
    return std::move(result_);
  }

 private:
  void Take(uint8_t type, std::string_view part) {
    if (type == kFull || type == kFirst) record_.clear();
    const bool begins = type == kFull || type == kFirst;
    if (!begins && !open_) return;  // its beginning was damaged
    record_ += part;
    open_ = type == kFirst || type == kMiddle;
    if (!open_) result_.records.push_back(record_);
  }

  const std::string_view bytes_;
  WandbRecords result_;
  std::string record_;
  bool open_ = false;
};

base::Status BadMessage(const char* what) {
  return base::InvalidArgument("", std::string("a record is no protobuf message: ") + what,
                               "bad_message");
}

base::Result<uint64_t> Varint(std::string_view& rest) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7FU) << shift;
    if ((byte & 0x80U) == 0) return value;
  }
  return BadMessage("a number does not end");
}

}  // namespace

base::Result<WandbRecords> ReadWandbLog(std::string_view bytes) {
  if (!bytes.starts_with(kStart)) {
    return base::InvalidArgument(
        "file", "expected a run-*.wandb file, which begins with ':W&B' and version 0",
        "no_wandb_file");
  }
  return Fragments(bytes).Read();
}

base::Result<std::vector<ProtoField>> ReadProto(std::string_view message) {
  std::vector<ProtoField> fields;
  while (!message.empty()) {
    const uint64_t key = TRY(Varint(message));
    ProtoField field;
    field.number = static_cast<uint32_t>(key >> 3U);
    size_t length = 0;
    switch (key & 7U) {
      case 0:
        field.value = TRY(Varint(message));
        break;
      case 1:
        length = 8;
        break;
      case 2:
        length = TRY(Varint(message));
        break;
      case 5:
        length = 4;
        break;
      default:
        return BadMessage("a field of an unknown kind");
    }
    if (length > message.size()) return BadMessage("a field ends behind it");
    field.bytes = message.substr(0, length);
    if ((key & 7U) == 1 || (key & 7U) == 5) field.value = LittleEndian(field.bytes);
    message.remove_prefix(length);
    fields.push_back(field);
  }
  return fields;
}

}  // namespace slipway::transfer
