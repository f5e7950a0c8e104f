// SPDX-License-Identifier: Apache-2.0
// Counting a column: every value is compared with every edge (there are at most eleven), which is
// faster than a search that branches.
#include "drift/bin_search.h"

#include <immintrin.h>

#include <bit>
#include <cmath>

namespace slipway::drift {
namespace {

#define SLIPWAY_AVX2 __attribute__((target("avx2")))

constexpr size_t kLanes = 8;

size_t BucketOf(const BinEdges& edges, float value) {
  const float distance = value - edges.center;
  const float u = std::fabs(distance) * edges.inverse_scale + 1.0F;
  const uint32_t octaves = (std::bit_cast<uint32_t>(u) - 0x3F800000U) >> 16;
  const uint32_t outwards = octaves < FineGrid::kSide ? octaves : FineGrid::kSide - 1;
  return distance < 0 ? FineGrid::kSide - 1 - outwards : FineGrid::kSide + outwards;
}

// The integers of eight 32-bit lanes as eight 16-bit ones.
SLIPWAY_AVX2 __m128i Narrow(__m256i lanes) {
  return _mm_packus_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
}

SLIPWAY_AVX2 void FindBinsAvx2(const BinEdges& edges, std::span<const float> values,
                               std::span<uint8_t> bins, std::span<uint16_t> buckets) {
  const __m256 least = _mm256_set1_ps(edges.least);
  const __m256 center = _mm256_set1_ps(edges.center);
  const __m256 inverse_scale = _mm256_set1_ps(edges.inverse_scale);
  const __m256 one = _mm256_set1_ps(1.0F);
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFFFFFF));
  const __m256i one_bits = _mm256_set1_epi32(0x3F800000);
  const __m256i last = _mm256_set1_epi32(FineGrid::kSide - 1);
  const __m256i side = _mm256_set1_epi32(FineGrid::kSide);
  for (size_t i = 0; i < values.size(); i += kLanes) {
    const __m256 value = _mm256_loadu_ps(values.data() + i);
    // A comparison that holds is -1 in its lane.
    __m256i bin = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_ORD_Q));
    bin = _mm256_add_epi32(bin, _mm256_castps_si256(_mm256_cmp_ps(value, least, _CMP_GE_OQ)));
    for (size_t edge = 0; edge < edges.above_count; ++edge) {
      const __m256 above = _mm256_cmp_ps(value, _mm256_set1_ps(edges.above[edge]), _CMP_GT_OQ);
      bin = _mm256_add_epi32(bin, _mm256_castps_si256(above));
    }
    bin = _mm256_sub_epi32(_mm256_setzero_si256(), bin);
    const __m128i narrow = Narrow(bin);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(bins.data() + i), _mm_packus_epi16(narrow, narrow));

    const __m256 distance = _mm256_sub_ps(value, center);
    const __m256 u =
        _mm256_add_ps(_mm256_mul_ps(_mm256_and_ps(distance, magnitude), inverse_scale), one);
    const __m256i octaves =
        _mm256_srli_epi32(_mm256_sub_epi32(_mm256_castps_si256(u), one_bits), 16);
    const __m256i outwards = _mm256_min_epu32(octaves, last);
    const __m256i below =
        _mm256_castps_si256(_mm256_cmp_ps(distance, _mm256_setzero_ps(), _CMP_LT_OQ));
    const __m256i bucket = _mm256_blendv_epi8(_mm256_add_epi32(side, outwards),
                                              _mm256_sub_epi32(last, outwards), below);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(buckets.data() + i), Narrow(bucket));
  }
}

}  // namespace

BinEdges::BinEdges(const FeatureBins& frozen) : above{}, least(frozen.least()) {
  for (const float edge : frozen.edges()) above[above_count++] = edge;
  // Of an empty reference everything is below its range.
  above[above_count++] =
      frozen.least() <= frozen.most() ? frozen.most() : std::numeric_limits<float>::infinity();
  center = frozen.grid().center;
  inverse_scale = 1 / frozen.grid().scale;
}

void FindBinsScalar(const BinEdges& edges, std::span<const float> values, std::span<uint8_t> bins,
                    std::span<uint16_t> buckets) {
  for (size_t i = 0; i < values.size(); ++i) {
    const float value = values[i];
    unsigned bin = std::isnan(value) ? 0 : 1;
    bin += value >= edges.least ? 1 : 0;
    for (size_t edge = 0; edge < edges.above_count; ++edge)
      bin += value > edges.above[edge] ? 1 : 0;
    bins[i] = static_cast<uint8_t>(bin);
    buckets[i] = static_cast<uint16_t>(BucketOf(edges, value));
  }
}

void FindBins(const BinEdges& edges, std::span<const float> values, std::span<uint8_t> bins,
              std::span<uint16_t> buckets) {
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  const size_t whole = has_avx2 ? values.size() / kLanes * kLanes : 0;
  if (whole > 0) FindBinsAvx2(edges, values.first(whole), bins.first(whole), buckets.first(whole));
  FindBinsScalar(edges, values.subspan(whole), bins.subspan(whole), buckets.subspan(whole));
}

}  // namespace slipway::drift
