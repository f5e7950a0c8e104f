// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <limits>

namespace slipway::base {
namespace {

std::string Why(std::string_view text) {
  const auto parsed = Json::Parse(text);
  return parsed.ok() ? "accepted" : parsed.status().message();
}

TEST(Json, KeepsEveryTypeAndOrder) {
  const std::string text =
      R"({"z":1,"a":[true,false,null,"x"],"n":-1.5,"o":{},"l":[],"big":9223372036854775807})";
  const auto json = Json::Parse(text);
  ASSERT_TRUE(json.ok()) << json.status().ToString();
  EXPECT_EQ(json->Dump(), text);
  EXPECT_EQ(json->Find("a")->AsArray().size(), 4U);
  EXPECT_EQ(json->Find("missing"), nullptr);
}

TEST(Json, KeepsIntegersExact) {
  EXPECT_EQ(Json::Parse("9223372036854775807")->AsInt(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(Json::Parse("-9223372036854775808")->AsInt(), std::numeric_limits<int64_t>::min());
  EXPECT_FALSE(Json::Parse("9223372036854775808")->is_int());
  EXPECT_EQ(Json::Parse("9223372036854775808")->AsDouble(), 9223372036854775808.0);
  EXPECT_EQ(Json::Parse("123456789012345678901234567890")->AsDouble(), 1.2345678901234568e29);
  EXPECT_EQ(Json(uint64_t{18446744073709551615U}).AsDouble(), 18446744073709551615.0);
}

TEST(Json, RoundsNumbersToTheNearestDouble) {
  EXPECT_EQ(Json::Parse("0.1")->AsDouble(), 0.1);
  EXPECT_EQ(Json::Parse("2.2250738585072011e-308")->AsDouble(), 2.2250738585072011e-308);
  EXPECT_EQ(Json::Parse("9007199254740993.0")->AsDouble(), 9007199254740992.0);
  EXPECT_EQ(Json::Parse("1e-400")->AsDouble(), 0.0);
  EXPECT_EQ(Json::Parse("0.0001e300")->AsDouble(), 1e296);
  EXPECT_NE(Why("1e400"), "accepted");
  EXPECT_NE(Why("0.1e500"), "accepted");
}

TEST(Json, RefusesWhatRfc8259Does) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "[",
                           "[1,]",
                           "{\"a\":1,}",
                           "{a:1}",
                           "'a'",
                           "01",
                           "+1",
                           "1.",
                           ".5",
                           "1e",
                           "-",
                           "nul",
                           "True",
                           "NaN",
                           "Infinity",
                           "\"\\x\"",
                           "\"\t\"",
                           "\"\\u12\"",
                           "1 2",
                           "[1 2]",
                           "{\"a\" 1}",
                           "[1]]",
                           "/*c*/1",
                           "\"open",
                           "\xEF\xBB\xBF"
                           "1"}) {
    EXPECT_EQ(Json::Parse(text).status().reason(), "bad_json") << text;
  }
}

TEST(Json, ChecksUtf8AndSurrogates) {
  EXPECT_EQ(Json::Parse(R"("\ud83d\ude00")")->AsString(), "\xF0\x9F\x98\x80");
  EXPECT_EQ(Json::Parse(R"("\u0000a")")->AsString(), std::string("\0a", 2));
  for (const char* text : {R"("\ud83d")", R"("\ude00")", R"("\ud83dx")", "\"\xff\"", "\"\xc0\x80\"",
                           "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\""}) {
    EXPECT_NE(Why(text), "accepted") << text;
  }
}

TEST(Json, LimitsDepth) {
  const std::string fits = std::string(kMaxJsonDepth, '[') + std::string(kMaxJsonDepth, ']');
  EXPECT_TRUE(Json::Parse(fits).ok());
  EXPECT_NE(Why("[" + fits + "]").find("deeper than 64"), std::string::npos);
  EXPECT_NE(Why(std::string(1'000'000, '[')), "accepted");
}

TEST(Json, RefusesDuplicateKeysAndSaysWhere) {
  EXPECT_EQ(Why(R"({"a":1,"b":{"x":1,"x":2}})"),
            "not valid JSON at byte 23: the key \"x\" stands twice");
  EXPECT_NE(Why(R"({"a":1,"\u0061":2})"), "accepted");
  EXPECT_EQ(Why("[1, x]").substr(0, 24), "not valid JSON at byte 4");
}

TEST(Json, EscapesWhatItPrints) {
  EXPECT_EQ(Json("a\"\\\n\x01/\x7f\xC3\xA9").Dump(), "\"a\\\"\\\\\\n\\u0001/\x7f\xC3\xA9\"");
  EXPECT_EQ(Json("\xff\xC3").Dump(), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(Json(std::nan("")).Dump(), "null");
  EXPECT_EQ(Json(std::numeric_limits<double>::infinity()).Dump(), "null");
  EXPECT_EQ(Json(2.0).Dump(), "2");
  EXPECT_EQ(Json(0.1).Dump(), "0.1");
  std::string single;
  AppendJsonNumber(single, 0.1F);
  EXPECT_EQ(single, "0.1");
}

TEST(Json, IndentsForPeople) {
  const Json json = Json::MakeObject({{"a", Json::MakeArray({1, 2})}, {"b", Json::MakeObject()}});
  EXPECT_EQ(json.Dump(2), "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}");
}

TEST(Json, ReadsBackAnyStringAndNumberThatItPrints) {
  rc::check([](const std::vector<uint16_t>& points, double number, int64_t integer) {
    std::string text;  // any code point of the first plane but surrogates
    for (const uint16_t point : points) {
      if (point >= 0xD800 && point < 0xE000) continue;
      if (point < 0x80) {
        text += static_cast<char>(point);
      } else if (point < 0x800) {
        text += static_cast<char>(0xC0 | (point >> 6));
        text += static_cast<char>(0x80 | (point & 0x3F));
      } else {
        text += static_cast<char>(0xE0 | (point >> 12));
        text += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
        text += static_cast<char>(0x80 | (point & 0x3F));
      }
    }
    RC_ASSERT(Json::Parse(Json(text).Dump())->AsString() == text);
    RC_ASSERT(Json::Parse(Json(number).Dump())->AsDouble() == number);
    RC_ASSERT(Json::Parse(Json(integer).Dump())->AsInt() == integer);
  });
}

TEST(Json, NeverCrashesOnAnyBytes) {
  rc::check([](const std::string& bytes) { (void)Json::Parse(bytes).ok(); });
}

TEST(JsonReaders, NameTheFieldAndTheType) {
  const Json json = *Json::Parse(R"({"s":"x","i":3,"d":1.5,"b":true,"n":null})");
  EXPECT_EQ(*RequireString(json, "s"), "x");
  EXPECT_EQ(*RequireInt(json, "i"), 3);
  EXPECT_EQ(*RequireDouble(json, "i"), 3.0);
  EXPECT_EQ(**OptionalBool(json, "b"), true);
  EXPECT_FALSE(OptionalString(json, "n")->has_value());
  EXPECT_FALSE(OptionalInt(json, "none")->has_value());
  EXPECT_EQ(RequireInt(json, "d").status().ToString(),
            "INVALID_ARGUMENT (invalid_argument) d: expected an integer, got number");
  EXPECT_EQ(RequireString(json, "n").status().reason(), "missing_field");
  EXPECT_FALSE(RequireString(Json(3), "x").ok());
}

TEST(JsonReaders, SuggestTheNearestKnownField) {
  const Json json = *Json::Parse(R"({"experimnt_id":"1"})");
  const Status status = RequireOnly(json, {"experiment_id", "name"});
  EXPECT_EQ(status.field(), "experimnt_id");
  EXPECT_EQ(status.message(), "unknown field; did you mean \"experiment_id\"?");
  EXPECT_EQ(RequireOnly(*Json::Parse(R"({"zzzzzzzz":1})"), {"name"}).message(), "unknown field");
  EXPECT_TRUE(RequireOnly(*Json::Parse(R"({"name":1})"), {"name"}).ok());
}

TEST(Json, SetsAndAppends) {
  Json json;
  json.Set("a", 1).Set("b", 2).Set("a", 3);
  EXPECT_EQ(json.Dump(), R"({"a":3,"b":2})");
  Json list;
  list.Append("x").Append(nullptr);
  EXPECT_EQ(list.Dump(), R"(["x",null])");
}

TEST(JsonDeathTest, EndsTheProcessOnTheWrongType) {
  EXPECT_DEATH((void)Json(3).AsString(), "integer");
}

}  // namespace
}  // namespace slipway::base
