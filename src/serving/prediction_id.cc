// SPDX-License-Identifier: Apache-2.0
// A prediction, step 2 of serving: its id.
#include "serving/prediction_id.h"

#include <sys/random.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "base/status.h"

namespace slipway::serving {
namespace {

using Bits = unsigned __int128;

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr size_t kIdLength = 26;
constexpr int kRandomBits = 80;
constexpr Bits kRandomMask = (Bits{1} << kRandomBits) - 1;
// Random bits are taken from the kernel for so many ids at once.
constexpr size_t kBatch = 25;

class RandomSource {
 public:
  Bits Next80() {
    if (next_ == words_.size()) {
      const ssize_t got = getrandom(words_.data(), sizeof(words_), 0);
      CHECK(got == static_cast<ssize_t>(sizeof(words_)),
            "the kernel gives up to 256 random bytes whole");
      next_ = 0;
    }
    Bits value = 0;
    for (int i = 0; i < 5; ++i) value = (value << 16) | words_[next_++];
    return value;
  }

 private:
  std::array<uint16_t, kBatch * 5> words_{};
  size_t next_ = words_.size();
};

struct LastId {
  uint64_t milliseconds = 0;
  Bits random = 0;
  RandomSource source;
};

}  // namespace

std::string NewPredictionId(base::Micros now) {
  thread_local LastId last;
  const uint64_t milliseconds = now < 0 ? 0 : static_cast<uint64_t>(now / base::kMillisecond);
  if (milliseconds > last.milliseconds) {
    last.milliseconds = milliseconds;
    last.random =
        last.source.Next80() >> 1;  // leaves 2^79 steps before this millisecond is used up
  } else {
    // A step of 32 random bits keeps ids of one millisecond rising and their neighbours hard to
    // guess.
    last.random = (last.random + 1 + (last.source.Next80() & 0xffffffff)) & kRandomMask;
  }
  Bits bits = (Bits{last.milliseconds} << kRandomBits) | last.random;
  std::string text(kIdLength, '0');
  for (size_t i = text.size(); i > 0; --i) {
    text[i - 1] = kAlphabet[static_cast<size_t>(bits & 31)];
    bits >>= 5;
  }
  return text;
}

}  // namespace slipway::serving
