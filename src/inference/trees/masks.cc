// SPDX-License-Identifier: Apache-2.0
// A prediction, the run itself: trees by masks, sixteen rows (AVX-512) or eight (AVX2) to an
// instruction.
#include "inference/trees/masks.h"

#include <cstddef>
#include <cstdint>

#include "inference/trees/forest.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace slipway::inference::trees {

#if defined(__x86_64__)
namespace {

#define SLIPWAY_AVX512 __attribute__((target("avx512f,avx512cd,avx512vl"), always_inline)) inline
#define SLIPWAY_AVX2 __attribute__((target("avx2"), always_inline)) inline

// The sixteen rows at `column` that fail `x <= threshold`; a NaN fails.
SLIPWAY_AVX512 __mmask16 Fails512(const float* column, float threshold) {
  return _mm512_cmp_ps_mask(_mm512_loadu_ps(column), _mm512_set1_ps(threshold), _CMP_NLE_UQ);
}
SLIPWAY_AVX512 __mmask16 Fails512(const double* column, double threshold) {
  const __m512d limit = _mm512_set1_pd(threshold);
  const __mmask8 low = _mm512_cmp_pd_mask(_mm512_loadu_pd(column), limit, _CMP_NLE_UQ);
  const __mmask8 high = _mm512_cmp_pd_mask(_mm512_loadu_pd(column + 8), limit, _CMP_NLE_UQ);
  return static_cast<__mmask16>(low | (high << 8));
}

// sums[row] += values[leaf[row]] for the rows of `take`.
SLIPWAY_AVX512 void Add512(const float* values, __m512i leaf, __mmask16 take, float* sums) {
  const __m512 value =
      _mm512_permutex2var_ps(_mm512_loadu_ps(values), leaf, _mm512_loadu_ps(values + 16));
  const __m512 sum = _mm512_loadu_ps(sums);
  _mm512_storeu_ps(sums, _mm512_mask_add_ps(sum, take, sum, value));
}
SLIPWAY_AVX512 void Add512(const double* values, __m512i leaf, __mmask16 take, double* sums) {
  for (int half = 0; half < 2; ++half) {
    const __m256i index =
        half == 0 ? _mm512_castsi512_si256(leaf) : _mm512_extracti64x4_epi64(leaf, 1);
    const auto rows = static_cast<__mmask8>(take >> (8 * half));
    const __m512d value = _mm512_mask_i32gather_pd(_mm512_setzero_pd(), rows, index, values, 8);
    const __m512d sum = _mm512_loadu_pd(sums + 8 * half);
    _mm512_storeu_pd(sums + 8 * half, _mm512_mask_add_pd(sum, rows, sum, value));
  }
}

// kVectors x 16 rows. The first word with a leaf left holds a row's answer.
template <int kVectors, typename T, typename A>
SLIPWAY_AVX512 void Rows512(const Forest<T, A>& forest, size_t tree, const T* columns, A* sums) {
  __mmask16 open[kVectors];
  for (__mmask16& rows : open) rows = 0xffff;
  const Range words = forest.words_of[tree];
  for (uint32_t word = words.begin; word != words.end; ++word) {
    __m512i leaves[kVectors];
    for (__m512i& all : leaves) all = _mm512_set1_epi32(-1);
    const MaskTest<T>* const end = forest.tests.data() + forest.tests_of[word].end;
    for (const MaskTest<T>* test = forest.tests.data() + forest.tests_of[word].begin; test != end;
         ++test) {
      const T* column = columns + static_cast<size_t>(test->slot) * kBlockRows;
      const __m512i clear = _mm512_set1_epi32(static_cast<int>(test->clear));
#pragma GCC unroll 4
      for (int i = 0; i < kVectors; ++i) {
        const __mmask16 fails = Fails512(column + 16 * i, test->threshold);
        leaves[i] = _mm512_mask_andnot_epi32(leaves[i], fails, clear, leaves[i]);
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) {
      const __m512i lowest =
          _mm512_and_si512(leaves[i], _mm512_sub_epi32(_mm512_setzero_si512(), leaves[i]));
      const __m512i leaf = _mm512_sub_epi32(_mm512_set1_epi32(31), _mm512_lzcnt_epi32(lowest));
      const __mmask16 found = _mm512_mask_test_epi32_mask(open[i], leaves[i], leaves[i]);
      open[i] = static_cast<__mmask16>(open[i] & ~found);
      Add512(forest.word_values.data() + size_t{word} * kLeavesOfWord, leaf, found, sums + 16 * i);
    }
  }
}

template <typename T, typename A>
__attribute__((target("avx512f,avx512cd,avx512vl"))) void AddAvx512(const Forest<T, A>& forest,
                                                                    size_t tree, const T* columns,
                                                                    size_t rows, A* sums) {
  if (rows > 32) {
    Rows512<4>(forest, tree, columns, sums);
  } else if (rows > 16) {
    Rows512<2>(forest, tree, columns, sums);
  } else {
    Rows512<1>(forest, tree, columns, sums);
  }
}

// All bits of a lane set where `x <= threshold` fails, for eight rows.
SLIPWAY_AVX2 __m256i Fails256(const float* column, float threshold) {
  return _mm256_castps_si256(
      _mm256_cmp_ps(_mm256_loadu_ps(column), _mm256_set1_ps(threshold), _CMP_NLE_UQ));
}
SLIPWAY_AVX2 __m256i Fails256(const double* column, double threshold) {
  const __m256d limit = _mm256_set1_pd(threshold);
  const __m256 low = _mm256_castpd_ps(_mm256_cmp_pd(_mm256_loadu_pd(column), limit, _CMP_NLE_UQ));
  const __m256 high =
      _mm256_castpd_ps(_mm256_cmp_pd(_mm256_loadu_pd(column + 4), limit, _CMP_NLE_UQ));
  const __m256 packed =
      _mm256_shuffle_ps(low, high, _MM_SHUFFLE(2, 0, 2, 0));  // rows 0 1 4 5 2 3 6 7
  return _mm256_permute4x64_epi64(_mm256_castps_si256(packed), _MM_SHUFFLE(3, 1, 2, 0));
}

SLIPWAY_AVX2 void Add256(const float* values, __m256i leaf, __m256i take, float* sums) {
  const __m256 value = _mm256_i32gather_ps(values, leaf, 4);
  const __m256 sum = _mm256_loadu_ps(sums);
  _mm256_storeu_ps(sums,
                   _mm256_blendv_ps(sum, _mm256_add_ps(sum, value), _mm256_castsi256_ps(take)));
}
SLIPWAY_AVX2 void Add256(const double* values, __m256i leaf, __m256i take, double* sums) {
  for (int half = 0; half < 2; ++half) {
    const __m128i index =
        half == 0 ? _mm256_castsi256_si128(leaf) : _mm256_extracti128_si256(leaf, 1);
    const __m128i rows =
        half == 0 ? _mm256_castsi256_si128(take) : _mm256_extracti128_si256(take, 1);
    const __m256d wide = _mm256_castsi256_pd(_mm256_cvtepi32_epi64(rows));
    const __m256d value = _mm256_i32gather_pd(values, index, 8);
    const __m256d sum = _mm256_loadu_pd(sums + 4 * half);
    _mm256_storeu_pd(sums + 4 * half, _mm256_blendv_pd(sum, _mm256_add_pd(sum, value), wide));
  }
}

// The place of the one bit that is set; 0 for none.
SLIPWAY_AVX2 __m256i PlaceOf(__m256i bit) {
  const __m256i exponent = _mm256_srli_epi32(_mm256_castps_si256(_mm256_cvtepi32_ps(bit)), 23);
  const __m256i place =
      _mm256_sub_epi32(_mm256_and_si256(exponent, _mm256_set1_epi32(0xff)), _mm256_set1_epi32(127));
  return _mm256_max_epi32(place, _mm256_setzero_si256());
}

template <int kVectors, typename T, typename A>
SLIPWAY_AVX2 void Rows256(const Forest<T, A>& forest, size_t tree, const T* columns, A* sums) {
  __m256i open[kVectors];
  for (__m256i& rows : open) rows = _mm256_set1_epi32(-1);
  const Range words = forest.words_of[tree];
  for (uint32_t word = words.begin; word != words.end; ++word) {
    __m256i leaves[kVectors];
    for (__m256i& all : leaves) all = _mm256_set1_epi32(-1);
    const MaskTest<T>* const end = forest.tests.data() + forest.tests_of[word].end;
    for (const MaskTest<T>* test = forest.tests.data() + forest.tests_of[word].begin; test != end;
         ++test) {
      const T* column = columns + static_cast<size_t>(test->slot) * kBlockRows;
      const __m256i clear = _mm256_set1_epi32(static_cast<int>(test->clear));
#pragma GCC unroll 4
      for (int i = 0; i < kVectors; ++i)
        leaves[i] = _mm256_andnot_si256(
            _mm256_and_si256(Fails256(column + 8 * i, test->threshold), clear), leaves[i]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) {
      const __m256i lowest =
          _mm256_and_si256(leaves[i], _mm256_sub_epi32(_mm256_setzero_si256(), leaves[i]));
      const __m256i none = _mm256_cmpeq_epi32(leaves[i], _mm256_setzero_si256());
      const __m256i found = _mm256_andnot_si256(none, open[i]);
      open[i] = _mm256_and_si256(open[i], none);
      Add256(forest.word_values.data() + size_t{word} * kLeavesOfWord, PlaceOf(lowest), found,
             sums + 8 * i);
    }
  }
}

template <typename T, typename A>
__attribute__((target("avx2"))) void AddAvx2(const Forest<T, A>& forest, size_t tree,
                                             const T* columns, size_t rows, A* sums) {
  for (size_t row = 0; row < rows; row += 32) {
    if (rows - row > 16) {
      Rows256<4>(forest, tree, columns + row, sums + row);
    } else if (rows - row > 8) {
      Rows256<2>(forest, tree, columns + row, sums + row);
    } else {
      Rows256<1>(forest, tree, columns + row, sums + row);
    }
  }
}

}  // namespace

template <typename T, typename A>
void AddByMasks(const Forest<T, A>& forest, size_t tree, const T* columns, size_t rows, A* sums) {
  if (forest.simd == Simd::kAvx512) {
    AddAvx512(forest, tree, columns, rows, sums);
  } else {
    AddAvx2(forest, tree, columns, rows, sums);
  }
}
#else
template <typename T, typename A>
void AddByMasks(const Forest<T, A>&, size_t, const T*, size_t, A*) {}  // no forest has masks there
#endif

template void AddByMasks(const Forest<float, float>&, size_t, const float*, size_t, float*);
template void AddByMasks(const Forest<float, double>&, size_t, const float*, size_t, double*);
template void AddByMasks(const Forest<double, double>&, size_t, const double*, size_t, double*);

}  // namespace slipway::inference::trees
