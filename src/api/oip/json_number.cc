// SPDX-License-Identifier: Apache-2.0
// A prediction over REST: digits to binary, where one multiplication or division rounds right.
// After W. Clinger, "How to Read Floating Point Numbers Accurately" (PLDI 1990): digits below 2^53
// and a power of ten up to 10^22 are exact doubles, so that one operation on them is rounded
// correctly.
#include "api/oip/json_number.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

namespace slipway::api::oip {
namespace {

constexpr int kMostDigits = 18;  // below 2^63
constexpr int kMostPower = 22;   // 5^22 < 2^53
constexpr int64_t kExactBelow = int64_t{1} << 53;
constexpr std::array<double, kMostPower + 1> kPowers = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Eight characters at once, after D. Lemire, "Quickly parsing eight digits" (2018).
// The lowest bit that is set is within the first character that is no digit.
uint64_t OtherThanDigits(uint64_t eight) {
  return ((eight + 0x4646464646464646) | (eight - 0x3030303030303030)) & 0x8080808080808080;
}
uint64_t ValueOf(uint64_t eight) {
  eight = (eight & 0x0F0F0F0F0F0F0F0F) * 2561 >> 8;
  eight = (eight & 0x00FF00FF00FF00FF) * 6553601 >> 16;
  return (eight & 0x0000FFFF0000FFFF) * 42949672960001 >> 32;
}

// The digits and the power of ten of a number.
class Scan {
 public:
  explicit Scan(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  // Characters read; 0 when they are no JSON number or too many digits.
  size_t Run() {
    const char* const begin = at_;
    negative_ = Is('-');
    if (negative_) ++at_;
    const char* const first = at_;
    SomeDigits();
    const auto whole = at_ - first;
    if (whole == 0 || (*first == '0' && whole > 1)) return 0;
    digits_ = *first == '0' ? 0 : whole;
    if (Is('.') && !Fraction()) return 0;
    if (digits_ > kMostDigits || ((Is('e') || Is('E')) && !Exponent())) return 0;
    return static_cast<size_t>(at_ - begin);
  }
  int64_t value() const { return static_cast<int64_t>(value_); }
  int power() const { return power_; }
  bool negative() const { return negative_; }

 private:
  bool Is(char c) const { return at_ != end_ && *at_ == c; }

  void Digits() {
    constexpr std::array<uint64_t, 8> kScales = {1,      10,      100,       1'000,
                                                 10'000, 100'000, 1'000'000, 10'000'000};
    uint64_t eight = 0;
    while (end_ - at_ >= 8) {
      std::memcpy(&eight, at_, 8);
      const uint64_t others = OtherThanDigits(eight);
      if (others == 0) {
        value_ = value_ * 100'000'000 + ValueOf(eight);
        at_ += 8;
        continue;
      }
      const auto digits = static_cast<size_t>(std::countr_zero(others)) / 8;
      // What is shifted in reads as zeros in front.
      if (digits > 0) value_ = value_ * kScales[digits] + ValueOf(eight << (64 - 8 * digits));
      at_ += digits;
      return;
    }
    SomeDigits();
  }

  void SomeDigits() {
    for (; at_ != end_ && IsDigit(*at_); ++at_) {
      value_ = value_ * 10 + static_cast<uint64_t>(*at_ - '0');
    }
  }

  bool Fraction() {
    const char* const first = ++at_;
    if (digits_ == 0) {
      while (Is('0')) ++at_;
    }
    const char* const significant = at_;
    Digits();
    digits_ += at_ - significant;
    const auto places = at_ - first;
    power_ = -static_cast<int>(places);
    return places > 0 && places <= kMostPower;
  }

  bool Exponent() {
    ++at_;
    const bool below = Is('-');
    if (below || Is('+')) ++at_;
    const char* const first = at_;
    int exponent = 0;
    for (; at_ != end_ && IsDigit(*at_) && at_ - first < 4; ++at_) {
      exponent = exponent * 10 + (*at_ - '0');
    }
    power_ += below ? -exponent : exponent;
    return at_ != first && (at_ == end_ || !IsDigit(*at_));
  }

  const char* at_;
  const char* const end_;
  uint64_t value_ = 0;
  int power_ = 0;
  ptrdiff_t digits_ = 0;  // without zeros in front
  bool negative_ = false;
};

// Whether every number within a few units in the last place of `number` is the same float.
bool RoundsForCertain(double number) {
  constexpr int kCutBits = std::numeric_limits<double>::digits - std::numeric_limits<float>::digits;
  constexpr int64_t kHalf = int64_t{1} << (kCutBits - 1);
  constexpr int64_t kUncertain = 8;  // the two roundings are 1.5 units off at most
  const int64_t cut =
      static_cast<int64_t>(std::bit_cast<uint64_t>(number) & ((uint64_t{1} << kCutBits) - 1));
  const bool near_half = cut > kHalf - kUncertain && cut < kHalf + kUncertain;
  return !near_half && number >= std::numeric_limits<float>::min() &&
         number <= std::numeric_limits<float>::max();
}

}  // namespace

template <typename T>
size_t ReadShortNumber(std::string_view text, T& out) {
  Scan scan(text);
  const size_t used = scan.Run();
  if (used == 0 || scan.power() < -kMostPower || scan.power() > kMostPower) return 0;
  double number = static_cast<double>(scan.value());
  const double power =
      kPowers[static_cast<size_t>(scan.power() < 0 ? -scan.power() : scan.power())];
  number = scan.power() < 0 ? number / power : number * power;
  if constexpr (std::is_same_v<T, float>) {
    if (scan.value() != 0 && !RoundsForCertain(number)) return 0;
  } else {
    if (scan.value() > kExactBelow) return 0;
  }
  out = static_cast<T>(scan.negative() ? -number : number);
  return used;
}

template size_t ReadShortNumber(std::string_view text, float& out);
template size_t ReadShortNumber(std::string_view text, double& out);

}  // namespace slipway::api::oip
