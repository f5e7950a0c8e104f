// SPDX-License-Identifier: Apache-2.0
#include "net/content_encoder.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "net/content_decoder.h"

namespace slipway::net {
namespace {

TEST(ContentEncoder, ChoosesByQualityThenByItsOwnTaste) {
  const std::pair<const char*, Encoding> table[] = {
      {"", Encoding::kIdentity},
      {"gzip", Encoding::kGzip},
      {"GZIP", Encoding::kGzip},
      {"gzip, deflate, br, zstd", Encoding::kZstd},
      {"deflate", Encoding::kDeflate},
      {"br", Encoding::kIdentity},
      {"*", Encoding::kZstd},
      {"zstd;q=0.5, gzip;q=0.8", Encoding::kGzip},
      {"zstd; q=0, gzip ; q=0", Encoding::kIdentity},
      {"zstd;q=0, *;q=0.1", Encoding::kGzip},
      {"identity;q=1, gzip;q=0.5", Encoding::kIdentity},
      {"identity;q=0.5, gzip;q=0.5", Encoding::kGzip},
      {"gzip;q=nonsense", Encoding::kIdentity},
      {"gzip;q=5", Encoding::kIdentity},
      {",,;q=1,gzip", Encoding::kGzip},
      {"identity;q=0", Encoding::kIdentity},
  };
  for (const auto& [text, wanted] : table) EXPECT_EQ(ChooseEncoding(text), wanted) << text;
}

TEST(ContentEncoder, LooksAtABoundedList) {
  std::string many;
  for (int i = 0; i < 10000; ++i) many += "x" + std::to_string(i) + ",";
  EXPECT_EQ(ChooseEncoding(many + "gzip"), Encoding::kIdentity);
}

TEST(ContentEncoder, PacksTextOnly) {
  for (const char* type : {"application/json", "Application/JSON; charset=utf-8", "text/plain",
                           "text/csv", "application/problem+json", "application/x-ndjson"})
    EXPECT_TRUE(IsWorthPacking(type)) << type;
  for (const char* type : {"", "application/octet-stream", "image/png", "application/gzip",
                           "application/zip", "text/event-stream"})
    EXPECT_FALSE(IsWorthPacking(type)) << type;
}

TEST(ContentEncoder, WhatItPacksUnpacksToTheSame) {
  rc::check([] {
    const auto word = *rc::gen::string<std::string>();
    const auto times = *rc::gen::inRange(1, 500);
    std::string plain = "a common beginning, a common beginning, a common beginning";
    for (int i = 0; i < times; ++i) plain += word;
    for (const Encoding encoding : {Encoding::kGzip, Encoding::kDeflate, Encoding::kZstd}) {
      const auto packed = Pack(encoding, plain);
      if (!packed) continue;  // it would have been larger
      RC_ASSERT(packed->size() <= plain.size());
      auto decoder = ContentDecoder::Make(EncodingName(encoding));
      RC_ASSERT(decoder.ok());
      std::string back;
      RC_ASSERT((*decoder)->Decode(*packed, back, plain.size()).ok());
      RC_ASSERT((*decoder)->Finish().ok());
      RC_ASSERT(back == plain);
    }
  });
}

TEST(ContentEncoder, LeavesWhatWouldGrow) {
  EXPECT_FALSE(Pack(Encoding::kGzip, "ab"));
  EXPECT_FALSE(Pack(Encoding::kZstd, "ab"));
  EXPECT_FALSE(Pack(Encoding::kIdentity, "ab"));
}

}  // namespace
}  // namespace slipway::net
