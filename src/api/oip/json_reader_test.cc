// SPDX-License-Identifier: Apache-2.0
#include "api/oip/json_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/json.h"

namespace slipway::api::oip {
namespace {

bool Accepts(std::string_view text) {
  JsonReader reader(text);
  return reader.Skip() && reader.AtEnd();
}

TEST(JsonReader, AcceptsJson) {
  for (const char* text :
       {"0", "-0", "-1.5e+10", "1E-2", "true", "false", "null", "\"\"", "[]", "{}", " [ 1 , 2 ] ",
        "{\"a\":[{},[]],\"b\":\"\\u00e9\\ud83d\\ude00\"}", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\xc3\xbc\"", "NaN", "[Infinity,-Infinity]"}) {
    EXPECT_TRUE(Accepts(text)) << text;
  }
}

TEST(JsonReader, RefusesWhatIsNot) {
  for (const char* text : {"",
                           " ",
                           "01",
                           "-",
                           "+1",
                           "1.",
                           ".5",
                           "1e",
                           "1e+",
                           "0x1",
                           "tru",
                           "True",
                           "nul",
                           "nan",
                           "inf",
                           "-Inf",
                           "Nan",
                           "'a'",
                           "\"",
                           "\"\\\"",
                           "\"\\x\"",
                           "\"\\u12g4\"",
                           "\"\\ud800\"",
                           "\"\\ud800\\u0041\"",
                           "\"\\udc00\"",
                           "\"\x01\"",
                           "\"\xff\"",
                           "\"\xc3\"",
                           "[",
                           "[1",
                           "[1,",
                           "[1,]",
                           "[,1]",
                           "[1 2]",
                           "]",
                           "{",
                           "{\"a\"",
                           "{\"a\":",
                           "{\"a\":1",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{\"a\" 1}",
                           "{1:1}",
                           "{,}",
                           "[}",
                           "{]",
                           "1 2",
                           "{}x"}) {
    JsonReader reader(text);
    EXPECT_FALSE(reader.Skip() && reader.AtEnd()) << text;
    EXPECT_EQ(reader.error().field(), "body") << text;
    EXPECT_EQ(reader.error().code(), base::Code::kInvalidArgument) << text;
  }
}

TEST(JsonReader, ReadsStringsWithTheirEscapes) {
  JsonReader reader(R"("a\u00fc\ud83d\ude00\n\"")");
  std::string text;
  ASSERT_TRUE(reader.ReadString(text));
  EXPECT_EQ(text, "a\xc3\xbc\xf0\x9f\x98\x80\n\"");
}

TEST(JsonReader, ReadsKeysPlainAndEscaped) {
  JsonReader reader("{\"plain\":1,\"\\u0061\\n\":2,\"\xc3\xbc\":3}");
  std::vector<std::string> keys;
  std::string_view key;
  ASSERT_TRUE(reader.EnterObject());
  while (reader.NextKey(key)) {
    keys.emplace_back(key);
    reader.Skip();
  }
  EXPECT_TRUE(reader.AtEnd());
  EXPECT_THAT(keys, ::testing::ElementsAre("plain", "a\n", "\xc3\xbc"));
}

TEST(JsonReader, BoundsDepth) {
  EXPECT_TRUE(Accepts(std::string(kMaxJsonDepth, '[') + std::string(kMaxJsonDepth, ']')));
  EXPECT_FALSE(Accepts(std::string(kMaxJsonDepth + 1, '[') + std::string(kMaxJsonDepth + 1, ']')));
}

TEST(JsonReader, GoesOnFromACopy) {
  JsonReader reader(R"({"a":[1,2],"b":3})");
  std::string_view key;
  ASSERT_TRUE(reader.EnterObject() && reader.NextKey(key));
  JsonReader before = reader;
  ASSERT_TRUE(reader.Skip() && reader.NextKey(key));
  EXPECT_EQ(key, "b");
  EXPECT_TRUE(before.EnterArray() && before.NextItem());
  std::string_view number;
  EXPECT_TRUE(before.ReadNumber(number));
  EXPECT_EQ(number, "1");
}

// Against the control path's parser, on damaged text: the same is accepted (but for what only one
// of them has).
TEST(JsonReader, AgreesWithTheOtherParser) {
  const std::string whole =
      R"({"aa":[1,-2.5e3,{"bb":null}],"cc":"\u00e9\\x","dd":true,"ee":{"ff":[[],{}]}})";
  const bool held = rc::check([&] {
    std::string text = whole;
    const auto changes = *rc::gen::inRange(0, 3);
    for (int i = 0; i < changes; ++i) {
      text[*rc::gen::inRange<size_t>(0, text.size())] =
          *rc::gen::elementOf(std::string("{}[],:\"\\0123456789.eE+-tfn ux"));
    }
    const auto parsed = base::Json::Parse(text);
    RC_ASSERT(Accepts(text) == parsed.ok());
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace slipway::api::oip
