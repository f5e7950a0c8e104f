// SPDX-License-Identifier: Apache-2.0
// Hashes: SHA-256 (content addresses, audit chain), CRC-32C (log records), MurmurHash3 x86-32
// (traffic buckets).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace slipway::base {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void Update(std::span<const std::byte> bytes);
  void Update(std::string_view text);
  // 64 lower-case hex digits; ends the computation.
  std::string FinishHex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string Sha256Hex(std::string_view text);
// Raw 32 bytes, for signatures.
std::string HmacSha256(std::string_view key, std::string_view message);
// Castagnoli, as in iSCSI and LevelDB (not masked). `seed` continues an earlier value.
uint32_t Crc32c(std::string_view bytes, uint32_t seed = 0);
// The same without the processor's instruction: what Crc32c falls back to; here so that tests
// compare the two.
uint32_t Crc32cPortable(std::string_view bytes, uint32_t seed = 0);
// MurmurHash3_x86_32: the hash of Unleash's buckets.
uint32_t Murmur3(std::string_view bytes, uint32_t seed = 0);
std::string Base64Encode(std::string_view bytes);
// With its padding or without; nothing when `text` is not base 64.
std::optional<std::string> Base64Decode(std::string_view text);
std::string HexEncode(std::string_view bytes);

}  // namespace slipway::base
