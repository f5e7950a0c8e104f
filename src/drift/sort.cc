// SPDX-License-Identifier: Apache-2.0
// Part of an exact report: a least-significant-digit radix sort. A digit that is the same in all
// values costs no pass.
#include "drift/sort.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace slipway::drift {
namespace {

constexpr unsigned kDigitBits = 11;
constexpr size_t kDigits = 1U << kDigitBits;
constexpr size_t kTooFew = 2048;  // below it comparing is faster

// An integer that orders as the number does.
template <typename T>
auto KeyOf(T value) {
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  const auto bits = std::bit_cast<Bits>(value);
  constexpr Bits kSign = Bits{1} << (8 * sizeof(T) - 1);
  return (bits & kSign) != 0 ? static_cast<Bits>(~bits) : static_cast<Bits>(bits | kSign);
}

template <typename T>
void RadixSort(std::vector<T>& values, std::vector<T>& scratch) {
  if (values.size() < kTooFew) {
    std::sort(values.begin(), values.end());
    return;
  }
  constexpr unsigned kPasses = (8 * sizeof(T) + kDigitBits - 1) / kDigitBits;
  scratch.resize(values.size());
  const auto places = std::make_unique<std::array<std::array<size_t, kDigits>, kPasses>>();
  for (const T value : values) {
    const auto key = KeyOf(value);
    for (unsigned pass = 0; pass < kPasses; ++pass)
      ++(*places)[pass][(key >> (pass * kDigitBits)) & (kDigits - 1)];
  }
  for (unsigned pass = 0; pass < kPasses; ++pass) {
    std::array<size_t, kDigits>& place = (*places)[pass];
    const size_t first = (KeyOf(values[0]) >> (pass * kDigitBits)) & (kDigits - 1);
    if (place[first] == values.size()) continue;
    size_t before = 0;
    for (size_t& count : place) before += std::exchange(count, before);
    for (const T value : values)
      scratch[place[(KeyOf(value) >> (pass * kDigitBits)) & (kDigits - 1)]++] = value;
    values.swap(scratch);
  }
}

}  // namespace

void SortNumbers(std::vector<float>& values, std::vector<float>& scratch) {
  RadixSort(values, scratch);
}

void SortNumbers(std::vector<double>& values, std::vector<double>& scratch) {
  RadixSort(values, scratch);
}

}  // namespace slipway::drift
