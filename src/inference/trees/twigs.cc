// SPDX-License-Identifier: Apache-2.0
// A prediction, the run itself: trees by twigs. The row lies in registers, and a permutation
// fetches what a twig's tests compare.
#include "inference/trees/twigs.h"

#include <array>
#include <cstddef>
#include <cstdint>

#include "inference/trees/forest.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace slipway::inference::trees {

#if defined(__x86_64__)
namespace {

#define SLIPWAY_AVX512 __attribute__((target("avx512f,avx512vl,avx512dq"), always_inline)) inline

// From the tests that fail (bit n: test n, bit 7: any) to the way out.
constexpr std::array<uint8_t, 256> kWayOf = [] {
  std::array<uint8_t, 256> ways{};
  for (unsigned fails = 0; fails < ways.size(); ++fails) {
    const unsigned first = fails & 1U;
    const unsigned second = (fails >> (1 + first)) & 1U;
    const unsigned third = (fails >> (3 + 2 * first + second)) & 1U;
    ways[fails] = static_cast<uint8_t>(4 * first + 2 * second + third);
  }
  return ways;
}();

// kSlots values of a row.
template <typename T, size_t kSlots>
struct Row512;

template <size_t kSlots>
struct Row512<float, kSlots> {
  static constexpr size_t kPairs = kSlots / 32;
  __m512 low[kPairs], high[kPairs];

  SLIPWAY_AVX512 explicit Row512(const float* slots) {
#pragma GCC unroll 4
    for (size_t i = 0; i < kPairs; ++i) {
      low[i] = _mm512_loadu_ps(slots + 32 * i);
      high[i] = _mm512_loadu_ps(slots + 32 * i + 16);
    }
  }
  // Bit n: slots[n] of the twig is not <= thresholds[n].
  SLIPWAY_AVX512 unsigned Fails(const Twig<float>& twig) const {
    const __m512i place = _mm512_castsi256_si512(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(twig.slots))));
    __m512 value = _mm512_permutex2var_ps(low[0], place, high[0]);
    if constexpr (kPairs > 1) {
      const __mmask16 odd = _mm512_test_epi32_mask(place, _mm512_set1_epi32(32));
      value = _mm512_mask_blend_ps(odd, value, _mm512_permutex2var_ps(low[1], place, high[1]));
      if constexpr (kPairs > 2) {
        const __mmask16 upper = _mm512_test_epi32_mask(place, _mm512_set1_epi32(64));
        const __m512 other =
            _mm512_mask_blend_ps(odd, _mm512_permutex2var_ps(low[2], place, high[2]),
                                 _mm512_permutex2var_ps(low[3], place, high[3]));
        value = _mm512_mask_blend_ps(upper, value, other);
      }
    }
    return _cvtmask8_u32(_mm256_cmp_ps_mask(_mm512_castps512_ps256(value),
                                            _mm256_load_ps(twig.thresholds), _CMP_NLE_UQ));
  }
};

template <size_t kSlots>
struct Row512<double, kSlots> {
  static constexpr size_t kPairs = kSlots / 16;
  __m512d low[kPairs], high[kPairs];

  SLIPWAY_AVX512 explicit Row512(const double* slots) {
#pragma GCC unroll 4
    for (size_t i = 0; i < kPairs; ++i) {
      low[i] = _mm512_loadu_pd(slots + 16 * i);
      high[i] = _mm512_loadu_pd(slots + 16 * i + 8);
    }
  }
  SLIPWAY_AVX512 unsigned Fails(const Twig<double>& twig) const {
    const __m512i place =
        _mm512_cvtepu8_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(twig.slots)));
    const __mmask8 odd = _mm512_test_epi64_mask(place, _mm512_set1_epi64(16));
    __m512d value = _mm512_mask_blend_pd(odd, _mm512_permutex2var_pd(low[0], place, high[0]),
                                         _mm512_permutex2var_pd(low[1], place, high[1]));
    if constexpr (kPairs > 2) {
      const __mmask8 upper = _mm512_test_epi64_mask(place, _mm512_set1_epi64(32));
      const __m512d other =
          _mm512_mask_blend_pd(odd, _mm512_permutex2var_pd(low[2], place, high[2]),
                               _mm512_permutex2var_pd(low[3], place, high[3]));
      value = _mm512_mask_blend_pd(upper, value, other);
    }
    return _cvtmask8_u32(_mm512_cmp_pd_mask(value, _mm512_load_pd(twig.thresholds), _CMP_NLE_UQ));
  }
};

