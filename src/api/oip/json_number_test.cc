// SPDX-License-Identifier: Apache-2.0
#include "api/oip/json_number.h"

#include <gtest/gtest.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

namespace slipway::api::oip {
namespace {

template <typename T>
T Exact(const std::string& text) {
  T number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// What was read is what from_chars reads; whether it was read at once.
template <typename T>
bool ReadsRight(const std::string& text) {
  T number = 0;
  const size_t used = ReadShortNumber<T>(text, number);
  if (used == 0) return false;
  EXPECT_EQ(used, text.size()) << text;
  const T exact = Exact<T>(text);
  EXPECT_EQ(number, exact) << text;
  EXPECT_EQ(std::signbit(number), std::signbit(exact)) << text;
  return true;
}

std::string Print(const char* format, double number) {
  char text[400];
  return {text, static_cast<size_t>(std::snprintf(text, sizeof(text), format, number))};
}

TEST(ShortNumber, ReadsWhatClientsWrite) {
  for (const char* text : {"0",
                           "-0",
                           "0.0",
                           "1",
                           "-1",
                           "10",
                           "42",
                           "0.5",
                           "-0.25",
                           "1e3",
                           "1E+3",
                           "1e-3",
                           "3.0e0",
                           "0.001230153371579945",
                           "123456789012345678",
                           "0.00000000000000000001",
                           "12345678.75",
                           "1e22",
                           "-2.5167596340179443",
                           "12345678",
                           "123456789",
                           "0.12345678",
                           "99999999.99999999"}) {
    EXPECT_TRUE(ReadsRight<float>(text)) << text;
  }
  for (const char* text : {"0.1", "-1.5", "9007199254740992", "1e22", "12345678.12345678"}) {
    EXPECT_TRUE(ReadsRight<double>(text)) << text;
  }
}

TEST(ShortNumber, LeavesWhatIsNotJsonOrNotCertain) {
  for (const char* text : {"",
                           "-",
                           "+1",
                           ".5",
                           "1.",
                           "01",
                           "-01",
                           "00",
                           "1e",
                           "1e+",
                           "e5",
                           "NaN",
                           "abc",
                           "1e99999",
                           "1234567890123456789",
                           "0.1234567890123456789",
                           "1e23",
                           "1e-45",
                           "3.5e38",
                           "16777217",
                           "33554434.000000001"}) {
    EXPECT_FALSE(ReadsRight<float>(text)) << text;
  }
  EXPECT_FALSE(ReadsRight<double>("9007199254740993"));
}

TEST(ShortNumber, EndsBehindTheNumber) {
  float number = 0;
  EXPECT_EQ(ReadShortNumber<float>("1.5,2", number), 3U);
  EXPECT_EQ(number, 1.5F);
  EXPECT_EQ(ReadShortNumber<float>("12345678]", number), 8U);
  EXPECT_EQ(number, 12345678.0F);
}

TEST(ShortNumber, RoundsEveryFloatAsFromCharsDoes) {
  std::mt19937 random(7);
  size_t at_once = 0;
  constexpr int kNumbers = 5000;
  for (int i = 0; i < kNumbers; ++i) {
    const auto number = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (!std::isfinite(number)) continue;
    for (const char* format : {"%.9g", "%.17g", "%.6f", "%.12e"})
      ReadsRight<float>(Print(format, number));
    const float usual = std::ldexp(number, -std::ilogb(number));  // within 1 and 2
    at_once += ReadsRight<float>(Print("%.17g", usual)) ? 1 : 0;
  }
  EXPECT_GT(at_once, static_cast<size_t>(kNumbers) * 9 / 10);
}

// Halfway between two floats, and as near to it as a double can say.
TEST(ShortNumber, RoundsNearTheMiddleOfTwoFloats) {
  std::mt19937 random(11);
  for (int i = 0; i < 5000; ++i) {
    const double middle = static_cast<double>(1U << 24 | (random() & 0xFFFFFF)) + 0.5;
    const int scale = static_cast<int>(random() % 24);
    for (const double number :
         {middle, std::nextafter(middle, 0), std::nextafter(middle, 1e9), middle + 1e-7}) {
      ReadsRight<float>(Print("%.17g", std::ldexp(number, -scale)));
      ReadsRight<float>(Print("%.18g", std::ldexp(number, -scale)));
    }
  }
}

TEST(ShortNumber, RoundsEveryDoubleAsFromCharsDoes) {
  std::mt19937_64 random(13);
  for (int i = 0; i < 5000; ++i) {
    const auto number = std::bit_cast<double>(random());
    if (!std::isfinite(number)) continue;
    ReadsRight<double>(Print("%.17g", number));
    const double usual = std::ldexp(number, -std::ilogb(number));
    for (const char* format : {"%.15g", "%.16g", "%.17g", "%.3f"})
      ReadsRight<double>(Print(format, usual));
  }
}

}  // namespace
}  // namespace slipway::api::oip
