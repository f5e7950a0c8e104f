// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace slipway::base {
namespace {

TEST(Sha256, MatchesThePublishedVectors) {  // FIPS 180-4 examples
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 pieces;
  for (int i = 0; i < 1000; ++i) pieces.Update(std::string(1000, 'a'));
  EXPECT_EQ(pieces.FinishHex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(HmacSha256, MatchesRfc4231) {
  EXPECT_EQ(HexEncode(HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(HexEncode(HmacSha256(std::string(131, '\xaa'),
                                 "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Crc32c, MatchesRfc3720) {
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62A8AB43U);
  EXPECT_EQ(Crc32c(""), 0U);
}

TEST(Crc32c, GoesOnFromAnEarlierValueAndAgreesWithThePortableForm) {
  rc::check([](const std::string& first, const std::string& second) {
    RC_ASSERT(Crc32c(second, Crc32c(first)) == Crc32c(first + second));
    RC_ASSERT(Crc32cPortable(first + second) == Crc32c(first + second));
  });
}

TEST(Murmur3, MatchesTheReference) {  // smhasher's and Unleash's client specification
  EXPECT_EQ(Murmur3("", 0), 0U);
  EXPECT_EQ(Murmur3("", 1), 0x514E28B7U);
  EXPECT_EQ(Murmur3("a", 0x9747B28C), 0x7FA09EA6U);
  EXPECT_EQ(Murmur3("aa", 0x9747B28C), 0x5D211726U);
  EXPECT_EQ(Murmur3("aaa", 0x9747B28C), 0x283E0130U);
  EXPECT_EQ(Murmur3("aaaa", 0x9747B28C), 0x5A97808AU);
  EXPECT_EQ(Murmur3("Hello, world!", 0x9747B28C), 0x24884CBAU);
  EXPECT_EQ(Murmur3("gr1:123") % 100 + 1, 73U);
  EXPECT_EQ(Murmur3("groupX:999") % 100 + 1, 25U);
}

TEST(Encodings, MatchRfc4648) {
  EXPECT_EQ(Base64Encode(""), "");
  EXPECT_EQ(Base64Encode("f"), "Zg==");
  EXPECT_EQ(Base64Encode("fo"), "Zm8=");
  EXPECT_EQ(Base64Encode("foobar"), "Zm9vYmFy");
  EXPECT_EQ(Base64Encode("\xff\xfe"), "//4=");
  for (const char* text : {"", "f", "fo", "foo", "foobar", "\xff\xfe"})
    EXPECT_EQ(Base64Decode(Base64Encode(text)), text);
  EXPECT_EQ(Base64Decode("Zg"), "f");
  for (const char* wrong : {"Z", "Zg==Zg==", "Z!==", "=AAA", "AAAAA", "Zg===="})
    EXPECT_FALSE(Base64Decode(wrong).has_value()) << wrong;
  EXPECT_EQ(HexEncode("\x00\xff\x1a"), "");
  EXPECT_EQ(HexEncode(std::string("\x00\xff\x1a", 3)), "00ff1a");
}

}  // namespace
}  // namespace slipway::base
