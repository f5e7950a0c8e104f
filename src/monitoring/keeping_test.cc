// SPDX-License-Identifier: Apache-2.0
#include "monitoring/keeping.h"

#include <gtest/gtest.h>

#include "monitoring/record_archive.h"
#include "monitoring/record_codec.h"
#include "monitoring/records_testing.h"

namespace slipway::monitoring {
namespace {

const std::string kSalt = "0123456789abcdef";

std::map<std::string, KeepRule, std::less<>> Rules(const char* json) {
  return ReadKeepRules(base::Json::Parse(json).value()).value();
}

TEST(Redactor, TheBytesOfARecordHoldNothingOfWhatIsDroppedOrHashed) {
  const Redactor redactor =
      Redactor::Make(Rules(R"({"flights": {"drop": ["place"], "hash": ["x", "key"]}})"), kSalt)
          .value();
  PredictionRecord record = TestRecord(1, 1, 0.5F, 0.125F, "SECRET-PLACE");
  record.key = "customer-4711";
  record.error = "bad_value: got 'SECRET-PLACE'";
  ASSERT_TRUE(redactor.Touches("flights"));
  EXPECT_FALSE(redactor.Touches("other"));
  const std::string bytes = EncodePrediction(redactor.Apply(record)).value();
  const float x = 0.125F;
  EXPECT_EQ(bytes.find("SECRET"), std::string::npos);
  EXPECT_EQ(bytes.find("customer-4711"), std::string::npos);
  EXPECT_EQ(bytes.find(std::string(reinterpret_cast<const char*>(&x), sizeof(x))),
            std::string::npos);
  const PredictionRecord kept = DecodePrediction(bytes).value();
  EXPECT_EQ(kept.key, redactor.TextAsLogged("flights", "key", "customer-4711"));
  EXPECT_EQ(kept.key.size(), 64U);
  EXPECT_EQ(kept.inputs.size(), 1U);
  EXPECT_EQ(kept.inputs[0].tensor.strings()[0].size(), 64U);
  EXPECT_EQ(kept.error, "bad_value");
  // The same value gives the same hash, another salt another one.
  EXPECT_EQ(DecodePrediction(EncodePrediction(redactor.Apply(record)).value())->key, kept.key);
  const Redactor other =
      Redactor::Make(Rules(R"({"flights": {"hash": ["key"]}})"), "another secret salt").value();
  EXPECT_NE(other.TextAsLogged("flights", "key", "customer-4711"), kept.key);
}

TEST(Redactor, WantsASalt) {
  const auto made = Redactor::Make(Rules(R"({"flights": {"hash": ["x"]}})"), "short");
  EXPECT_EQ(made.status().field(), "monitoring.redaction_salt");
  EXPECT_FALSE(ReadKeepRules(base::Json::Parse(R"({"flights": {"hash": "x"}})").value()).ok());
}

TEST(Retention, TheOldestGoByAgeAndByBytesOfTheirEndpoint) {
  std::vector<ArchivedFile> files;
  for (int day = 0; day < 10; ++day) {
    const base::Micros latest = day * base::kDay;
    files.push_back({0, "a" + std::to_string(day), "a", 10, 100, latest - 5, latest});
    files.push_back({0, "b" + std::to_string(day), "b", 10, 100, latest - 5, latest});
  }
  const auto keys = [&](const char* rules, const KeepRule& others) {
    std::set<std::string> gone;
    for (const ArchivedFile& file : PastRetention(files, Rules(rules), others, 9 * base::kDay))
      gone.insert(file.key);
    return gone;
  };
  EXPECT_TRUE(keys("{}", {}).empty());
  EXPECT_EQ(keys(R"({"a": {"retention_days": 6.5}})", {}),
            (std::set<std::string>{"a0", "a1", "a2"}));
  EXPECT_EQ(keys(R"({"a": {"retention_bytes": 700}})", {.retention_days = 7.5}),
            (std::set<std::string>{"a0", "a1", "a2", "b0", "b1"}));
}

}  // namespace
}  // namespace slipway::monitoring
