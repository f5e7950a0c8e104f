// SPDX-License-Identifier: Apache-2.0
// Ids: random run ids, and ULIDs that sort by the time they were made.
#include "base/ids.h"

#include <sys/random.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <span>
#include <string_view>

#include "base/hash.h"
#include "base/status.h"

namespace slipway::base {

namespace {

void FillRandom(std::span<char> bytes) {
  const ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
  CHECK(got == static_cast<ssize_t>(bytes.size()), "the kernel gives up to 256 random bytes whole");
}

struct UlidValue {
  uint64_t milliseconds = 0;     // 48 bits
  unsigned __int128 random = 0;  // 80 bits
};

// Strictly increasing within the process: the same millisecond (or a clock set back) counts the
// random part up.
UlidValue NextUlid(uint64_t milliseconds) {
  static std::mutex mutex;
  static UlidValue last;
  std::array<char, 10> bytes{};
  FillRandom(bytes);
  std::lock_guard lock(mutex);
  if (milliseconds > last.milliseconds) {
    last.milliseconds = milliseconds;
    last.random = 0;
    for (const char c : bytes) last.random = (last.random << 8) | static_cast<unsigned char>(c);
    last.random >>= 1;  // leaves 2^79 steps before this millisecond is used up
  } else {
    ++last.random;
  }
  return last;
}

}  // namespace

std::string RandomHex32() {
  std::array<char, 16> bytes{};
  FillRandom(bytes);
  return HexEncode({bytes.data(), bytes.size()});
}

std::string NewUlid(Micros now) {
  constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const UlidValue value = NextUlid(now < 0 ? 0 : static_cast<uint64_t>(now / kMillisecond));
  unsigned __int128 bits =
      (static_cast<unsigned __int128>(value.milliseconds) << 80) | value.random;
  std::string text(26, '0');
  for (size_t i = text.size(); i > 0; --i) {
    text[i - 1] = kAlphabet[static_cast<size_t>(bits & 31)];
    bits >>= 5;
  }
  return text;
}

}  // namespace slipway::base
