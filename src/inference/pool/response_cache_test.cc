// SPDX-License-Identifier: Apache-2.0
#include "inference/pool/response_cache.h"

#include <gtest/gtest.h>

#include <string>

#include "inference/testing.h"

namespace slipway::inference::pool {
namespace {

TEST(ResponseCacheTest, GivesBackWhatWasPutForTheSameInputsOnly) {
  ResponseCache cache(1 << 20);
  const std::string key = ResponseCache::KeyOf(1, OneNumber({1, 2}));
  EXPECT_FALSE(cache.Find(key).has_value());
  cache.Put(key, *TimesTen(OneNumber({1, 2})));
  const auto found = cache.Find(ResponseCache::KeyOf(1, OneNumber({1, 2})));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->outputs[0].tensor.NumberAt(1), 20);
  EXPECT_FALSE(cache.Find(ResponseCache::KeyOf(1, OneNumber({1, 3}))).has_value());
  EXPECT_FALSE(cache.Find(ResponseCache::KeyOf(2, OneNumber({1, 2}))).has_value());
}

TEST(ResponseCacheTest, EverythingThatAnAnswerDependsOnIsInTheKey) {
  const Request plain = OneNumber({1});
  const std::string key = ResponseCache::KeyOf(1, plain);
  Request other = plain;
  other.outputs = {"y"};
  EXPECT_NE(ResponseCache::KeyOf(1, other), key);
  other = plain;
  other.parameters["top"] = int64_t{3};
  EXPECT_NE(ResponseCache::KeyOf(1, other), key);
  Request as_text = plain;
  as_text.parameters["top"] = std::string("3");
  EXPECT_NE(ResponseCache::KeyOf(1, as_text), ResponseCache::KeyOf(1, other));
  other = plain;
  other.inputs[0].name = "z";
  EXPECT_NE(ResponseCache::KeyOf(1, other), key);
  other = plain;
  other.inputs[0].tensor = *other.inputs[0].tensor.Reshape({1});
  EXPECT_NE(ResponseCache::KeyOf(1, other), key);
}

TEST(ResponseCacheTest, StaysWithinItsBytesAndForgetsTheLeastRecentlyUsed) {
  constexpr int64_t kLimit = 16 * 4096;  // a shard holds seven answers or so
  ResponseCache cache(kLimit);
  const std::string kept = ResponseCache::KeyOf(1, OneNumber({-1}));
  cache.Put(kept, *TimesTen(OneNumber({-1})));
  for (int i = 0; i < 1000; ++i) {
    const Request request = OneNumber({static_cast<float>(i)});
    cache.Put(ResponseCache::KeyOf(1, request), *TimesTen(request));
    EXPECT_TRUE(cache.Find(kept).has_value()) << i;
    EXPECT_LE(cache.bytes(), kLimit);
  }
  EXPECT_FALSE(cache.Find(ResponseCache::KeyOf(1, OneNumber({0}))).has_value());
}

}  // namespace
}  // namespace slipway::inference::pool