// Trees [at, at + kTrees) from their roots to their leaves. kSteps 0: as many as they need.
template <uint32_t kSteps, size_t kTrees, size_t kSlots, typename T, typename A, typename Add>
SLIPWAY_AVX512 void DescendSome(const Forest<T, A>& forest, const Row512<T, kSlots>& row, size_t at,
                                uint32_t steps, const Add& add) {
  const Twig<T>* twigs[kTrees];
  size_t places[kTrees];
  const TwigTree* trees = forest.twig_trees.data() + at;
#pragma GCC unroll 16
  for (size_t i = 0; i < kTrees; ++i) {
    twigs[i] = forest.twigs.data() + trees[i].first;
    places[i] = 0;
  }
  const uint32_t end = kSteps == 0 ? steps : kSteps;
#pragma GCC unroll 4
  for (uint32_t step = 0; step < end; ++step) {
#pragma GCC unroll 16
    for (size_t i = 0; i < kTrees; ++i) {
      const Twig<T>& twig = twigs[i][places[i]];
      places[i] = twig.next[kWayOf[row.Fails(twig)]];
    }
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < kTrees; ++i) add(at + i, forest.twig_values[trees[i].values + places[i]]);
}

template <uint32_t kSteps, size_t kSlots, typename T, typename A, typename Add>
SLIPWAY_AVX512 void DescendRun(const Forest<T, A>& forest, const Row512<T, kSlots>& row,
                               const TwigRun& run, const Add& add) {
  constexpr size_t kMany = kSteps == 1 ? 4 : 16, kFew = 4;  // trees, as measured
  size_t at = run.begin;
  for (; at + kMany <= run.end; at += kMany)
    DescendSome<kSteps, kMany>(forest, row, at, run.steps, add);
  for (; at + kFew <= run.end; at += kFew)
    DescendSome<kSteps, kFew>(forest, row, at, run.steps, add);
  for (; at < run.end; ++at) DescendSome<kSteps, 1>(forest, row, at, run.steps, add);
}

template <size_t kSlots, typename T, typename A, typename Add>
SLIPWAY_AVX512 void Descend(const Forest<T, A>& forest, const T* slots, const Add& add) {
  const Row512<T, kSlots> row(slots);
  for (const TwigRun& run : forest.twig_runs) {
    if (run.steps == 1) {
      DescendRun<1>(forest, row, run, add);
    } else if (run.steps == 2) {
      DescendRun<2>(forest, row, run, add);
    } else if (run.steps == 3) {
      DescendRun<3>(forest, row, run, add);
    } else {
      DescendRun<0>(forest, row, run, add);
    }
  }
}

template <size_t kSlots, typename T, typename A>
__attribute__((target("avx512f,avx512vl,avx512dq"))) void AddAvx512(const Forest<T, A>& forest,
                                                                    const T* slots, A* sums) {
  if (forest.targets > 1) {
    Descend<kSlots>(forest, slots,
                    [&](size_t tree, A value) { sums[forest.target_of[tree]] += value; });
    return;
  }
  A sum = sums[0];
  Descend<kSlots>(forest, slots, [&](size_t, A value) { sum += value; });
  sums[0] = sum;
}

}  // namespace

template <typename T, typename A>
void AddByTwigs(const Forest<T, A>& forest, const T* slots, A* sums) {
  const size_t count = TwigSlots<T>(forest.slots.size());
  if (count == 32) return AddAvx512<32>(forest, slots, sums);
  if (count == 64) return AddAvx512<64>(forest, slots, sums);
  if constexpr (sizeof(T) == sizeof(float)) AddAvx512<128>(forest, slots, sums);
}
#else
template <typename T, typename A>
void AddByTwigs(const Forest<T, A>&, const T*, A*) {}  // no forest has twigs there
#endif

template void AddByTwigs(const Forest<float, float>&, const float*, float*);
template void AddByTwigs(const Forest<float, double>&, const float*, double*);
template void AddByTwigs(const Forest<double, double>&, const double*, double*);

}  // namespace slipway::inference::trees
